#include "storage/job_sweeps.hpp"

#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {

std::string job_sweeps::key_of(const sweep_record& what) {
    auto key = keys::job_row(keys::row::sweep);
    byte_writer(key).number(static_cast<std::uint8_t>(what.what)).raw(what.queue);
    return key;
}

void job_sweeps::load() {
    sweeps_.clear();
    jobs_.rows().scan(column::job_rows, keys::job_row(keys::row::sweep), [&](auto, auto value) {
        auto known = decode_sweep(value);
        if (!known) return true;
        if (known->what == sweep_record::work::purge) jobs_.queue_of(known->queue).purged = known->up_to;
        sweeps_.push_back({std::move(*known), false, 0, {}});
        return true;
    });
}

std::uint64_t job_sweeps::begin(sweep_record::work what, const std::string& queue, const job_time& now) {
    std::uint64_t count = 0;
    sweep_record made{what, queue, jobs_.meta().sequence, now.wall_ms};
    if (what == sweep_record::work::purge) {
        auto& of = jobs_.queue_of(queue);
        count = of.counts.ready + of.counts.scheduled;
        of.purged = made.up_to;
    } else
        for (const auto& [name, each] : jobs_.queues()) count += each.counts.dead;
    if (count == 0) {
        if (what == sweep_record::work::purge) jobs_.queue_of(queue).purged = 0;
        return 0;
    }
    std::string text;
    encode(made, text);
    jobs_.rows().put(column::job_rows, key_of(made), std::move(text));
    std::erase_if(sweeps_, [&](const sweep& each) { return key_of(each.what) == key_of(made); });
    sweeps_.push_back({std::move(made), true, 0, {}});
    return count;
}

void job_sweeps::end(const sweep& what) {
    jobs_.rows().remove(column::job_rows, key_of(what.what));
    if (what.what.what == sweep_record::work::purge) jobs_.queue_of(what.what.queue).purged = 0;
}

void job_sweeps::go_on(const job_time& now) {
    std::size_t left = per_round;
    while (!sweeps_.empty() && !sweeps_.front().fresh && left > 0) {
        if (!step(sweeps_.front(), left, now)) break;
        end(sweeps_.front());
        sweeps_.erase(sweeps_.begin());
    }
    for (auto& each : sweeps_) each.fresh = false;
}

// Rows as committed: what was done to their jobs in this round is seen in the jobs. False: not at its end.
bool job_sweeps::step(sweep& what, std::size_t& left, const job_time& now) {
    const bool purge = what.what.what == sweep_record::work::purge;
    const int phases = purge ? 4 : 1;
    for (; what.phase < phases; ++what.phase, what.from.clear()) {
        const bool ready = purge && what.phase >= 2;  // the scheduled first: they may become ready meanwhile
        const auto prefix =
            ready   ? keys::ready(what.what.queue, what.phase == 3)
            : purge ? keys::job_row(what.phase == 0 ? keys::row::due_elapsed : keys::row::due_wall)
                    : keys::job_row(keys::row::dead);
        std::vector<std::string> found;
        bool more = false;
        const auto see = [&](std::string_view key, std::string_view value) {
            if (left == 0) return !(more = true);
            --left;
            what.from.assign(key).push_back('\0');
            found.emplace_back(ready ? value.substr(std::min<std::size_t>(8, value.size())) : key.substr(9));
            return true;
        };
        const auto from = std::max(prefix, what.from);
        if (ready)
            jobs_.committed()
                .scan(column::job_ready, from, keys::end(prefix), direction::ascending, see)
                .value();
        else
            jobs_.rows().scan(column::job_rows, from, keys::end(prefix), see);
        for (const auto& each : found) {
            auto* job = jobs_.find(each, 0);
            if (!job) continue;
            const auto state = job->status.state;
            if (purge) {
                if ((state == job_state::ready || state == job_state::scheduled) &&
                    job->spec->queue == what.what.queue && job->status.sequence <= what.what.up_to)
                    flow_.end(*job, job_state::revoked, {}, {"Purged", "its queue was purged", {}}, now);
            } else if (job->is_dead_letter() && job->status.sequence <= what.what.up_to) {
                if (what.what.what == sweep_record::work::requeue)
                    requeue(*job, now);
                else
                    jobs_.remove(*job);
            }
        }
        if (more) return false;
    }
    return true;
}

bool job_sweeps::requeue(job_entry& job, const job_time& now) {
    if (!job.is_dead_letter()) return false;
    if (const auto& unique = job.spec->unique; !unique.empty()) {
        if (flow_.is_held_by_another(unique, job.id(), now)) return false;
        flow_.hold_unique(*job.spec, now);
    }
    jobs_.revive(job);
    auto& status = job.status;
    status.retries = status.losses = 0;
    status.cancelled = status.granted = false;
    status.began_ms = status.ended_ms = 0;
    status.worker.clear();
    jobs_.wait_ready(job, now);
    return true;
}

}  // namespace madang
