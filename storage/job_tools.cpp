#include "storage/job_tools.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "storage/bytes.hpp"
#include "storage/codec.hpp"
#include "storage/job_chunk.hpp"
#include "storage/job_leases.hpp"
#include "storage/job_record.hpp"

namespace madang {
namespace {

using nlohmann::json;

json about(const job_record& job) {
    const auto& spec = job.spec;
    const auto& status = job.status;
    json what{{"job", spec.id},
              {"task", spec.task},
              {"queue", spec.queue},
              {"priority", spec.priority},
              {"args", status.args.empty() ? spec.args : status.args},
              {"kwargs", spec.kwargs},
              {"state", name_of(status.state, status.retries, false)},
              {"ends", status.ends_ms},
              {"number", status.number},
              {"sequence", status.sequence},
              {"retries", status.retries},
              {"losses", status.losses}};
    if (status.state == job_state::scheduled)
        what[status.by_wall ? "due_wall" : "due_elapsed"] = status.due_ms;
    if (!status.error.type.empty())
        what["error"] = {{"type", status.error.type}, {"message", status.error.message}};
    if (!status.result.empty()) what["result"] = status.result;
    if (!spec.next.empty()) what["next"] = spec.next;
    if (!spec.on_error.empty()) what["on_error"] = spec.on_error;
    if (!spec.part_of.barrier.empty()) what["part_of"] = {spec.part_of.barrier, spec.part_of.index};
    if (!spec.unique.empty()) what["unique"] = spec.unique;
    return what;
}

std::optional<json> about_row(std::string_view key, std::string_view value) {
    if (key.empty()) return {};
    const std::string name(key.substr(1));
    const auto timed = [&](const char* kind) -> std::optional<json> {
        byte_reader in(name);
        const auto time = in.number<std::int64_t>();
        if (!in.good()) return {};
        return json{{"kind", kind}, {"time", time}, {"job", in.rest()}};
    };
    switch (static_cast<keys::row>(key[0])) {
        case keys::row::barrier:
            if (const auto what = decode_barrier(name, value))
                return json{
                    {"kind", "barrier"},    {"barrier", name},        {"expected", what->spec.expected},
                    {"ended", what->ended}, {"failed", what->failed}, {"bodies", what->spec.bodies}};
            return {};
        case keys::row::barrier_result: {
            byte_reader in(name);
            const auto barrier = in.text16();
            const auto index = in.number<std::uint32_t>();
            if (!in.whole()) return {};
            return json{{"kind", "result"}, {"barrier", barrier}, {"index", index}, {"result", value}};
        }
        case keys::row::children:
            if (const auto what = decode_ids(value))
                return json{{"kind", "children"}, {"barrier", name}, {"jobs", *what}};
            return {};
        case keys::row::checkpoint:
            return json{{"kind", "checkpoint"}, {"job", name}, {"bytes", value.size()}};
        case keys::row::dead:
            return timed("dead");
        case keys::row::due_elapsed:
            return timed("due_elapsed");
        case keys::row::due_wall:
            return timed("due_wall");
        case keys::row::expiry:
            return timed("expires");
        case keys::row::parked: {
            byte_reader in(name);
            const auto limit = in.text16();
            if (!in.good() || !keys::place_of(key)) return {};
            return json{{"kind", "parked"},
                        {"limit", limit},
                        {"job", value.substr(std::min<std::size_t>(8, value.size()))}};
        }
        case keys::row::lease:
            if (const auto what = decode_lease(value))
                return json{{"kind", "lease"},
                            {"job", name},
                            {"token", what->token},
                            {"worker", what->worker},
                            {"began", what->began_ms}};
            return {};
        case keys::row::leases: {
            const auto what = decode_leases(value);
            const auto number = keys::number_of(key);
            if (!what || !number || key.size() != 9) return {};
            json all{{"kind", "leases"}, {"number", *number}, {"leases", json::array()}};
            for (const auto& each : *what)
                all["leases"].push_back({{"job", each.job},
                                         {"token", each.lease.token},
                                         {"worker", each.lease.worker},
                                         {"began", each.lease.began_ms}});
            return all;
        }
        case keys::row::meta:
            if (const auto what = decode_meta(value))
                return json{{"kind", "numbers"},
                            {"number", what->number},
                            {"sequence", what->sequence},
                            {"news", what->news},
                            {"elapsed", what->elapsed_ms}};
            return {};
        case keys::row::news: {
            byte_reader number(name), in(value);
            const auto group = in.text32();
            if (!in.good()) return {};
            return json{{"kind", "news"},
                        {"number", number.number<std::uint64_t>()},
                        {"to", group},
                        {"data", in.rest()}};
        }
        case keys::row::start:
            return json{{"kind", "start"}, {"bytes", value.size()}};
        case keys::row::paused:
            return json{{"kind", "paused"}, {"queue", name}};
        case keys::row::here:
            return json{{"kind", "book"}, {"bytes", value.size()}};
        case keys::row::chunk: {
            byte_reader in(value);
            const auto to = in.text16();
            const auto jobs = in.number<std::uint64_t>();
            const auto chunk = decode_chunk(in.rest());
            if (!in.good() || !chunk || chunk->jobs() != jobs) return {};
            json all{{"kind", "chunk"}, {"number", chunk->head.number}, {"to", to}, {"jobs", json::array()}};
            for (const auto& workflow : chunk->workflows)
                for (const auto& each : workflow.jobs) all["jobs"].push_back(each.spec->id);
            return all;
        }
        case keys::row::mark:
            if (const auto what = decode_mark(value))
                return json{{"kind", "taken"},
                            {"book", byte_reader(name).number<std::uint64_t>()},
                            {"number", what->number},
                            {"forgone", what->forgone}};
            return {};
        case keys::row::counts:
            if (const auto what = decode_counts(value))
                return json{{"kind", "counts"},       {"queue", name},
                            {"ready", what->ready},   {"parked", what->parked},
                            {"leased", what->leased}, {"scheduled", what->scheduled},
                            {"dead", what->dead}};
            return {};
        case keys::row::schedule:
            if (const auto what = decode_schedule(value))
                return json{{"kind", "schedule"},
                            {"name", name},
                            {"json", what->json},
                            {"source", what->source},
                            {"last_fire", what->last_fire_ms},
                            {"fired", what->fired},
                            {"skipped", what->skipped},
                            {"unfinished", what->unfinished}};
            return {};
        case keys::row::sweep:
            if (const auto what = decode_sweep(value))
                return json{{"kind", "sweep"},
                            {"work", static_cast<int>(what->what)},
                            {"queue", what->queue},
                            {"up_to", what->up_to}};
            return {};
        case keys::row::idempotency:
            if (const auto what = decode_answer(value)) {
                json all{
                    {"kind", "idempotency"}, {"key", name}, {"ends", what->ends_ms}, {"jobs", json::array()}};
                for (const auto& each : what->jobs) all["jobs"].push_back(each.id);
                return all;
            }
            return {};
        case keys::row::unique:
        case keys::row::rate:
            if (const auto what = decode_term(value))
                return json{{"kind", key[0] == 'U' ? "unique" : "rate"},
                            {"key", name},
                            {"ends", what->ends_ms},
                            {"job", what->job},
                            {"next_us", what->next_us}};
            return {};
    }
    return {};
}

// One pass of each column; what belongs to a record is looked up.
class job_check {
  public:
    job_check(const kv_view& in, const std::function<void(std::string_view, std::string_view)>& problem)
        : in_(in), problem_(problem) {}

