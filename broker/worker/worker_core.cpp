#include "broker/worker/worker_core.hpp"

#include <algorithm>

namespace madang {
namespace {

using std::chrono::milliseconds;
using outcome = link::ended::outcome;

worker_core::time after(worker_core::time now, std::uint32_t ms) {
    return ms == 0 ? worker_core::time::max() : now + milliseconds(ms);
}

}  // namespace

// ---- Jobs

void worker_core::run(link::run what, time now) {
    const auto token = what.token;
    auto [at, fresh] = jobs_.try_emplace(token);
    if (!fresh) return;
    at->second.spec = std::move(what);
    at->second.since = now;
    if (stopping_ != stopping::no) return hand_back(at->second);
    waiting_.push_back(token);
    assign(now);
}

void worker_core::stop(const link::stop& what, time now) {
    const auto found = jobs_.find(what.token);
    if (found == jobs_.end() || found->second.where == place::over) return;
    auto& which = found->second;
    which.stop = std::max(which.stop, static_cast<int>(what.what));
    if (which.where == place::waiting) {
        std::erase(waiting_, what.token);
        hand_back(which);
    } else if (which.where == place::given) {
        call_back(which.child, children_.at(which.child));
    } else {
        apply_stop(which);
    }
    assign(now);
}

void worker_core::apply_stop(job& which) {
    if (which.stop < 0) return;
    const auto how = static_cast<link::stop::how>(which.stop);
    if (how == link::stop::how::kill)
        kill(which.child, children_.at(which.child), kill_reason::cancel, which.spec.token);
    else
        port_.stop(which.child, which.spec.token, how);
}

void worker_core::told(const link::told& what) {
    const auto found = jobs_.find(what.token);
    if (found == jobs_.end()) return;
    auto& which = found->second;
    if (which.where == place::over) return forget(what.token);
    if (!what.stale) return;
    which.unwanted = true;
    if (which.where == place::waiting) {
        std::erase(waiting_, what.token);
        forget(what.token);
    } else if (which.where == place::given) {
        call_back(which.child, children_.at(which.child));
    } else {
        port_.stop(which.child, what.token, link::stop::how::ask);
    }
}

void worker_core::began(child_id child, const link::began& what, time now) {
    const auto found = jobs_.find(what.token);
    if (found == jobs_.end() || found->second.child != child || found->second.where != place::given) return;
    auto& which = found->second;
    children_.at(child).began = true;
    which.where = place::begun;
    which.pid = what.child;
    which.since = now;
    which.soft = after(now, which.spec.soft_limit_ms);
    which.hard = after(now, which.spec.hard_limit_ms);
    fresh_.push_back(what.token);
    if (which.unwanted) which.stop = std::max(which.stop, static_cast<int>(link::stop::how::ask));
    apply_stop(which);
}

void worker_core::ended(child_id child_number, link::ended how, std::size_t resident, time now) {
    const auto found = jobs_.find(how.token);
    const auto place_of_child = children_.find(child_number);
    if (found == jobs_.end() || place_of_child == children_.end()) return;
    auto& which = found->second;
    auto& by = place_of_child->second;
    if (which.child != child_number || (which.where != place::given && which.where != place::begun)) return;
    std::erase(by.jobs, how.token);
    if (by.jobs.empty()) by.since = now;
    if (how.what == outcome::handed_back) {
        --by.taken;
        if (which.unwanted)
            forget(how.token);
        else if (which.stop >= 0 || stopping_ != stopping::no)
            hand_back(which);
        else
            wait_again(how.token, which);
    } else {
        pause_ = {};
        if (window_.ended(std::chrono::microseconds(how.run_us),
                          which.spec.args.size() + which.spec.kwargs.size()))
            tell_window();
        finish(which, std::move(how));
        if (limits_.max_tasks != 0 && by.taken >= limits_.max_tasks && by.jobs.empty())
            leave(child_number, by, "tasks");
        if (limits_.max_memory != 0 && resident > limits_.max_memory) leave(child_number, by, "memory");
    }
    if (by.leaving && by.jobs.empty() && !by.retired && by.killed == kill_reason::none) {
        by.retired = true;
        port_.retire(child_number);
    }
    fork_missing(now);
    assign(now);
}

void worker_core::progress(link::progress what) {
    const auto found = jobs_.find(what.token);
    if (found == jobs_.end() || found->second.where != place::begun) return;
    found->second.progress = std::move(what.json);
    fresh_.push_back(what.token);
}

void worker_core::hand_back(job& which) {
    finish(which, {.token = which.spec.token, .what = outcome::handed_back, .result = {}, .error = {}});
}

// To the front: it came before those that wait.
void worker_core::wait_again(std::uint64_t token, job& which) {
    which.where = place::waiting;
    which.child = 0;
    which.called_back = false;
    const auto later = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](std::uint64_t other) { return jobs_.at(other).since > which.since; });
    waiting_.insert(later, token);
}

