#include "storage/job_table.hpp"

#include <algorithm>

#include "broker/core/log.hpp"
#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {
namespace {

std::size_t size_of(const job_spec& spec) noexcept {
    return sizeof spec + spec.id.size() + spec.task.size() + spec.args.size() + spec.kwargs.size() +
           spec.headers.size() + 2 * sizeof(std::string) * spec.children.size() + 64;
}
std::size_t size_of(const job_entry& job) noexcept {
    return sizeof job + size_of(*job.spec) + job.status.args.size() + job.status.result.size();
}

constexpr std::size_t most_idle_queues = 1000;  // in memory

}  // namespace

job_table::job_table(const kv_view& committed, std::size_t cache_bytes)
    : committed_(committed),
      cache_bytes_(cache_bytes),
      rows_(committed),
      leases_(committed),
      due_elapsed_(committed, keys::row::due_elapsed),
      due_wall_(committed, keys::row::due_wall),
      expiries_(committed, keys::row::expiry),
      dead_(committed, keys::row::dead) {}

void job_table::load() {
    rows_.forget();
    touched_.clear();
    gone_.clear();
    numbers_.clear();
    touched_queues_.clear();
    used_.clear();
    jobs_.clear();
    queues_.clear();
    ready_queues_.clear();
    limits_.clear();
    cached_bytes_ = round_bytes_ = 0;
    for (auto* each : {&due_elapsed_, &due_wall_, &expiries_, &dead_}) each->reset();
    meta_ = {};
    if (const auto value = rows_.get(column::job_rows, keys::job_row(keys::row::meta))) {
        const auto known = decode_meta(*value);
        if (!known) throw failure(fail(errc::storage_failed, "the jobs' record of numbers is damaged"));
        meta_ = *known;
    }
    stored_meta_ = meta_;
    rows_.scan(column::job_rows, keys::job_row(keys::row::counts), [&](auto key, auto value) {
        const auto known = decode_counts(value);
        if (!known) throw failure(fail(errc::storage_failed, "a queue's record of counts is damaged"));
        auto& queue = *queues_.try_emplace(std::string(key.substr(1))).first;
        queue.second.counts = *known;
        if (known->ready != 0) ready_queues_.insert(&queue);
        return true;
    });
    rows_.scan(column::job_rows, keys::job_row(keys::row::paused),
               [&](auto key, auto) { return queues_[std::string(key.substr(1))].paused = true; });
    leases_.load();
    for (const auto& [id, lease] : leases_.all())
        if (const auto* job = find(id, 0); job && !job->spec->limit.key.empty())
            ++limits_[job->spec->limit.key].running;
    evict();
}

// ---- Entries

std::unique_ptr<job_entry> job_table::read(std::string_view id) {
    const auto value = committed_.get(column::jobs, id).value();
    return value ? entry_of(id, *value) : nullptr;
}

std::unique_ptr<job_entry> job_table::entry_of(std::string_view id, std::string_view value) {
    auto record = decode_job(id, value);
    if (!record) {
        log_error("store.damaged_job", {{"bytes", value.size()}});
        return nullptr;
    }
    auto job = std::make_unique<job_entry>();
    job->spec = std::make_shared<const job_spec>(std::move(record->spec));
    job->status = std::move(record->status);
    auto& status = job->status;
    auto& stored = job->stored;
    stored.place = status.state;
    if (const auto* lease = leased(id)) {
        status.state = job_state::leased;
        if (lease->own_row) stored.place = job_state::leased;
    }
    stored.record = true;
    stored.over = job->is_over();
    stored.dead = job->is_dead_letter();
    stored.expiry = !job->is_over() && job->spec->expires_ms != 0;
    stored.by_wall = status.by_wall;
    stored.due_ms = status.due_ms;
    stored.since_ms = status.since.wall_ms;
    stored.sequence = status.sequence;
    return job;
}

// Jobs that were enqueued one after the other have ids that follow each other: so reading over them costs
// much less than asking for each. When too many others stand between them, each is asked for after all.
void job_table::read_ahead(const job_line& from) {
    std::vector<std::string_view> wanted;
    from.each_first([&](std::string_view id) {
        if (!jobs_.contains(id)) wanted.push_back(id);
    });
    if (wanted.size() < 8) return;
    std::sort(wanted.begin(), wanted.end());
    auto next = wanted.begin();
    std::size_t others = 64, bytes = 0;
    committed_
        .scan(column::jobs, *next, std::string(wanted.back()) + '\0', direction::ascending,
              [&](std::string_view id, std::string_view value) {
                  while (next != wanted.end() && *next < id) ++next;
                  if (next == wanted.end()) return false;
                  if (*next != id) return others-- != 0;
                  ++others;
                  ++next;
                  if (auto job = entry_of(id, value)) bytes += keep(std::move(job)).bytes;
                  return bytes < cache_bytes_ / 4;
              })
        .value();
}

