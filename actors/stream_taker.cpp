#include "actors/stream_taker.hpp"

#include <utility>

namespace madang {

// ------------------------------------------------------------------------------------------- moves

void stream_taker::gained(const shard_move& what) {
    if (what.shards.empty()) return;
    const auto key = next_++;
    moves_[key] = {what.peer, what.before, what.now, 0, {}};
    if (limits_.patience_ms == 0) return;  // only to say so
    for (const auto& each : what.shards) sources_[each.number] = {key, each.tenure};
}

void stream_taker::link_is(std::size_t peer, std::uint64_t link) {
    std::vector<std::uint64_t> over;
    for (auto& [key, each] : moves_) {
        if (each.peer != peer || each.link == link) continue;
        if (each.link != 0) {
            over.push_back(key);
            continue;
        }
        each.link = link;
        host_.send_to(peer, peer_parcels::take_all{each.before, each.now, host_.loop(), host_.loops(),
                                                   limits_.patience_ms != 0});
        if (limits_.patience_ms == 0) over.push_back(key);
        for (const auto& [group, waiting] : awaited_)
            if (waiting.move == key) ask(group, each);
    }
    for (const auto each : over) end(each, "link");
}

void stream_taker::end(std::uint64_t which, std::string_view reason) {
    std::erase_if(sources_, [&](const auto& each) { return each.second.move == which; });
    moves_.erase(which);
    std::vector<std::string> groups;
    for (const auto& [group, each] : awaited_)
        if (each.move == which) groups.push_back(group);
    for (const auto& each : groups)
        if (const auto found = awaited_.find(each); found != awaited_.end()) anew(found, reason);
}

void stream_taker::end_all(std::string_view reason) {
    while (!moves_.empty()) end(moves_.begin()->first, reason);
}

void stream_taker::end_peer(std::size_t peer, std::string_view reason) {
    std::vector<std::uint64_t> over;
    for (const auto& [key, each] : moves_)
        if (each.peer == peer) over.push_back(key);
    for (const auto each : over) end(each, reason);
}

void stream_taker::no_longer_owned(const std::function<bool(std::uint32_t shard)>& owned) {
    std::erase_if(sources_, [&](const auto& each) { return !owned(each.first); });
    std::vector<std::string> groups;
    for (const auto& [group, each] : awaited_)
        if (!owned(host_.shard_of(group))) groups.push_back(group);
    for (const auto& each : groups)
        if (const auto found = awaited_.find(each); found != awaited_.end()) release(found);
}

// ------------------------------------------------------------------------------------------- who waits

const stream_taker::source* stream_taker::source_of(const std::string& group) const {
    if (sources_.empty()) return nullptr;
    const auto found = sources_.find(host_.shard_of(group));
    if (found == sources_.end() || host_.has_begun(group, found->second.tenure)) return nullptr;
    return &found->second;
}

stream_taker::entry stream_taker::await(const std::string& group, std::uint64_t move) {
    const auto made = awaited_.try_emplace(group).first;
    made->second.move = move;
    made->second.life = next_++;
    made->second.until_ms = host_.steady_now_ms() + limits_.patience_ms;
    host_.awaited_changed(1);
    host_.wake_taker();
    return made;
}

void stream_taker::ask(const std::string& group, const move& of) {
    host_.send_to(of.peer, peer_parcels::take{group, of.before, of.now});
}

stream_taker::verdict stream_taker::hold(const std::string& group, std::size_t bytes,
                                         std::function<void()> go) {
    auto found = awaited_.find(group);
    const auto* from = found == awaited_.end() ? source_of(group) : nullptr;
    if (found == awaited_.end() && from == nullptr) return verdict::now;
    if (waiting_ >= limits_.waiting || bytes_ + bytes > limits_.bytes) return verdict::refused;
    if (from != nullptr) {
        const auto& move = moves_.at(from->move);
        found = await(group, from->move);
        if (move.link != 0) ask(group, move);
    }
    ++waiting_;
    bytes_ += bytes;
    found->second.bytes += bytes;
    found->second.waiting.push_back(std::move(go));
    return verdict::later;
}

void stream_taker::release(entry which) {
    auto node = awaited_.extract(which);
    auto& each = node.mapped();
    waiting_ -= each.waiting.size();
    bytes_ -= each.bytes;
    host_.awaited_changed(-1);
    for (const auto& go : each.waiting) go();
}

void stream_taker::anew(entry which, std::string_view reason) {
    host_.stream_anew(which->first, reason);
    release(which);
}

void stream_taker::expire() {
    const auto now = host_.steady_now_ms();
    std::vector<std::string> over;
    for (const auto& [group, each] : awaited_)
        if (each.until_ms <= now) over.push_back(group);
    for (const auto& each : over)
        if (const auto found = awaited_.find(each); found != awaited_.end()) anew(found, "timeout");
    if (!awaited_.empty()) host_.wake_taker();
}

// ------------------------------------------------------------------------------------------- what comes

void stream_taker::came(std::size_t peer, peer_parcels::handed&& what) {
    const peer_parcels::took no{what.group, what.ticket, what.piece, false};
    const auto* from = source_of(what.group);
    const auto move = from == nullptr ? moves_.end() : moves_.find(from->move);
    if (move == moves_.end() || move->second.peer != peer || move->second.now != what.now) {
        if (what.good) host_.send_to(peer, no);
        return;
    }
    auto found = awaited_.find(what.group);
    if (!what.good) {
        if (found != awaited_.end()) anew(found, "nothing");
        return;
    }
    if (found == awaited_.end()) found = await(what.group, from->move);
    auto& each = found->second;
    if (what.piece == 0 && !each.coming) {
        each.coming = true;
        each.ticket = what.ticket;
        each.run_begins = each.run_ends = 0;
        each.meanwhile = host_.fresh_epoch();
    } else if (each.storing || !each.coming || each.ticket != what.ticket || each.next_piece != what.piece) {
        host_.send_to(peer, no);
        if (each.ticket == what.ticket) anew(found, "store");
        return;
    }
    // Only what reaches the top without a gap is kept of it.
    for (const auto& kept : what.what.publications) {
        if (each.run_ends == 0 || kept.what.offset != each.run_ends + 1) each.run_begins = kept.what.offset;
        each.run_ends = kept.what.offset;
    }
    const bool last = what.last;
    commands::adopt command;
    command.group = what.group;
    command.what = std::move(what.what);
    command.what.oldest = each.run_ends != 0 && each.run_ends == command.what.top.offset
                              ? each.run_begins
                              : command.what.top.offset + 1;
    command.meanwhile = each.meanwhile;
    command.first = what.piece == 0;
    command.last = last;
    command.now_ms = host_.unix_now_ms();
    each.storing = true;
    each.next_piece = what.piece + 1;
    each.until_ms = host_.steady_now_ms() + limits_.patience_ms;
    host_.ask_store(what.group, std::move(command),
                    [this, group = what.group, life = each.life, peer, last,
                     told = peer_parcels::took{what.group, what.ticket, what.piece, true}](
                        store_answer&& answer) { stored(group, life, peer, told, last, answer); });
}

void stream_taker::stored(const std::string& group, std::uint64_t life, std::size_t peer,
                          const peer_parcels::took& told, bool last, const store_answer& answer) {
    const auto found = awaited_.find(group);
    const bool current = found != awaited_.end() && found->second.life == life;
    auto reply = told;
    reply.good = current && answer;
    host_.send_to(peer, reply);
    if (!current) return;
    if (!answer) return anew(found, "store");
    found->second.storing = false;
    found->second.until_ms = host_.steady_now_ms() + limits_.patience_ms;
    if (!last) return;
    host_.stream_taken(group, std::get<position>(*answer));
    release(found);
}

void stream_taker::came(std::size_t peer, const peer_parcels::given_all& what) {
    std::vector<std::uint64_t> over;
    for (auto& [key, each] : moves_) {
        if (each.peer != peer || each.now != what.now || what.loop >= what.loops) continue;
        each.given.insert(what.loop);
        if (each.given.size() == what.loops) over.push_back(key);
    }
    for (const auto each : over) end(each, "nothing");
}

}  // namespace madang
