#include "actors/stream_giver.hpp"

#include <algorithm>
#include <utility>

namespace madang {

// ------------------------------------------------------------------------------------------- moves

void stream_giver::lost(const shard_move& what, const std::function<bool(std::uint32_t shard)>& unfinished) {
    auto& made = moves_[next_++];
    made.peer = what.peer;
    made.before = what.before;
    made.now = what.now;
    made.until_ms = host_.steady_now_ms() + unasked_ms_;
    host_.wake_giver();
    for (const auto& each : what.shards) made.shards[each.number] = {each.tenure, unfinished(each.number)};
}

void stream_giver::end(std::uint64_t key) {
    std::erase_if(transfers_, [&](const auto& each) { return each.second.move == key; });
    moves_.erase(key);
    host_.all_is_given();
}

void stream_giver::end_all() {
    while (!moves_.empty()) end(moves_.begin()->first);
}

void stream_giver::end_peer(std::size_t peer) {
    std::vector<std::uint64_t> over;
    for (const auto& [key, each] : moves_)
        if (each.peer == peer) over.push_back(key);
    for (const auto key : over) end(key);
    std::erase_if(early_, [&](const auto& each) { return each.peer == peer; });
}

void stream_giver::owned_again(const std::function<bool(std::uint32_t shard)>& owned) {
    for (auto& [key, each] : moves_)
        std::erase_if(each.shards, [&](const auto& s) { return owned(s.first); });
    std::vector<std::uint64_t> touched;
    for (const auto& [group, each] : std::exchange(transfers_, {}))
        if (owned(host_.shard_of(group)))
            touched.push_back(each.move);
        else
            transfers_.emplace(group, each);
    for (const auto key : touched) --moves_.at(key).under_way;
    for (const auto key : touched) pump(key);
}

void stream_giver::link_is(std::size_t peer, std::uint64_t link) {
    if (std::exchange(links_[peer], link) !=
        link)  // what was asked over the one before is answered to nobody
        std::erase_if(early_, [&](const auto& each) { return each.peer == peer; });
    bool broke = false;
    for (auto& [key, each] : moves_) {
        if (each.peer != peer || each.link == link) continue;
        broke = broke || each.link != 0;
        each.link = link;
    }
    if (broke) end_peer(peer);
}

void stream_giver::view_is(std::uint64_t number) {
    view_ = number;
    std::vector<early> due;
    for (auto& each : std::exchange(early_, {}))
        (each.view <= number ? due : early_).push_back(std::move(each));
    for (const auto& each : due) each.ask();
}

stream_giver::move_table::iterator stream_giver::find(std::size_t peer, const view_name& before,
                                                      const view_name& now) {
    return std::find_if(moves_.begin(), moves_.end(), [&](const auto& each) {
        // Number 0: it is in its first view, and has published nothing anywhere.
        return each.second.peer == peer && each.second.now == now &&
               (before.number == 0 || each.second.before == before);
    });
}

// ------------------------------------------------------------------------------------------- questions

bool stream_giver::later(std::size_t peer, std::uint64_t view, std::function<void()> ask) {
    if (view <= view_ || early_.size() >= early_limit) return false;
    early_.push_back({peer, view, std::move(ask)});
    return true;
}

void stream_giver::nothing(std::size_t peer, const std::string& group, const view_name& now) {
    peer_parcels::handed none;
    none.group = group;
    none.now = now;
    none.good = false;
    host_.send_to(peer, std::move(none));
}

void stream_giver::came(std::size_t peer, peer_parcels::take&& what) {
    if (later(peer, what.now.number, [this, peer, what] { came(peer, peer_parcels::take(what)); })) return;
    const auto found = find(peer, what.before, what.now);
    if (found == moves_.end() || !found->second.shards.contains(host_.shard_of(what.group)))
        return nothing(peer, what.group, what.now);
    if (transfers_.contains(what.group)) return;  // it is under way
    if (!found->second.done.insert(what.group).second) return nothing(peer, what.group, what.now);
    found->second.asked.push_back(std::move(what.group));
    pump(found->first);
}

void stream_giver::came(std::size_t peer, peer_parcels::take_all&& what) {
    if (later(peer, what.now.number, [this, peer, what] { came(peer, peer_parcels::take_all(what)); }))
        return;
    const auto found = find(peer, what.before, what.now);
    if (found == moves_.end()) {  // nothing, then, and nobody is to wait for it
        host_.send_to(peer, peer_parcels::given_all{what.now, host_.loop(), host_.loops()});
        return;
    }
    if (!what.wanted) return end(found->first);
    auto& move = found->second;
    if (what.loop >= what.loops) return;
    move.ready.insert(what.loop);
    if (move.ready.size() != what.loops || move.all != move::stage::waits) return;
    move.all = move::stage::looks;
    // What was published before is committed when this is answered, so that looking finds it.
    move.looking = true;
    host_.ask_store_last(queries::presence_stats{what.now.proposer + "-"},
                         [this, key = found->first](store_answer&&) { look(key); });
}

// ------------------------------------------------------------------------------------------- all of them

void stream_giver::look(std::uint64_t key) {
    const auto found = moves_.find(key);
    if (found == moves_.end()) return;
    std::vector<std::uint32_t> shards;
    for (const auto& [number, each] : found->second.shards) shards.push_back(number);
    std::sort(shards.begin(), shards.end());
    queries::streams query;
    query.after = found->second.after;
    query.limit = looked_at_once;
    query.now_ms = host_.unix_now_ms();
    query.wanted = [is_home = host_.is_home_here(), all = host_.shards(),
                    shards = std::move(shards)](std::string_view group) {
        return is_home(group) &&
               std::binary_search(shards.begin(), shards.end(), cluster_shard_of(group, all));
    };
    found->second.looking = true;
    host_.ask_store_last(std::move(query), [this, key](store_answer&& answer) {
        const auto still = moves_.find(key);
        if (still == moves_.end()) return;
        auto& move = still->second;
        move.looking = false;
        auto* names = answer ? std::get_if<stream_names>(&*answer) : nullptr;
        if (names != nullptr)
            for (auto& each : names->groups) move.queue.push_back(std::move(each));
        move.after = names != nullptr ? std::move(names->next) : std::string();
        if (move.after.empty()) move.all = move::stage::looked;
        pump(key);
    });
}

void stream_giver::pump(std::uint64_t key) {
    for (;;) {
        const auto found = moves_.find(key);
        if (found == moves_.end()) return;
        auto& move = found->second;
        if (!move.asked.empty()) {
            if (move.under_way >= at_once) return;
            const auto group = std::move(move.asked.front());
            move.asked.pop_front();
            give(key, group);
            continue;
        }
        if (move.queue.empty()) {
            if (move.looking || move.all == move::stage::waits) return;
            if (move.all == move::stage::looks) return look(key);
            if (move.under_way != 0) return;
            host_.send_to(move.peer, peer_parcels::given_all{move.now, host_.loop(), host_.loops()});
            return end(key);
        }
        if (move.under_way >= at_once) return;
        if (!host_.has_credit(move.peer)) return host_.wake_giver();
        const auto group = std::move(move.queue.front());
        move.queue.pop_front();
        if (!host_.keeps_stream(group) || !move.done.insert(group).second) continue;
        give(key, group);
    }
}

void stream_giver::go_on() {
    const auto now = host_.steady_now_ms();
    std::vector<std::uint64_t> all, over;
    bool waits = false;
    for (const auto& [key, each] : moves_) {
        const bool unasked = each.all == move::stage::waits && each.under_way == 0;
        waits = waits || unasked;
        (unasked && each.until_ms <= now ? over : all).push_back(key);
    }
    for (const auto key : over) end(key);
    for (const auto key : all) pump(key);
    if (waits) host_.wake_giver();
}

// ------------------------------------------------------------------------------------------- one of them

stream_giver::transfer* stream_giver::current(const std::string& group, std::uint64_t ticket) {
    const auto found = transfers_.find(group);
    return found == transfers_.end() || found->second.ticket != ticket ? nullptr : &found->second;
}

void stream_giver::give(std::uint64_t key, const std::string& group) {
    auto& move = moves_.at(key);
    const auto shard = move.shards.find(host_.shard_of(group));
    if (shard == move.shards.end()) return nothing(move.peer, group, move.now);
    const bool settled = host_.is_settled(group, shard->second.tenure);
    if (!settled && shard->second.unfinished) return nothing(move.peer, group, move.now);
    const auto ticket = next_++;
    transfers_[group] = {key, ticket, 0, {}, {}, false};
    ++move.under_way;
    commands::surrender command{group, settled ? std::string() : host_.fresh_epoch(), host_.fresh_epoch(),
                                host_.unix_now_ms()};
    host_.ask_store(group, std::move(command), [this, group, ticket](store_answer&& answer) {
        auto* transfer = current(group, ticket);
        if (transfer == nullptr) return;
        const auto* at = answer ? std::get_if<position>(&*answer) : nullptr;
        if (at == nullptr || at->epoch.empty()) {
            const auto& to = moves_.at(transfer->move);
            nothing(to.peer, group, to.now);
            return over(group);
        }
        transfer->epoch = at->epoch;
        send_piece(group);
    });
}

void stream_giver::send_piece(const std::string& group) {
    const auto& transfer = transfers_.at(group);
    queries::copy query{group, transfer.next, piece_bytes, host_.unix_now_ms()};
    host_.ask_store(group, std::move(query), [this, group, ticket = transfer.ticket](store_answer&& answer) {
        auto* transfer = current(group, ticket);
        if (transfer == nullptr) return;
        const auto& to = moves_.at(transfer->move);
        auto* piece = answer ? std::get_if<stream_piece>(&*answer) : nullptr;
        if (piece == nullptr) {
            nothing(to.peer, group, to.now);
            return over(group);
        }
        transfer->next = std::exchange(piece->next, {});
        transfer->last = transfer->next.empty();
        piece->top.epoch = transfer->epoch;
        host_.send_to(to.peer, peer_parcels::handed{group, to.now, ticket, transfer->piece, true,
                                                    transfer->last, std::move(*piece)});
    });
}

void stream_giver::came(std::size_t peer, const peer_parcels::took& what) {
    auto* transfer = current(what.group, what.ticket);
    if (transfer == nullptr || moves_.at(transfer->move).peer != peer || transfer->piece != what.piece)
        return;
    if (what.good && !transfer->last) {
        ++transfer->piece;
        return send_piece(what.group);
    }
    if (what.good) host_.stream_given();
    over(what.group);
}

void stream_giver::over(const std::string& group) {
    const auto node = transfers_.extract(group);
    const auto key = node.mapped().move;
    --moves_.at(key).under_way;
    pump(key);
}

}  // namespace madang