// There is none of its id.
job_entry& job_table::keep(std::unique_ptr<job_entry> job) {
    auto& kept = *job;
    kept.bytes = size_of(kept);
    cached_bytes_ += kept.bytes;
    used_.push_front(kept);
    jobs_.emplace(kept.id(), std::move(job));
    return kept;
}

job_entry* job_table::find(std::string_view id, std::int64_t now_ms) {
    auto found = jobs_.find(id);
    job_entry* job = nullptr;
    if (found != jobs_.end()) {
        job = found->second.get();
        used_.splice(used_.begin(), used_, used_.iterator_to(*job));
    } else if (auto fresh = read(id))
        job = &keep(std::move(fresh));
    if (!job || job->removed || (!job->touched && madang::is_over(job->status.ends_ms, now_ms)))
        return nullptr;
    return job;
}

// What was of that id is over and forgotten. What was removed in this round is written before the new one, by
// their places.
void job_table::make_way(std::string_view id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return;
    auto& old = *found->second;
    if (!old.touched) return drop(old);
    used_.erase(used_.iterator_to(old));
    cached_bytes_ -= old.bytes;
    gone_.push_back(std::move(found->second));
    jobs_.erase(found);
}

job_entry* job_table::find(std::string_view id, std::string_view record, std::int64_t now_ms) {
    if (!jobs_.contains(id))
        if (auto fresh = entry_of(id, record)) keep(std::move(fresh));
    return jobs_.contains(id) ? find(id, now_ms) : nullptr;
}

job_entry& job_table::create(std::shared_ptr<const job_spec> spec, std::int64_t now_ms) {
    if (!spec->id_made) make_way(spec->id);
    auto job = std::make_unique<job_entry>();
    job->spec = std::move(spec);
    auto& status = job->status;
    if (!keys::time_of_id(job->id()))
        status.number = meta_.number = std::max(static_cast<std::uint64_t>(now_ms) << 12, meta_.number + 1);
    status.sequence = ++meta_.sequence;
    if (!job->spec->id_made)
        status.left = leases_.last_token();  // one of that id may have been leased before
    auto& kept = keep(std::move(job));
    change(kept);
    if (kept.spec->expires_ms != 0) expiries_.insert(kept.spec->expires_ms, kept.id());
    return kept;
}

// In column::job_order. Those of this round are above those that were given before it, or kept.
std::uint64_t job_table::free_number(std::uint64_t wanted) {
    wanted = std::clamp<std::uint64_t>(wanted, 1, std::uint64_t{1} << 62);  // 0: none
    if (wanted > meta_.number) return meta_.number = wanted;
    if (wanted > stored_meta_.number) return ++meta_.number;
    while (numbers_.contains(wanted) || committed_.get(column::job_order, keys::number(wanted)).value())
        if (++wanted > stored_meta_.number) return ++meta_.number;
    numbers_.insert(wanted);
    return wanted;
}

void job_table::adopt(std::shared_ptr<const job_spec> spec, job_status status,
                      const std::optional<job_lease_record>& lease) {
    make_way(spec->id);
    auto made = std::make_unique<job_entry>();
    made->spec = std::move(spec);
    const auto state = std::exchange(status.state, job_state::waiting);
    made->status = std::move(status);
    made->status.number = keys::time_of_id(made->id()) ? 0 : free_number(made->status.number);
    // One of that id may have been leased here before.
    if (!lease) made->status.left = std::max(made->status.left, leases_.last_token());
    auto& job = keep(std::move(made));
    change(job);
    if (lease) {
        if (!job.spec->limit.key.empty()) ++limits_[job.spec->limit.key].running;
        leases_.take_over(job.id(), *lease);
        enter(job, job_state::leased);
    } else
        enter(job, state == job_state::parked ? job_state::ready : state);
    if (job.is_dead_letter()) dead_.insert(job.status.due_ms, job.id());
    if (!job.is_over() && job.spec->expires_ms != 0) expiries_.insert(job.spec->expires_ms, job.id());
}

