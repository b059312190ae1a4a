#include "broker/jobs/scheduler_core.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace madang {
namespace {

constexpr auto never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t jump_ms = 2'000;  // forward; less is a clock that is being corrected slowly
constexpr std::size_t past_kept = 32;
constexpr std::size_t made_good_kept = 32;
constexpr std::uint32_t counted = 2'000;  // missed fires that are counted one by one

}  // namespace

// Notices when the clock jumped, and plans anew what it has to be planned for.
void scheduler_core::see(const job_time& now) {
    if (!began_) {
        began_ = true;
        present_ = {now.wall_ms, now.wall_ms};
    }
    const auto shift = now.wall_ms - seen_.wall_ms - (now.elapsed_ms - seen_.elapsed_ms);
    const bool back = now.wall_ms < present_.to;
    if (back || shift > jump_ms) {
        if (past_.size() == past_kept) past_.erase(past_.begin());
        past_.push_back(present_);
        present_.from = now.wall_ms;
    }
    present_.to = now.wall_ms;
    seen_ = now;
    if (!back) return;
    for (auto& [name, each] : entries_) {
        if (each.next_ms == 0) continue;
        if (each.floor_ms > now.wall_ms + back_ms) each.floor_ms = 0;
        each.next_ms = next_fire(each, now.wall_ms - 1);
    }
}

// Cron's, of those that were not dealt with.
std::int64_t scheduler_core::next_fire(const entry& each, std::int64_t after_ms) const {
    auto at = each.what.next(std::max(after_ms, each.floor_ms));
    while (at != 0) {
        const auto in =
            std::find_if(past_.begin(), past_.end(), [at](const span& one) { return one.has(at); });
        if (in != past_.end()) {
            at = each.what.next(in->to);
        } else if (std::find(each.made_good.begin(), each.made_good.end(), at) != each.made_good.end()) {
            at = each.what.next(at);
        } else {
            break;
        }
    }
    return at;
}

bool scheduler_core::is_due(const entry& each, const job_time& now) const noexcept {
    if (each.what.interval_ms() != 0) return now.elapsed_ms >= each.next_elapsed_ms;
    return each.next_ms != 0 && now.wall_ms >= each.next_ms;
}

// The last fire that has come; plans the one behind it.
scheduler_core::missed scheduler_core::pass(entry& each, const job_time& now) const {
    missed found;
    if (const auto interval = each.what.interval_ms(); interval != 0) {
        const auto times = (now.elapsed_ms - each.next_elapsed_ms) / interval;
        found.skipped = static_cast<std::uint32_t>(std::min<std::int64_t>(times, never >> 32));
        found.late_ms = now.elapsed_ms - each.next_elapsed_ms - times * interval;
        found.at_ms = now.wall_ms - found.late_ms;
        each.next_elapsed_ms += (times + 1) * interval;
        return found;
    }
    found.at_ms = each.next_ms;
    auto following = next_fire(each, found.at_ms);
    const auto step = [&] {
        found.at_ms = std::exchange(following, next_fire(each, following));
        ++found.skipped;
    };
    while (following != 0 && following <= now.wall_ms && found.skipped < counted) step();
    if (following != 0 && following <= now.wall_ms) {  // too many: from behind
        for (std::int64_t window = 60'000; following <= now.wall_ms; window *= 2) {
            const auto late = next_fire(each, std::max(now.wall_ms - window, found.at_ms));
            if (late == 0 || late > now.wall_ms) continue;
            following = late;
            break;
        }
        while (following != 0 && following <= now.wall_ms) step();
    }
    found.late_ms = now.wall_ms - found.at_ms;
    each.next_ms = following;
    return found;
}

result<void> scheduler_core::put(std::string_view name, std::string_view json, std::int64_t last_fire_ms,
                                 std::uint64_t unfinished, const job_time& now) {
    auto parsed = schedule::parse(name, json);
    if (!parsed) return parsed.error();
    see(now);
    entry made;
    made.what = std::move(*parsed);
    made.unfinished = unfinished;
    made.last_ms = last_fire_ms;
    const auto from = last_fire_ms == 0 || last_fire_ms > now.wall_ms + back_ms ? now.wall_ms : last_fire_ms;
    if (const auto interval = made.what.interval_ms(); interval != 0) {
        made.next_elapsed_ms = now.elapsed_ms + std::min(from + interval - now.wall_ms, interval);
    } else {
        made.floor_ms = from;
        made.next_ms = next_fire(made, from);
    }
    entries_.insert_or_assign(std::string(name), std::move(made));
    return {};
}

void scheduler_core::remove(std::string_view name) {
    if (const auto found = entries_.find(name); found != entries_.end()) entries_.erase(found);
}

void scheduler_core::fired_job_over(std::string_view name) {
    if (const auto found = entries_.find(name); found != entries_.end() && found->second.unfinished != 0)
        --found->second.unfinished;
}

void scheduler_core::set_unfinished(std::string_view name, std::uint64_t count) {
    if (const auto found = entries_.find(name); found != entries_.end()) found->second.unfinished = count;
}

scheduler_core::fire scheduler_core::say(std::string_view name, entry& each, std::int64_t at_ms,
                                         std::uint32_t skipped, bool skip) {
    each.last_ms = std::max(at_ms, each.last_ms + 1);
    if (!skip) ++each.unfinished;
    return {std::string(name), each.what.signature(), each.last_ms, skipped, skip};
}

std::vector<scheduler_core::fire> scheduler_core::due(const job_time& now) {
    see(now);
    std::vector<fire> fires;
    for (auto& [name, each] : entries_) {
        if (!each.what.enabled()) continue;
        const bool busy = each.unfinished != 0;
        if (is_due(each, now)) {
            auto found = pass(each, now);
            if (each.held_ms != 0) found.skipped += each.held_skipped + 1;
            each.held_ms = 0;
            if (busy && each.what.when_running() == schedule::overlap::queue) {
                each.held_ms = found.at_ms;
                each.held_skipped = found.skipped;
                continue;
            }
            const bool late = found.late_ms > std::max(each.what.catch_up_ms(), on_time_ms);
            const bool skip = late || (busy && each.what.when_running() == schedule::overlap::skip);
            if (!skip && found.late_ms != 0) {
                if (each.made_good.size() == made_good_kept) each.made_good.erase(each.made_good.begin());
                each.made_good.push_back(found.at_ms);
            }
            fires.push_back(say(name, each, found.at_ms, found.skipped, skip));
        } else if (each.held_ms != 0 && !busy) {
            fires.push_back(say(name, each, std::exchange(each.held_ms, 0), each.held_skipped, false));
        }
    }
    return fires;
}

job_time scheduler_core::next() const {
    job_time soonest{never, never};
    for (const auto& [name, each] : entries_) {
        if (!each.what.enabled()) continue;
        if (each.what.interval_ms() != 0)
            soonest.elapsed_ms = std::min(soonest.elapsed_ms, each.next_elapsed_ms);
        else if (each.next_ms != 0)
            soonest.wall_ms = std::min(soonest.wall_ms, each.next_ms);
    }
    return soonest;
}

std::int64_t scheduler_core::next_of(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end() || !found->second.what.enabled()) return 0;
    if (found->second.what.interval_ms() == 0) return found->second.next_ms;
    return seen_.wall_ms + (found->second.next_elapsed_ms - seen_.elapsed_ms);
}

}  // namespace madang
