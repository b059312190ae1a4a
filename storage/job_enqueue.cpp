// job_book: taking jobs.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "storage/codec.hpp"
#include "storage/job_book.hpp"

namespace madang {
namespace {

constexpr std::int64_t answer_ms = 300'000;

job_answer refuse(std::string why) { return fail(errc::bad_request, std::move(why)); }

// Which jobs and barriers may begin each.
template <class See>
void each_link(const job_commands::enqueue& what, See see) {
    for (const auto& job : what.jobs) {
        for (const auto& each : job->next) see(each);
        for (const auto& each : job->on_error) see(each);
    }
    for (const auto& barrier : what.barriers)
        for (const auto& each : barrier.bodies) see(each);
}

}  // namespace

job_answer job_book::apply(const job_commands::enqueue& what) {
    const auto now = what.now;
    const auto key = keys::job_row(keys::row::idempotency, what.idempotency_key);
    if (!what.idempotency_key.empty()) {
        const auto value = jobs_.rows().get(column::job_terms, key);
        if (auto known = value ? decode_answer(*value) : std::nullopt;
            known && !is_over(known->ends_ms, now.wall_ms))
            return job_value(enqueued{std::move(known->jobs), true});
    }
    if (!what.schedule.empty()) {
        const auto value =
            jobs_.rows().get(column::job_rows, keys::job_row(keys::row::schedule, what.schedule));
        const auto known = value ? decode_schedule(*value) : std::nullopt;
        if (!known) return refuse("schedule");
        if (known->last_fire_ms >= what.fire_ms) return job_value(enqueued{{}, true});
    }

    // First everything is looked at, then everything is done.
    std::unordered_map<std::string_view, std::uint32_t> parents;
    each_link(what, [&](const std::string& id) { ++parents[id]; });
    std::unordered_set<std::string_view> ids;
    std::unordered_map<std::string_view, std::string> duplicates;  // who has the unique key instead
    std::unordered_map<std::string_view, std::string_view> uniques;
    const bool alone = what.barriers.empty();
    for (const auto& each : what.jobs) {
        const auto& spec = *each;
        // Those that were made just now are nobody else's: they are gathered only for those that name them.
        if (what.jobs.size() > 1 && (!spec.id_made || !parents.empty()) && !ids.insert(spec.id).second)
            return refuse("id: used twice");
        if (!spec.id_made && jobs_.find(spec.id, now.wall_ms))
            return refuse("id: job " + spec.id + " is known already");
        if (spec.waits && !parents.contains(spec.id)) return refuse("waits");
        if (spec.unique.empty()) continue;
        std::string holder;
        if (const auto mine = uniques.find(spec.unique); mine != uniques.end())
            holder = mine->second;
        else
            holder = flow_.unique_holder(spec.unique, now);
        if (holder.empty()) {
            uniques.emplace(spec.unique, spec.id);
            continue;
        }
        if (!alone || spec.waits || !spec.next.empty() || !spec.on_error.empty() ||
            !spec.part_of.barrier.empty() || parents.contains(spec.id))
            return refuse("unique: job " + holder + " has it");
        duplicates.emplace(spec.id, std::move(holder));
    }
    for (const auto& barrier : what.barriers)
        if (barrier.expected == 0 || jobs_.find(barrier.id, now.wall_ms) ||
            jobs_.rows().get(column::job_rows, keys::job_row(keys::row::barrier, barrier.id)))
            return refuse("barrier");
    if (!parents.empty()) {
        if (what.jobs.size() == 1) ids.insert(what.jobs.front()->id);
        for (const auto& [id, count] : parents)
            if (!ids.contains(id) && !jobs_.find(id, now.wall_ms)) return refuse("next");
    }

    for (const auto& barrier : what.barriers) flow_.put_barrier({barrier, 0, {}, {}, {}});
    enqueued taken;
    taken.jobs.reserve(what.answers.empty() ? what.jobs.size() : what.answers.size());
    std::vector<job_entry*> made;
    made.reserve(what.jobs.size());
    for (const auto& each : what.jobs) {
        const auto duplicate = duplicates.empty() ? duplicates.end() : duplicates.find(each->id);
        const bool is_duplicate = duplicate != duplicates.end();
        if (what.answers.empty() && !each->waits)
            taken.jobs.push_back({is_duplicate ? duplicate->second : each->id, is_duplicate, {}});
        if (is_duplicate) continue;
        auto& job = jobs_.create(each, now.wall_ms);
        if (const auto found = parents.empty() ? parents.end() : parents.find(each->id);
            found != parents.end()) {
            job.status.parents = found->second;
            parents.erase(found);
        }
        job.status.schedule = what.schedule;
        if (!each->unique.empty()) flow_.hold_unique(*each, now);
        made.push_back(&job);
    }
    for (const auto& [id, count] : parents)  // that were there before
        if (auto* job = jobs_.find(id, now.wall_ms); job && job->status.state == job_state::waiting) {
            job->status.parents += count;
            jobs_.change(*job);
        }
    for (auto* each : made)
        if (!each->spec->waits) flow_.begin(*each, now);

    for (const auto& each : what.answers) {
        taken.jobs.push_back(each);
        if (const auto duplicate = duplicates.empty() ? duplicates.end() : duplicates.find(each.id);
            duplicate != duplicates.end()) {
            taken.jobs.back().id = duplicate->second;
            taken.jobs.back().duplicate = true;
        }
    }
    if (!what.schedule.empty())
        flow_.change_schedule(what.schedule, [&](schedule_record& known) {
            known.last_fire_ms = std::max(known.last_fire_ms, what.fire_ms);
            ++known.fired;
            known.unfinished += made.size();
        });
    if (!what.idempotency_key.empty()) {
        std::string text;
        encode(kept_answer{end_of(now.wall_ms, answer_ms), taken.jobs}, text);
        jobs_.rows().put(column::job_terms, key, std::move(text));
    }
    return job_value(std::move(taken));
}

}  // namespace madang