void job_table::give_away(job_entry& job) {
    if (job.is_dead_letter()) count(job, job.status.state, -1);
    leave(job);
    job.removed = true;
    change(job);
}

void job_table::touch(job_entry& job) {
    if (job.touched) return;
    job.touched = true;
    touched_.push_back(&job);
    round_bytes_ += 100;
}

void job_table::change(job_entry& job) {
    touch(job);
    if (job.changed) return;
    job.changed = true;
    round_bytes_ += size_of(*job.spec) - sizeof(job_spec) + 100;
}

void job_table::drop(job_entry& job) {
    used_.erase(used_.iterator_to(job));
    cached_bytes_ -= job.bytes;
    jobs_.erase(jobs_.find(job.id()));
}

void job_table::evict() {
    while (cached_bytes_ > cache_bytes_ && !used_.empty()) drop(used_.back());
}

// ---- States and places

job_table::queue& job_table::queue_of(std::string_view name) {
    if (const auto found = queues_.find(name); found != queues_.end()) return found->second;
    return queues_[std::string(name)];
}

job_line& job_table::line(queue& of, std::string_view name, bool in_process) {
    auto& line = of.lines[in_process];
    if (!line)
        line = std::make_unique<job_line>(committed_, column::job_ready, keys::ready(name, in_process),
                                          of.counts.ready == 0, leases_);
    return *line;
}

void job_table::count(const job_entry& job, job_state state, int change) {
    auto found = queues_.find(job.spec->queue);
    if (found == queues_.end()) found = queues_.try_emplace(job.spec->queue).first;
    auto& counts = found->second.counts;
    auto* which = state == job_state::ready       ? &counts.ready
                  : state == job_state::scheduled ? &counts.scheduled
                  : state == job_state::leased    ? &counts.leased
                  : state == job_state::parked    ? &counts.parked
                  : is_dead(state)                ? &counts.dead
                                                  : nullptr;
    if (!which) return;
    *which += static_cast<std::uint64_t>(change);
    if (which == &counts.ready && counts.ready == 0) ready_queues_.erase(&*found);
    if (which == &counts.ready && counts.ready == 1) ready_queues_.insert(&*found);
    if (!std::exchange(found->second.touched, true)) touched_queues_.push_back(&*found);
}

void job_table::leave(job_entry& job) {
    touch(job);
    switch (job.status.state) {
        case job_state::ready:
            line(queue_of(job.spec->queue), job.spec->queue, job.spec->in_process).erase(place(job));
            break;
        case job_state::parked:
            if (auto& line = limits_[job.spec->limit.key].parked) line->erase(place(job));
            break;
        case job_state::leased:
            job.status.left = leases_.end(job.id());
            if (!job.spec->limit.key.empty()) --limits_[job.spec->limit.key].running;
            break;
        default:
            break;
    }
    if (job.status.state != job_state::waiting && !job.is_over()) count(job, job.status.state, -1);
}

void job_table::enter(job_entry& job, job_state state) {
    // Before the counting: a line learns from the count that nothing is there yet.
    if (state == job_state::ready)
        job.cold = !line(queue_of(job.spec->queue), job.spec->queue, job.spec->in_process)
                        .insert(place(job), job.id(), job.status.since.wall_ms);
    job.status.state = state;
    if (state == job_state::scheduled)
        (job.status.by_wall ? due_wall_ : due_elapsed_).insert(job.status.due_ms, job.id());
    if (state != job_state::waiting && (!job.is_over() || job.is_dead_letter())) count(job, state, 1);
}

void job_table::wait_ready(job_entry& job, const job_time& since) {
    leave(job);
    job.status.since = since;
    enter(job, job_state::ready);
    change(job);
}

void job_table::renew_place(job_entry& job) {
    if (job.status.sequence > queue_of(job.spec->queue).purged) return;
    job.status.sequence = ++meta_.sequence;
    change(job);
}

void job_table::schedule(job_entry& job, std::int64_t due_ms, bool by_wall) {
    leave(job);
    job.status.due_ms = due_ms;
    job.status.by_wall = by_wall;
    enter(job, job_state::scheduled);
    change(job);
}

void job_table::park(job_entry& job) {
    leave(job);
    auto& limit = limits_[job.spec->limit.key];
    if (!limit.parked)
        limit.parked = std::make_unique<job_line>(committed_, column::job_rows,
                                                  keys::parked(job.spec->limit.key), false, leases_);
    limit.parked->insert(place(job), job.id(), job.status.since.wall_ms);
    enter(job, job_state::parked);
    change(job);
}