void worker_core::finish(job& which, link::ended how) {
    which.where = place::over;
    which.end = std::move(how);
    which.spec.args = which.spec.kwargs = which.spec.checkpoint = {};
    tell_ended(which);
}

void worker_core::tell_progress(job& which) {
    if (!which.progress.empty())
        port_.tell(link::progress{which.spec.token, std::exchange(which.progress, {})});
}

void worker_core::tell_ended(job& which) {
    if (!connected_) return;
    tell_progress(which);
    port_.tell(which.end);
}

void worker_core::forget(std::uint64_t token) { jobs_.erase(token); }

void worker_core::lost(job& which, const child& by, const std::string& why) {
    link::ended how{.token = which.spec.token, .what = outcome::lost, .result = {}, .error = {}};
    const bool meant = by.killed_for == which.spec.token;
    if (meant && by.killed == kill_reason::limit) {
        how.what = outcome::failure;
        how.error = {"TimeLimitExceeded",
                     "it ran longer than " + std::to_string(which.spec.hard_limit_ms) + " ms", ""};
    } else if (meant && by.killed == kill_reason::cancel) {
        how.what = outcome::failure;
        how.error = {"Terminated", "it was cancelled and did not stop", ""};
    } else if (by.killed == kill_reason::cold) {
        how.error = {"WorkerLostError", "the worker was stopped at once", ""};
    } else {
        how.error = {"WorkerLostError", "its process ended: " + why, ""};
    }
    finish(which, std::move(how));
}

// ---- Children

// Those that have nothing to do first; then the one with the least, as long as what it runs is short.
child_id worker_core::taker(time now) {
    const auto ahead = std::min(window_.jobs() - 1, most_ahead);
    child_id best = 0;
    std::size_t least = ahead + 1;
    for (auto& [id, each] : children_) {
        if (each.leaving || each.jobs.size() >= least) continue;
        if (limits_.max_tasks != 0 && each.taken >= limits_.max_tasks) continue;
        if (const auto* current = begun_of(each); current && now - current->since >= short_job) continue;
        best = id;
        least = each.jobs.size();
        if (least == 0) break;
    }
    return best;
}

void worker_core::assign(time now) {
    while (!waiting_.empty()) {
        const auto to = taker(now);
        if (to == 0) return give_back();
        auto& by = children_.at(to);
        const auto token = waiting_.front();
        waiting_.pop_front();
        auto& which = jobs_.at(token);
        which.where = place::given;
        which.child = to;
        by.jobs.push_back(token);
        ++by.taken;
        port_.give(to, which.spec);
    }
}

// When all children run something long, and there will be no more of them: the last ones that came, of what
// the server would not give any more.
void worker_core::give_back() {
    if (target_ < limits_.most) return;
    auto held = waiting_.size();
    for (auto& [id, each] : children_) {
        const auto* current = begun_of(each);
        if (!each.leaving && !(current && current->is_long)) return;
        held += each.jobs.size();
    }
    for (const auto room = std::size_t{prefetch()} * target_; held > room && !waiting_.empty(); --held) {
        const auto token = waiting_.back();
        waiting_.pop_back();
        hand_back(jobs_.at(token));
    }
}

