#include "actors/job_mover.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/log.hpp"

namespace madang {

using kind = job_move_word::kind;

job_mover::job_mover(job_mover_host& host, std::string own_name, const settings& how)
    : host_(host), own_(std::move(own_name)), settings_(how) {}

// ---- What happens

void job_mover::start() {
    started_ = true;
    go_on();
}

void job_mover::home_is(const std::string& node) {
    if (home_ == node) return;
    home_ = node;
    ready_ = empty_ = look_again_ = false;
    left_ = 0;
    leave_current();
    go_on();
}

void job_mover::linked(const std::string& node) {
    links_.insert(node);
    removed_.erase(node);
    if (const auto at = kept_.find(current_); at != kept_.end() && at->second.to == node) leave_current();
    go_on();
}

void job_mover::unlinked(const std::string& node) {
    links_.erase(node);
    if (const auto at = kept_.find(current_); at != kept_.end() && at->second.to == node) leave_current();
    go_on();
}

void job_mover::removed(const std::string& node) {
    if (links_.contains(node) || !removed_.insert(node).second) return;
    go_on();
}

void job_mover::tick() {
    const bool waiting = phase_ == phase::sending || phase_ == phase::asking;
    if (waiting && now_ms() >= said_ms_ + settings_.retry_ms) leave_current();
    if (empty_ && !look_again_ && now_ms() >= rests_until_ms_) {
        look_again_ = true;
        ready_ = false;
    }
    go_on();
}

void job_mover::heard(const std::string& node, const job_move_word& what) {
    const bool waiting = phase_ == phase::sending || phase_ == phase::asking;
    const auto at = waiting ? kept_.find(current_) : kept_.end();
    if (at == kept_.end() || at->second.to != node || at->second.name != what.of) return;
    switch (what.what) {
        case kind::more:
            if (phase_ == phase::sending && what.at == sent_ && sent_ < at->second.bytes->size())
                send_from(sent_);
            break;
        case kind::taken:
            given();
            break;
        case kind::forgone:
            if (phase_ == phase::asking) put_elsewhere(false);
            break;
        case kind::refused:
            put_elsewhere(true);
            break;
        case kind::unreadable:
            log_error("jobs.chunk_unreadable", {{"node", node}, {"jobs", at->second.jobs}});
            [[fallthrough]];
        case kind::not_here:
            rest(settings_.retry_ms);
            break;
        case kind::piece:
        case kind::forgo:
            break;
    }
}

std::chrono::milliseconds job_mover::wait() const {
    std::int64_t until = now_ms() + 60'000;
    if (phase_ == phase::sending || phase_ == phase::asking)
        until = std::min(until, said_ms_ + settings_.retry_ms);
    if (phase_ == phase::none) {
        if (rests_until_ms_ > now_ms() || empty_) until = std::min(until, rests_until_ms_);
        for (const auto& [number, each] : kept_)
            if (each.rests_until_ms > now_ms()) until = std::min(until, each.rests_until_ms);
    }
    return std::chrono::milliseconds(std::max<std::int64_t>(0, until - now_ms()));
}

bool job_mover::is_done() const noexcept { return known_ && empty_ && kept_.empty() && !is_home(); }

std::uint64_t job_mover::jobs_left() const noexcept {
    auto all = left_;
    for (const auto& [number, each] : kept_) all += each.jobs;
    return all;
}

std::set<std::string> job_mover::takers() const {
    std::set<std::string> all;
    if (!home_.empty() && !is_home()) all.insert(home_);
    for (const auto& [number, each] : kept_) all.insert(each.to);
    return all;
}

// ---- What is done next

void job_mover::go_on() {
    if (!started_ || phase_ != phase::none) return;
    if (!known_) {
        if (now_ms() >= rests_until_ms_) read_chunks();
        return;
    }
    if (home_.empty()) return;
    std::set<std::string, std::less<>> waiting;  // for an earlier chunk of theirs
    for (auto& [number, each] : kept_) {
        if (waiting.contains(each.to)) continue;
        if (each.rests_until_ms <= now_ms() && settle(each)) return;
        waiting.insert(each.to);
    }
    if (is_home() || (empty_ && !look_again_) || waiting.contains(home_) || !links_.contains(home_) ||
        now_ms() < rests_until_ms_)
        return;
    if (ready_)
        give();
    else
        look();
}

// False: nothing can be done with it now.
bool job_mover::settle(chunk& what) {
    current_ = what.name.number;
    const bool lost = removed_.contains(what.to);
    if (what.to != home_ && (what.unsent || lost)) {
        if (lost) log_warn("jobs.chunk_reclaimed", {{"node", what.to}, {"jobs", what.jobs}});
        put_elsewhere(false);
        return true;
    }
    if (!links_.contains(what.to)) return false;
    if (!what.unsent) began_ms_ = now_ms();
    if (what.to != home_)
        ask();
    else if (what.bytes)
        send_from(0);
    else
        read(current_);
    return true;
}

void job_mover::leave_current() {
    if (phase_ == phase::sending || phase_ == phase::asking) phase_ = phase::none;
}

// The current one is tried again then.
void job_mover::rest(std::int64_t ms) {
    leave_current();
    if (const auto at = kept_.find(current_); at != kept_.end()) at->second.rests_until_ms = now_ms() + ms;
    go_on();
}

// ---- To and from the store

void job_mover::submit(job_request what, durability how, std::function<void(job_answer&&)> then) {
    phase_ = phase::store;
    host_.submit(std::move(what), how, [this, then = std::move(then)](job_answer&& got) {
        phase_ = phase::none;
        if (!got) log_warn("jobs.move_refused", {{"error", got.error().text()}});
        then(std::move(got));
        go_on();
    });
}

job_mover::chunk& job_mover::keep(const kept_chunk& what) {
    auto& kept = kept_[what.number];
    kept = {{what.book, what.number, what.transfer}, what.to, what.jobs, what.bytes, false, 0};
    return kept;
}

void job_mover::read_chunks() {
    submit(job_queries::chunks{}, durability::buffered, [this](job_answer&& got) {
        if (!got) {
            rests_until_ms_ = now_ms() + settings_.retry_ms;
            return;
        }
        known_ = true;
        for (const auto& each : std::get<std::vector<kept_chunk>>(*got)) keep(each);
    });
}

void job_mover::read(std::uint64_t number) {
    submit(job_queries::chunk{number}, durability::buffered, [this, number](job_answer&& got) {
        auto& kept = kept_.at(number);
        if (got)
            kept.bytes = std::get<std::shared_ptr<kept_chunk>>(*got)->bytes;
        else if (got.error().code == errc::not_found)
            kept_.erase(number);
        else
            kept.rests_until_ms = now_ms() + settings_.retry_ms;
    });
}

void job_mover::look() {
    submit(job_commands::look{host_.now()}, durability::buffered, [this](job_answer&& got) {
        if (got)
            ready_ = std::get<bool>(*got);
        else
            rests_until_ms_ = now_ms() + settings_.retry_ms;
    });
}

void job_mover::give() {
    began_ms_ = now_ms();
    job_commands::give what;
    what.to = home_;
    what.book = std::max<std::uint64_t>(host_.dice(), 1);
    what.transfer = std::max<std::uint64_t>(host_.dice(), 1);
    what.most_jobs = settings_.chunk_jobs;
    what.most_bytes = settings_.chunk_bytes;
    what.now = host_.now();
    submit(what, durability::synced, [this](job_answer&& got) {
        if (!got) {
            ready_ = false;
            rests_until_ms_ = now_ms() + settings_.retry_ms;
            return;
        }
        const auto& given = *std::get<std::shared_ptr<given_chunk>>(*got);
        left_ = given.left;
        look_again_ = false;
        if (given.cut) {
            empty_ = false;
            keep(*given.cut).unsent = true;
            return;
        }
        empty_ = true;
        rests_until_ms_ = now_ms() + settings_.look_again_ms;
    });
}

void job_mover::given() {
    submit(job_commands::given{current_}, durability::buffered, [this, number = current_](job_answer&& got) {
        auto& kept = kept_.at(number);
        if (!got) {
            kept.rests_until_ms = now_ms() + settings_.retry_ms;
            return;
        }
        moved_ += kept.jobs;
        kept_.erase(number);
        rests_until_ms_ = now_ms() + std::min(now_ms() - began_ms_, settings_.retry_ms);
    });
}

// It is this book's again, by its taker's word.
void job_mover::put_elsewhere(bool renamed) {
    leave_current();
    if (home_.empty()) return;
    if (is_home())
        take_back(current_);
    else
        again(current_, renamed);
}

void job_mover::again(std::uint64_t number, bool renamed) {
    job_commands::give_again what{number, home_, std::max<std::uint64_t>(host_.dice(), 1), 0};
    if (renamed) what.book = std::max<std::uint64_t>(host_.dice(), 1);
    submit(what, durability::synced, [this, number](job_answer&& got) {
        if (!got) {
            kept_.at(number).rests_until_ms = now_ms() + settings_.retry_ms;
            return;
        }
        kept_.erase(number);
        keep(*std::get<std::shared_ptr<kept_chunk>>(*got)).unsent = true;
    });
}

void job_mover::take_back(std::uint64_t number) {
    submit(job_commands::take_back{number, host_.now()}, durability::buffered,
           [this, number](job_answer&& got) {
               if (!got) {
                   kept_.at(number).rests_until_ms = now_ms() + settings_.retry_ms;
                   return;
               }
               kept_.erase(number);
               host_.took_back(std::get<taken_chunk>(*got));
           });
}

// ---- To the taker

// What was sent before may be lost: a chunk that begins anew replaces what its taker has of it.
void job_mover::send_from(std::uint64_t at) {
    auto& what = kept_.at(current_);
    what.unsent = false;
    phase_ = phase::sending;
    said_ms_ = now_ms();
    const auto size = std::min<std::uint64_t>(settings_.piece_bytes, what.bytes->size() - at);
    sent_ = at + size;
    host_.send(what.to, encode(job_move_word{kind::piece, what.name, at, what.bytes->size(),
                                             what.bytes->substr(at, size)}));
}

void job_mover::ask() {
    const auto& what = kept_.at(current_);
    phase_ = phase::asking;
    said_ms_ = now_ms();
    host_.send(what.to, encode(job_move_word{kind::forgo, what.name, 0, 0, {}}));
}

}  // namespace madang