void job_table::lease(job_entry& job, job_lease_record row) {
    // Popped already: its line does not know it any more.
    touch(job);
    job.cold = false;
    count(job, job.status.state, -1);
    if (job.stored.place != job_state::ready && job.stored.place != job_state::leased) change(job);
    if (!job.spec->limit.key.empty()) ++limits_[job.spec->limit.key].running;
    leases_.give(job.id(), std::move(row));
    enter(job, job_state::leased);
}

void job_table::hand_back(job_entry& job) {
    leave(job);
    enter(job, job_state::ready);
    change(job);
}

void job_table::finish(job_entry& job, job_state how, std::int64_t ends_ms) {
    leave(job);
    job.status.ends_ms = ends_ms;
    enter(job, how);
    if (job.is_dead_letter()) {
        // Its row in that line is what ends it: so the count of dead letters and the record go together.
        job.status.due_ms = std::exchange(job.status.ends_ms, 0);
        dead_.insert(job.status.due_ms, job.id());
    }
    change(job);
}

void job_table::revive(job_entry& job) {
    if (job.is_dead_letter()) count(job, job.status.state, -1);
    job.status.ends_ms = 0;
    job.status.sequence = ++meta_.sequence;
    job.status.state = job_state::waiting;
    change(job);
    if (job.spec->expires_ms != 0) expiries_.insert(job.spec->expires_ms, job.id());
}

void job_table::remove(job_entry& job) {
    if (job.is_dead_letter()) count(job, job.status.state, -1);
    job.removed = true;
    change(job);
}

job_entry* job_table::pop(queue& of, std::string_view name, bool in_process, std::int64_t now_ms) {
    if (of.counts.ready == 0) return nullptr;
    auto& from = line(of, name, in_process);
    while (const auto first = from.pop()) {
        if (from.has_refilled()) read_ahead(from);
        auto* job = find(first->job, now_ms);
        if (job && job->status.state == job_state::ready && place(*job) == first->where &&
            job->spec->queue == name && job->spec->in_process == in_process)
            return job;
    }
    return nullptr;
}

std::uint32_t job_table::running(const std::string& key) const {
    const auto found = limits_.find(key);
    return found == limits_.end() ? 0 : found->second.running;
}

job_entry* job_table::pop_parked(const std::string& key, std::int64_t now_ms) {
    auto& limit = limits_[key];
    if (!limit.parked)
        limit.parked =
            std::make_unique<job_line>(committed_, column::job_rows, keys::parked(key), false, leases_);
    while (const auto first = limit.parked->pop()) {
        auto* job = find(first->job, now_ms);
        if (job && job->status.state == job_state::parked && place(*job) == first->where &&
            job->spec->limit.key == key)
            return job;
    }
    return nullptr;
}

// ---- The round's end

void job_table::write_place(job_entry& job, kv_batch& into) {
    const auto& was = job.stored;
    const auto& now = job.status;
    const auto place_of = [](job_state state) {
        return madang::is_over(state)       ? job_state::waiting
               : state == job_state::leased ? job_state::ready
                                            : state;
    };
    const bool own_row = was.place == job_state::leased;
    if (own_row && now.state == job_state::leased) return;
    const auto had = place_of(was.place), state = job.removed ? job_state::waiting : place_of(now.state);
    const bool line = state == job_state::ready || state == job_state::parked;
    if (!own_row && had == state &&
        (state == job_state::waiting ||
         (line ? was.sequence == now.sequence && was.since_ms == now.since.wall_ms
               : was.due_ms == now.due_ms && was.by_wall == now.by_wall)))
        return;
    if (own_row) {
        into.remove_once(column::job_rows, keys::job_row(keys::row::lease, job.id()));
    } else if (had != job_state::waiting) {
        job_status before;
        before.state = had;
        before.due_ms = was.due_ms;
        before.by_wall = was.by_wall;
        before.sequence = was.sequence;
        row_of(*job.spec, before, row_);
        into.remove_once(row_.where, row_.key);
    }
    if (!job.removed && row_of(*job.spec, now, row_)) into.put(row_.where, row_.key, row_.value);
}