worker_core::job* worker_core::begun_of(const child& which) {
    if (which.jobs.empty()) return nullptr;
    auto& first = jobs_.at(which.jobs.front());
    return first.where == place::begun ? &first : nullptr;
}

void worker_core::call_back(child_id id, child& which) {
    for (const auto token : which.jobs) {
        auto& each = jobs_.at(token);
        if (each.where != place::given || each.called_back) continue;
        each.called_back = true;
        port_.call_back(id, token);
    }
}

void worker_core::leave(child_id id, child& which, const char* why) {
    if (which.leaving) return;
    which.leaving = true;
    which.why = why;
    call_back(id, which);
    if (!which.jobs.empty()) return;
    which.retired = true;
    port_.retire(id);
}

void worker_core::kill(child_id id, child& which, kill_reason why, std::uint64_t job) {
    if (which.killed != kill_reason::none) return;
    which.leaving = true;
    which.killed = why;
    which.why = why == kill_reason::limit ? "limit" : "stop";
    which.killed_for = job;
    port_.kill(id);
}

void worker_core::gone(child_id id, std::uint32_t pid, const std::string& why, time now) {
    const auto found = children_.find(id);
    if (found == children_.end()) return;
    const auto by = std::move(found->second);
    children_.erase(found);
    const bool expected = by.retired || by.killed != kill_reason::none;
    for (const auto token : by.jobs) {
        auto& each = jobs_.at(token);
        if (each.where == place::begun) {
            lost(each, by, why);
        } else if (each.unwanted) {
            forget(token);
        } else if (each.stop >= 0 || stopping_ != stopping::no) {
            hand_back(each);
        } else {
            wait_again(token, each);
        }
    }
    if (connected_) port_.tell(link::child_ended{pid, expected ? by.why : "crash", expected});
    if (!expected && !by.began) {
        pause_ = pause_.count() == 0 ? first_pause : std::min(2 * pause_, longest_pause);
        fork_at_ = now + pause_;
    }
    fork_missing(now);
    assign(now);
}

std::uint32_t worker_core::live() const {
    return static_cast<std::uint32_t>(std::count_if(children_.begin(), children_.end(),
                                                    [](const auto& each) { return !each.second.leaving; }));
}

bool worker_core::has_idle() const {
    return std::any_of(children_.begin(), children_.end(),
                       [](const auto& each) { return !each.second.leaving && each.second.jobs.empty(); });
}

void worker_core::fork_missing(time now) {
    if (stopping_ != stopping::no || now < fork_at_) return;
    for (auto count = live(); count < target_; ++count) {
        const auto id = ++last_child_;
        children_[id].since = now;
        port_.fork(id);
    }
}

// ---- Time

void worker_core::on_time(time now) {
    for (auto& [id, each] : children_) {
        auto* current = begun_of(each);
        if (!current) continue;
        if (now >= current->hard) kill(id, each, kill_reason::limit, current->spec.token);
        if (now >= current->soft) {
            current->soft = time::max();
            port_.stop(id, current->spec.token, link::stop::how::soft);
        }
        if (now - current->since >= short_job) call_back(id, each);
        if (now - current->since >= job_window::ahead && !std::exchange(current->is_long, true) &&
            window_.runs_long())
            tell_window();
    }
    scale(now);
    fork_missing(now);
    assign(now);
}