    void run() {
        leases_ = stored_leases(in_);
        in_.scan(column::jobs, "", std::string(2, '\xff'), direction::ascending,
                 [&](auto key, auto value) {
                     if (const auto job = decode_job(key, value)) see(*job);
                     return true;
                 })
            .value();
        in_.scan(column::job_ready, "", std::string(3, '\xff'), direction::ascending,
                 [&](auto key, auto value) {
                     see_place(key, value.substr(std::min<std::size_t>(8, value.size())), job_state::ready);
                     return true;
                 })
            .value();
        in_.scan(column::job_rows, "", std::string(2, '\xff'), direction::ascending,
                 [&](auto key, auto value) {
                     see_row(key, value);
                     return true;
                 })
            .value();
        for (const auto& [queue, counts] : counts_)
            if (!(counts == stored_[queue])) problem_(queue, "its counts are not what it has");
        for (const auto& [queue, counts] : stored_)
            if (!counts_.contains(queue) && !counts.none()) problem_(queue, "its counts are of nothing");
        for (const auto& [barrier, left] : barriers_)
            if (left != 0) problem_(barrier, "a barrier does not wait for as many as are to end");
    }

  private:
    void see(const job_record& job) {
        const auto& status = job.status;
        const auto lease = leases_.find(job.spec.id);
        const bool own_row = lease != leases_.end() && lease->second.own_row;
        if (is_over(status.state)) {
            if (is_dead_letter(status)) {
                ++counts_[job.spec.queue].dead;
                if (!in_.get(column::job_rows, keys::job_row(keys::row::dead, status.due_ms, job.spec.id))
                         .value())
                    problem_(job.spec.id, "a dead letter that nothing ends");
            }
            if (own_row) problem_(job.spec.id, "leased, and yet over");
            return;
        }
        if (!job.spec.part_of.barrier.empty() && !status.told) --barriers_[job.spec.part_of.barrier];
        const bool leased = lease != leases_.end() && holds(lease->second, status);
        auto& counts = counts_[job.spec.queue];
        counts.leased += leased;
        counts.ready += !leased && status.state == job_state::ready;
        counts.scheduled += status.state == job_state::scheduled;
        counts.parked += status.state == job_state::parked;
        job_row row;
        const bool has_place = row_of(job.spec, status, row);
        const bool placed = has_place && in_.get(row.where, row.key).value();
        if (leased && own_row ? placed : has_place && !placed)
            problem_(job.spec.id, placed ? "leased, and yet in its queue" : "nothing will begin it");
    }
    void see_place(std::string_view key, std::string_view id, job_state state) {
        const auto value = in_.get(column::jobs, id).value();
        const auto job = value ? decode_job(id, *value) : std::nullopt;
        job_row row;
        if (!job || job->status.state != state || !row_of(job->spec, job->status, row) || row.key != key)
            problem_(id, "a place of a job that is not there");
    }
    void see_row(std::string_view key, std::string_view value) {
        const auto name = key.substr(1);
        switch (static_cast<keys::row>(key[0])) {
            case keys::row::due_elapsed:
            case keys::row::due_wall:
                see_place(key, key.substr(std::min<std::size_t>(9, key.size())), job_state::scheduled);
                break;
            case keys::row::parked:
                see_place(key, value.substr(std::min<std::size_t>(8, value.size())), job_state::parked);
                break;
            case keys::row::lease:
                if (!in_.get(column::jobs, name).value()) problem_(name, "a lease of no job");
                break;
            case keys::row::children:
                if (!in_.get(column::job_rows, keys::job_row(keys::row::barrier, name)).value())
                    problem_(name, "the jobs of a group that is not there");
                break;
            case keys::row::counts:
                if (const auto what = decode_counts(value)) stored_[std::string(name)] = *what;
                break;
            case keys::row::barrier:
                if (const auto what = decode_barrier(name, value)) {
                    barriers_[std::string(name)] += what->spec.expected - what->ended;
                    if (!what->spec.part_of.barrier.empty()) --barriers_[what->spec.part_of.barrier];
                }
                break;
            default:
                break;
        }
    }