void job_table::write(job_entry& job, kv_batch& into) {
    write_place(job, into);
    const bool over = job.is_over();
    auto& was = job.stored;
    if (job.removed) {
        if (was.record) {
            into.remove(column::jobs, job.id());
            if (job.status.number != 0) into.remove(column::job_order, keys::number(job.status.number));
        }
    } else if (job.changed) {
        const auto state = std::exchange(
            job.status.state, job.status.state == job_state::leased ? job_state::ready : job.status.state);
        encode(*job.spec, job.status, value_);
        job.status.state = state;
        into.put(column::jobs, job.id(), value_);
        if (job.status.number != 0 && (!was.record || was.over != over)) {
            value_.clear();
            byte_writer(value_).number(job.status.ends_ms).raw(job.id());
            into.put(column::job_order, keys::number(job.status.number), value_);
        }
    }
    const bool dead = job.is_dead_letter();
    const auto mark = [&](bool& is, bool wanted, const std::string& key) {
        if (is == wanted) return;
        if (wanted)
            into.put(column::job_rows, key, {});
        else
            into.remove_once(column::job_rows, key);
        is = wanted;
    };
    if (was.dead || dead)
        mark(was.dead, dead, keys::job_row(keys::row::dead, dead ? job.status.due_ms : was.due_ms, job.id()));
    if (job.spec->expires_ms != 0)
        mark(was.expiry, !over && !job.removed,
             keys::job_row(keys::row::expiry, job.spec->expires_ms, job.id()));
    was.record = !job.removed;
    was.over = over;
    if (was.place != job_state::leased || job.status.state != job_state::leased)
        was.place = job.removed                             ? job_state::waiting
                    : job.status.state == job_state::leased ? job_state::ready
                                                            : job.status.state;
    was.by_wall = job.status.by_wall;
    was.due_ms = job.status.due_ms;
    was.sequence = job.status.sequence;
    was.since_ms = job.status.since.wall_ms;
}

void job_table::seal_round(kv_batch& into) {
    // Rows in the order of their keys are written at a fraction of the cost: ids that are made here follow
    // each other as the sequences do.
    std::sort(touched_.begin(), touched_.end(), [](const job_entry* a, const job_entry* b) {
        return a->status.sequence != b->status.sequence ? a->status.sequence < b->status.sequence
                                                        : a->removed > b->removed;
    });
    for (auto* each : touched_) write(*each, into);
    for (auto* each : touched_queues_) {
        const auto key = keys::job_row(keys::row::counts, each->first);
        if (each->second.counts.none())
            into.remove(column::job_rows, key);
        else {
            encode(each->second.counts, value_);
            into.put(column::job_rows, key, value_);
        }
    }
    leases_.seal(into);
    rows_.seal(into);
    if (meta_ != stored_meta_) {
        encode(meta_, value_);
        into.put(column::job_rows, keys::job_row(keys::row::meta), value_);
        stored_meta_ = meta_;
    }
}

void job_table::end_round() {
    for (auto* each : touched_) {
        each->touched = each->changed = false;
        if (!each->spec->limit.key.empty()) {
            const auto found = limits_.find(each->spec->limit.key);
            if (found != limits_.end() && found->second.running == 0 &&
                (!found->second.parked || found->second.parked->known_empty()))
                limits_.erase(found);
            else if (found != limits_.end() && found->second.parked)
                found->second.parked->end_round();
        }
        if (!each->is_linked()) continue;  // gone
        cached_bytes_ -= each->bytes;
        each->bytes = size_of(*each);
        cached_bytes_ += each->bytes;
        // Those of a queue that were first are asked for first: what stands far behind does not crowd them
        // out. What is over is seldom asked for.
        if (each->removed || each->is_over() || (each->cold && cached_bytes_ > cache_bytes_ / 2)) drop(*each);
    }
    touched_.clear();
    gone_.clear();
    numbers_.clear();
    for (auto* each : touched_queues_) {
        each->second.touched = false;
        for (auto& line : each->second.lines)
            if (line) line->end_round();
    }
    touched_queues_.clear();
    if (queues_.size() > std::max(most_idle_queues, 2 * busy_queues_)) {
        std::erase_if(queues_, [](const auto& each) {
            return each.second.counts.none() && !each.second.paused && each.second.purged == 0;
        });
        busy_queues_ = queues_.size();
    }
    due_elapsed_.end_round();
    due_wall_.end_round();
    expiries_.end_round();
    dead_.end_round();
    rows_.forget();
    round_bytes_ = 0;
    evict();
}

}  // namespace madang