worker_core::time worker_core::next() const {
    auto soonest = time::max();
    const auto at = [&](time when) { soonest = std::min(soonest, when); };
    for (const auto& [id, each] : children_) {
        const auto* current = begun_of(each);
        if (current) {
            if (each.killed == kill_reason::none) at(current->hard);
            at(current->soft);
            if (!current->is_long && (window_.jobs() > 1 || !waiting_.empty()))
                at(current->since + job_window::ahead);
            const bool follows = std::any_of(each.jobs.begin(), each.jobs.end(), [&](std::uint64_t token) {
                const auto& other = jobs_.at(token);
                return other.where == place::given && !other.called_back;
            });
            if (follows) at(current->since + short_job);
        } else if (each.jobs.empty() && !each.leaving && target_ > limits_.least &&
                   stopping_ == stopping::no) {
            at(each.since + idle);
        }
    }
    if (stopping_ != stopping::no) return soonest;
    if (live() < target_)
        at(fork_at_);
    else if (target_ < limits_.most && !has_idle())
        if (const auto since = waiting_since(); since != time::max()) at(std::max(since, grew_) + patience);
    return soonest;
}

// Since when the oldest job waits that has not begun.
worker_core::time worker_core::waiting_since() const {
    auto oldest = waiting_.empty() ? time::max() : jobs_.at(waiting_.front()).since;
    for (const auto& [id, each] : children_)
        for (const auto token : each.jobs) {
            const auto& other = jobs_.at(token);
            if (other.where != place::given) continue;
            oldest = std::min(oldest, other.since);
            break;
        }
    return oldest;
}

void worker_core::scale(time now) {
    if (stopping_ != stopping::no || limits_.least == limits_.most) return;
    const auto since = waiting_since();
    if (target_ < limits_.most && since != time::max() && !has_idle() && live() >= target_ &&
        now >= std::max(since, grew_) + patience) {
        grew_ = now;
        set_target(target_ + 1);
    }
    for (auto& [id, each] : children_) {
        if (target_ <= limits_.least) break;
        if (each.leaving || !each.jobs.empty() || now < each.since + idle) continue;
        set_target(target_ - 1);
        leave(id, each, "stop");
    }
}

void worker_core::set_target(std::uint32_t count) {
    target_ = count;
    tell_capacity();
}

void worker_core::tell_capacity() {
    told_prefetch_ = prefetch();
    if (connected_) port_.tell(link::capacity{target_, told_prefetch_});
}

void worker_core::tell_window() {
    if (told_prefetch_ != prefetch()) tell_capacity();
}

// ---- The server, and the end

std::vector<std::pair<std::string, std::uint64_t>> worker_core::holds() const {
    std::vector<std::pair<std::string, std::uint64_t>> list;
    for (const auto& [token, each] : jobs_) list.emplace_back(each.spec.id, token);
    return list;
}

void worker_core::connected() {
    connected_ = true;
    tell_capacity();  // it may be another than when it said hello
    if (stopping_ != stopping::no) port_.tell(link::leaving{});
    for (auto& [token, each] : jobs_) {
        if (each.where == place::over) tell_ended(each);
        if (each.where != place::begun) continue;
        each.began_told = false;
        fresh_.push_back(token);
    }
}

void worker_core::flush() {
    if (!connected_) return;
    for (const auto token : fresh_) {
        const auto found = jobs_.find(token);
        if (found == jobs_.end() || found->second.where != place::begun) continue;
        auto& which = found->second;
        if (!std::exchange(which.began_told, true)) port_.tell(link::began{token, which.pid});
        tell_progress(which);
    }
    fresh_.clear();
}

void worker_core::warm_stop() {
    if (stopping_ != stopping::no) return;
    stopping_ = stopping::warm;
    if (connected_) port_.tell(link::leaving{});
    for (const auto token : std::exchange(waiting_, {})) hand_back(jobs_.at(token));
    for (auto& [id, each] : children_) leave(id, each, "stop");
}

void worker_core::cold_stop() {
    if (stopping_ == stopping::no) warm_stop();
    stopping_ = stopping::cold;
    for (auto& [id, each] : children_) kill(id, each, kill_reason::cold, 0);
}

}  // namespace madang