    const kv_view& in_;
    const std::function<void(std::string_view, std::string_view)>& problem_;
    job_leases::map leases_;
    std::map<std::string, queue_counts> counts_, stored_;
    std::map<std::string, std::int64_t> barriers_;
};

}  // namespace

std::optional<json> about_job_row(column in, std::string_view key, std::string_view value) {
    byte_reader read(value);
    switch (in) {
        case column::jobs:
            if (const auto job = decode_job(key, value)) return about(*job);
            return {};
        case column::job_order: {
            byte_reader number(key);
            const auto ends = read.number<std::int64_t>();
            if (!read.good() || key.size() != 8) return {};
            return json{{"number", number.number<std::uint64_t>()}, {"ends", ends}, {"job", read.rest()}};
        }
        case column::job_ready: {
            byte_reader queue(key);
            const auto name = queue.text16();
            const auto since = read.number<std::int64_t>();
            const auto place = keys::place_of(key);
            if (!read.good() || !place || !queue.good()) return {};
            return json{{"queue", name},
                        {"priority", place->priority},
                        {"sequence", place->sequence},
                        {"since", since},
                        {"job", read.rest()}};
        }
        case column::job_rows:
        case column::job_terms:
            return about_row(key, value);
        default:
            return {};
    }
}

result<void> check_jobs(const kv_view& in,
                        const std::function<void(std::string_view, std::string_view)>& problem) {
    try {
        job_check(in, problem).run();
    } catch (const failure& e) {
        return e.why();
    }
    return {};
}

}  // namespace madang
