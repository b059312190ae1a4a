#include "storage/job_offers.hpp"

#include <algorithm>

#include "storage/codec.hpp"

namespace madang {
namespace {

constexpr std::size_t most_put_aside = 256;  // per round

constexpr auto later = [](const auto& one, const auto& other) { return other.place < one.place; };

}  // namespace

void job_offers::add(const job_commands::offer& what) {
    auto found = std::find_if(offers_.begin(), offers_.end(),
                              [&](const offer& each) { return each.worker_id == what.worker_id; });
    if (found == offers_.end()) found = offers_.insert(offers_.end(), {{}, what.worker_id, {}, false, 0});
    found->worker = what.worker;
    found->queues = what.queues;
    found->in_process = what.in_process;
    found->jobs += what.jobs;
}

void job_offers::withdraw(std::uint64_t worker_id) {
    std::erase_if(offers_, [&](const offer& each) { return each.worker_id == worker_id; });
}

// When it may begin, elapsed milliseconds; the share of the rate is taken then. Begins are evenly spread, as
// Celery's are: rate_ms / rate apart.
std::int64_t job_offers::rate_due(const job_entry& job, const job_time& now) {
    const auto& limit = job.spec->limit;
    const auto key = keys::job_row(keys::row::rate, limit.key);
    const auto value = jobs_.rows().get(column::job_terms, key);
    const auto known = value ? decode_term(*value) : std::nullopt;
    const std::int64_t now_us = now.elapsed_ms * 1000;
    const std::int64_t apart_us = std::max<std::int64_t>(std::int64_t{limit.rate_ms} * 1000 / limit.rate, 1);
    const auto begins_us = std::max(known ? known->next_us : 0, now_us);
    term_record next{0, {}, begins_us + apart_us};
    // Forgotten by wall time, when it means nothing any more, with a day for a clock that jumps.
    next.ends_ms = end_of(now.wall_ms, (next.next_us - now_us) / 1000 + 86'400'000);
    std::string text;
    encode(next, text);
    jobs_.rows().put(column::job_terms, key, std::move(text));
    return (begins_us + 999) / 1000;
}

// What follows from it may be ready, anywhere.
void job_offers::end(job_entry& job, job_error why, const job_time& now) {
    flow_.end(job, job_state::revoked, {}, std::move(why), now);
    for (auto& each : heads_) each.known = false;
}

// False: it was put elsewhere.
bool job_offers::may_begin(job_entry& job, const job_table::queue& queue, const job_time& now) {
    const auto& spec = *job.spec;
    if (job.status.sequence <= queue.purged) {
        end(job, {"Purged", "its queue was purged", {}}, now);
        return false;
    }
    if (spec.expires_ms != 0 && spec.expires_ms <= now.wall_ms) {
        end(job, {"Expired", "it was not begun in time", {}}, now);
        return false;
    }
    if (spec.limit.key.empty()) return true;
    if (spec.limit.at_once != 0 && jobs_.running(spec.limit.key) >= spec.limit.at_once) {
        jobs_.park(job);
        return false;
    }
    if (spec.limit.rate != 0 && !job.status.granted) {
        const auto due = rate_due(job, now);
        if (due > now.elapsed_ms) {
            job.status.granted = true;
            jobs_.schedule(job, due, false);
            return false;
        }
    }
    return true;
}

job_offers::heads& job_offers::heads_of(bool in_process) {
    auto& made = heads_.at(in_process);
    if (std::exchange(made.known, true)) return made;
    made.heap.clear();
    for (auto* each : jobs_.ready_queues()) {
        if (each->second.paused) continue;
        if (const auto* first = jobs_.line(each->second, each->first, in_process).front())
            made.heap.push_back({first->first, each});
    }
    std::make_heap(made.heap.begin(), made.heap.end(), later);
    return made;
}

job_entry* job_offers::first_of_all(bool in_process, const job_time& now) {
    auto& heap = heads_of(in_process).heap;
    while (!heap.empty()) {
        std::pop_heap(heap.begin(), heap.end(), later);
        auto& [place, from] = heap.back();
        auto& line = jobs_.line(from->second, from->first, in_process);
        const auto* first = line.front();
        job_entry* job = nullptr;
        if (first && !(place < first->first)) {
            job = jobs_.pop(from->second, from->first, in_process, now.wall_ms);
            first = job ? line.front() : nullptr;  // without one there is none, whatever the line says
        }
        if (first) {
            place = first->first;
            std::push_heap(heap.begin(), heap.end(), later);
        } else
            heap.pop_back();
        if (job) return job;
    }
    return nullptr;
}

job_entry* job_offers::next_for(const offer& worker, const job_time& now, std::size_t& put_aside) {
    while (put_aside < most_put_aside) {
        job_entry* job = nullptr;
        if (worker.queues.empty())
            job = first_of_all(worker.in_process, now);
        else
            for (const auto& name : worker.queues) {
                const auto found = jobs_.queues().find(name);
                if (found == jobs_.queues().end() || found->second.paused) continue;
                job = jobs_.pop(found->second, name, worker.in_process, now.wall_ms);
                if (job) break;
            }
        if (!job) return nullptr;
        if (may_begin(*job, jobs_.queue_of(job->spec->queue), now)) return job;
        ++put_aside;
    }
    return nullptr;
}

bool job_offers::assign(const job_time& now, std::size_t most_bytes, std::vector<job_assignment>& given) {
    for (auto& each : heads_) each.known = false;
    std::size_t put_aside = 0;
    bool some = true;
    while (some && put_aside < most_put_aside) {
        some = false;
        for (std::size_t i = 0; i < offers_.size(); ++i) {
            if (jobs_.round_bytes() > most_bytes) return false;
            auto& worker = offers_[(turn_ + i) % offers_.size()];
            if (worker.jobs == 0) continue;
            auto* job = next_for(worker, now, put_aside);
            if (!job) continue;
            some = true;
            --worker.jobs;
            job->status.granted = false;
            const auto token = jobs_.leases().next_token();
            jobs_.lease(*job, {token, worker.worker_id, now.wall_ms, worker.worker});
            job_assignment what;
            what.worker_id = worker.worker_id;
            what.token = token;
            what.spec = job->spec;
            what.args = job->status.args;
            what.retries = job->status.retries;
            what.losses = job->status.losses;
            if (job->status.has_checkpoint)
                what.checkpoint = jobs_.rows()
                                      .get(column::job_rows, keys::job_row(keys::row::checkpoint, job->id()))
                                      .value_or("");
            what.due_elapsed_ms = job->status.since.elapsed_ms;
            given.push_back(std::move(what));
        }
        if (!offers_.empty()) turn_ = (turn_ + 1) % offers_.size();
    }
    return put_aside < most_put_aside;
}

}  // namespace madang
