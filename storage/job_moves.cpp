#include "storage/job_moves.hpp"

#include <algorithm>

#include "broker/core/log.hpp"
#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {
namespace {

std::string number_row(keys::row kind, std::uint64_t number) {
    return keys::job_row(kind, static_cast<std::int64_t>(number));
}
failure damaged(const char* what) { return failure(fail(errc::storage_failed, what)); }

std::string row_of(const kept_chunk& what) {
    std::string value;
    byte_writer(value).text16(what.to).number(what.jobs).raw(*what.bytes);
    return value;
}
std::optional<kept_chunk> chunk_of(std::string_view row) {
    byte_reader in(row);
    kept_chunk what;
    what.to = in.text16();
    what.jobs = in.number<std::uint64_t>();
    const auto bytes = in.rest();
    const auto head = decode_chunk_head(bytes);
    if (!head) return {};
    what.book = head->book;
    what.number = head->number;
    what.transfer = head->transfer;
    what.bytes = std::make_shared<const std::string>(bytes);
    return what;
}
std::size_t size_of(const moved_job& job) noexcept {
    const auto& spec = *job.spec;
    return 200 + spec.args.size() + spec.kwargs.size() + spec.headers.size() + job.status.args.size() +
           job.status.result.size() + job.status.error.trace.size() + 40 * spec.children.size() +
           (job.checkpoint ? job.checkpoint->size() : 0);
}

}  // namespace

void job_moves::unsettle() {
    changed_ = true;
    others_cut_ = false;
    from_.clear();
    cut_jobs_ = 0;
    links_.forget();
}

void job_moves::end_round() {
    changed_ = false;
    held_.clear();
    old_leases_.reset();
}

void job_moves::undo_round() {
    unsettle();
    end_round();
}

job_moves::here job_moves::read_here() const {
    const auto value = jobs_.rows().get(column::job_rows, keys::job_row(keys::row::here));
    if (!value) return {};
    byte_reader in(*value);
    here what;
    what.book = in.number<std::uint64_t>();
    what.number = in.number<std::uint64_t>();
    if (!in.whole()) throw damaged("the book's own record is damaged");
    return what;
}

void job_moves::keep_here(const here& what) {
    std::string value;
    byte_writer(value).number(what.book).number(what.number);
    jobs_.rows().put(column::job_rows, keys::job_row(keys::row::here), std::move(value));
}

void job_moves::keep(const kept_chunk& what) {
    jobs_.rows().put(column::job_rows, number_row(keys::row::chunk, what.number), row_of(what));
}

// ---- Out of the book

result<given_chunk> job_moves::give(const job_commands::give& what) {
    if (changed_) return fail(errc::busy, "the jobs change");
    while (!links_.look(what.now.wall_ms)) {
    }
    job_chunk made;
    if (!others_cut_) {
        cut_others(made, what.most_bytes);
        others_cut_ = made.empty();
    }
    if (made.empty()) cut_jobs(made, what);
    given_chunk told;
    cut_jobs_ += made.jobs();
    told.left = links_.jobs() - std::min(links_.jobs(), cut_jobs_);
    if (made.empty()) {
        told.left = 0;
        return told;
    }
    auto me = read_here();
    if (me.book == 0) me.book = what.book;
    ++me.number;
    keep_here(me);
    made.head = {me.book, me.number, what.transfer, jobs_.meta().sequence, what.now};
    kept_chunk cut{me.book, me.number, what.transfer, what.to, nullptr, made.jobs()};
    cut.bytes = std::make_shared<const std::string>(encode(made));
    keep(cut);
    told.cut = std::move(cut);
    return told;
}

// What is of no job goes first: so that a paused queue is paused, a schedule has fired and a key is known
// where the jobs come to.
void job_moves::cut_others(job_chunk& into, std::size_t most_bytes) {
    std::size_t bytes = 0;
    std::vector<std::pair<column, std::string>> gone;
    const auto each = [&](column where, keys::row kind, auto see) {
        jobs_.rows().scan(where, keys::job_row(kind), [&](std::string_view key, std::string_view value) {
            if (bytes >= most_bytes) return false;
            if (see(key.substr(1), value)) {
                bytes += key.size() + value.size();
                gone.emplace_back(where, key);
            }
            return true;
        });
    };
    each(column::job_rows, keys::row::paused, [&](auto name, auto) {
        into.paused.emplace_back(name);
        return true;
    });
    each(column::job_rows, keys::row::schedule, [&](auto name, auto value) {
        auto known = decode_schedule(value);
        if (!known) return false;
        known->unfinished = 0;
        into.schedules.emplace_back(name, std::move(*known));
        return true;
    });
    each(column::job_terms, keys::row::idempotency, [&](auto name, auto value) {
        if (auto known = decode_answer(value))
            return into.answers.emplace_back(name, std::move(*known)), true;
        return false;
    });
    each(column::job_terms, keys::row::unique, [&](auto name, auto value) {
        auto known = decode_term(value);
        if (!known || known->ends_ms == 0) return false;  // goes with its job
        into.uniques.emplace_back(name, std::move(*known));
        return true;
    });
    each(column::job_rows, keys::row::news, [&](auto, auto value) {
        byte_reader in(value);
        const auto group = in.text32();
        if (!in.good()) return false;
        into.news.emplace_back(group, in.rest());
        return true;
    });
    for (auto& [where, key] : gone) jobs_.rows().remove(where, std::move(key));
    for (const auto& queue : into.paused) jobs_.queue_of(queue).paused = false;
}

void job_moves::cut_jobs(job_chunk& into, const job_commands::give& what) {
    std::size_t bytes = 0, jobs = 0;
    jobs_.committed()
        .scan(column::jobs, from_, std::string(2, '\xff'), direction::ascending,
              [&](std::string_view id, std::string_view value) {
                  if (jobs >= what.most_jobs || bytes >= what.most_bytes) return false;
                  auto* job = jobs_.find(id, value, what.now.wall_ms);
                  if (job) {
                      auto all = links_.of(id);
                      if (std::find(all.jobs.begin(), all.jobs.end(), id) == all.jobs.end())
                          all = {{std::string(id)}, {}};
                      if (jobs != 0 && jobs + all.jobs.size() > what.most_jobs) return false;
                      auto& workflow = into.workflows.emplace_back();
                      for (const auto& each : all.jobs)
                          if (auto* one = jobs_.find(each, what.now.wall_ms)) bytes += cut(*one, workflow);
                      for (const auto& each : all.barriers) bytes += cut_barrier(each, workflow);
                      jobs += workflow.jobs.size();
                  }
                  from_.assign(id).push_back('\0');
                  return true;
              })
        .value();
}

std::size_t job_moves::cut(job_entry& job, moved_workflow& into) {
    auto& moved = into.jobs.emplace_back();
    auto& status = moved.status;
    moved.spec = job.spec;
    status = job.status;
    if (status.state == job_state::leased) {
        moved.lease = jobs_.leased(job.id())->row;
        status.state = job_state::ready;
    }
    if (status.has_checkpoint) {
        auto key = keys::job_row(keys::row::checkpoint, job.id());
        moved.checkpoint = jobs_.rows().get(column::job_rows, key).value_or("");
        jobs_.rows().remove(column::job_rows, std::move(key));
    }
    moved.holds_unique = !job.is_over() && flow_.let_go_unique(*job.spec);
    if (!status.schedule.empty() && !status.told) flow_.count_unfinished(status.schedule, -1);
    jobs_.give_away(job);
    return size_of(moved);
}

std::size_t job_moves::cut_barrier(const std::string& id, moved_workflow& into) {
    auto key = keys::job_row(keys::row::barrier, id);
    const auto value = jobs_.rows().get(column::job_rows, key);
    auto known = value ? decode_barrier(id, *value) : std::nullopt;
    if (!known) return 0;
    jobs_.rows().remove(column::job_rows, std::move(key));
    auto& moved = into.barriers.emplace_back();
    moved.what = std::move(*known);
    moved.what.spec.children = flow_.children_of(id);
    if (!moved.what.spec.children.empty())
        jobs_.rows().remove(column::job_rows, keys::job_row(keys::row::children, id));
    auto prefix = keys::job_row(keys::row::barrier_result);
    byte_writer(prefix).text16(id);
    std::size_t bytes = 100 + 40 * moved.what.spec.children.size();
    std::vector<std::string> rows;
    jobs_.rows().scan(column::job_rows, prefix, [&](auto at, auto result) {
        byte_reader index(at.substr(prefix.size()));
        moved.results.emplace_back(index.template number<std::uint32_t>(), result);
        rows.emplace_back(at);
        bytes += result.size();
        return true;
    });
    for (auto& each : rows) jobs_.rows().remove(column::job_rows, std::move(each));
    return bytes;
}

bool job_moves::given(std::uint64_t number) {
    auto key = number_row(keys::row::chunk, number);
    if (!jobs_.rows().get(column::job_rows, key)) return false;
    jobs_.rows().remove(column::job_rows, std::move(key));
    return true;
}

result<kept_chunk> job_moves::give_again(const job_commands::give_again& what) {
    auto known = chunk(what.number);
    if (!known) return known.error();
    given(what.number);
    auto me = read_here();
    if (what.book != 0) me.book = what.book;
    ++me.number;
    keep_here(me);
    auto head = *decode_chunk_head(*known->bytes);
    head.book = known->book = me.book;
    head.number = known->number = me.number;
    head.transfer = known->transfer = what.transfer;
    known->to = what.to;
    std::string bytes;
    encode(head, bytes);
    known->bytes = std::make_shared<const std::string>(bytes.append(*known->bytes, job_chunk_head_bytes));
    keep(*known);
    return known;
}

std::vector<kept_chunk> job_moves::chunks() const {
    std::vector<kept_chunk> all;
    jobs_.rows().scan(column::job_rows, keys::job_row(keys::row::chunk), [&](auto, auto value) {
        auto known = chunk_of(value);
        if (!known) throw damaged("a chunk of jobs is damaged");
        known->bytes.reset();
        all.push_back(std::move(*known));
        return true;
    });
    return all;
}

result<kept_chunk> job_moves::chunk(std::uint64_t number) const {
    const auto value = jobs_.rows().get(column::job_rows, number_row(keys::row::chunk, number));
    if (!value) return fail(errc::not_found);
    auto known = chunk_of(*value);
    if (!known) return fail(errc::storage_failed, "a chunk of jobs is damaged");
    return std::move(*known);
}

// ---- Into the book

result<taken_chunk> job_moves::take(const job_commands::take& what) {
    auto chunk = what.bytes ? decode_chunk(*what.bytes) : std::nullopt;
    if (!chunk) return fail(errc::bad_request, "no chunk of jobs");
    const auto& head = chunk->head;
    const auto key = number_row(keys::row::mark, head.book);
    const auto value = jobs_.rows().get(column::job_rows, key);
    auto mark = value ? decode_mark(*value) : taken_mark{};
    if (!mark) throw damaged("the mark of another book is damaged");
    if (head.number <= mark->number) {
        const bool same = head.number == mark->number && head.transfer == mark->transfer && !mark->forgone;
        return taken_chunk{same ? taken_chunk::outcome::repeated : taken_chunk::outcome::refused, 0, 0, 0};
    }
    // A giver that takes no jobs meanwhile has its places all in one span: then its jobs keep their order,
    // behind those that were here, and before those that come here from now on.
    auto& sequence = jobs_.meta().sequence;
    if (mark->span != head.sequence) {
        mark->base = sequence;
        mark->span = head.sequence;
        sequence += head.sequence;
    }
    mark->number = head.number;
    mark->transfer = head.transfer;
    mark->forgone = false;
    std::string text;
    encode(*mark, text);
    jobs_.rows().put(column::job_rows, key, std::move(text));
    return put(std::move(*chunk), mark->base, what.now);
}

bool job_moves::forgo(const job_commands::forgo& what) {
    const auto key = number_row(keys::row::mark, what.book);
    const auto value = jobs_.rows().get(column::job_rows, key);
    auto mark = value ? decode_mark(*value) : taken_mark{};
    if (!mark) throw damaged("the mark of another book is damaged");
    if (what.number == mark->number && what.transfer == mark->transfer) return !mark->forgone;
    if (what.number < mark->number) return false;
    mark->number = what.number;
    mark->transfer = what.transfer;
    mark->forgone = true;
    std::string text;
    encode(*mark, text);
    jobs_.rows().put(column::job_rows, key, std::move(text));
    return false;
}

// Their places are still theirs.
result<taken_chunk> job_moves::take_back(const job_commands::take_back& what) {
    auto known = chunk(what.number);
    if (!known) return known.error();
    auto chunk = decode_chunk(*known->bytes);
    if (!chunk) return fail(errc::storage_failed, "a chunk of jobs is damaged");
    given(what.number);
    return put(std::move(*chunk), 0, what.now);
}

taken_chunk job_moves::put(job_chunk&& what, std::uint64_t base, const job_time& now) {
    unsettle();
    taken_chunk told;
    put_others(what, told, now);
    for (auto& each : what.workflows) {
        if (is_known(each, now)) {
            told.skipped += each.jobs.size();
            log_warn("store.job_known", {{"job", each.jobs.front().spec->id}, {"jobs", each.jobs.size()}});
            continue;
        }
        told.jobs += each.jobs.size();
        for (auto& job : each.jobs) put(job, what.head, base, now);
        for (auto& barrier : each.barriers) put(barrier);
    }
    return told;
}

void job_moves::put_others(job_chunk& what, taken_chunk& into, const job_time& now) {
    auto& rows = jobs_.rows();
    std::string text;
    for (const auto& name : what.paused)
        if (!std::exchange(jobs_.queue_of(name).paused, true))
            rows.put(column::job_rows, keys::job_row(keys::row::paused, name), {});
    for (auto& [name, moved] : what.schedules) {
        const auto key = keys::job_row(keys::row::schedule, name);
        const auto value = rows.get(column::job_rows, key);
        auto known = value ? decode_schedule(*value) : std::nullopt;
        if (!known)
            known = std::move(moved);
        else {
            // One of the configuration file or a plugin is as this node says.
            if (known->source == "api" && moved.source == "api" && moved.last_fire_ms > known->last_fire_ms)
                known->json = std::move(moved.json);
            known->last_fire_ms = std::max(known->last_fire_ms, moved.last_fire_ms);
            known->fired += moved.fired;
            known->skipped += moved.skipped;
        }
        encode(*known, text);
        rows.put(column::job_rows, key, text);
        ++into.schedules;
    }
    for (const auto& [name, moved] : what.answers) {
        const auto key = keys::job_row(keys::row::idempotency, name);
        const auto value = rows.get(column::job_terms, key);
        const auto known = value ? decode_answer(*value) : std::nullopt;
        if ((known && !is_over(known->ends_ms, now.wall_ms)) || is_over(moved.ends_ms, now.wall_ms)) continue;
        encode(moved, text);
        rows.put(column::job_terms, key, text);
    }
    for (const auto& [name, moved] : what.uniques) {
        if (is_over(moved.ends_ms, now.wall_ms) || flow_.is_held_by_another(name, moved.job, now)) continue;
        encode(moved, text);
        rows.put(column::job_terms, keys::job_row(keys::row::unique, name), text);
    }
    for (auto& [group, data] : what.news) {
        const auto number = ++jobs_.meta().news;
        text.clear();
        byte_writer(text).text32(group).raw(data);
        rows.put(column::job_rows, number_row(keys::row::news, number), text);
        flow_.news().push_back({number, std::move(group), std::move(data)});
    }
}

// A part of a workflow would wait for what is not there: so it is all of it or nothing.
bool job_moves::is_known(const moved_workflow& what, const job_time& now) {
    const auto known = [&](const std::string& id) {
        return jobs_.find(id, now.wall_ms) ||
               jobs_.rows().get(column::job_rows, keys::job_row(keys::row::barrier, id));
    };
    return std::any_of(what.jobs.begin(), what.jobs.end(),
                       [&](const auto& each) { return known(each.spec->id); }) ||
           std::any_of(what.barriers.begin(), what.barriers.end(),
                       [&](const auto& each) { return known(each.what.spec.id); });
}

// A sheet of this book's may still say that a job of that id was leased: by a token that is greater, it would
// be taken for this lease after a start.
bool job_moves::is_stale(const std::string& job, std::uint64_t token) {
    if (token > jobs_.leases().last_token()) return false;
    if (!old_leases_) old_leases_ = stored_leases(jobs_.committed());
    const auto found = old_leases_->find(job);
    return found != old_leases_->end() && found->second.row.token > token;
}

void job_moves::put(moved_job& job, const job_chunk_head& head, std::uint64_t base, const job_time& now) {
    auto& status = job.status;
    const auto& spec = job.spec;
    const auto here = [&](std::int64_t elapsed_ms) {
        return std::max<std::int64_t>(0, now.elapsed_ms + (elapsed_ms - head.cut.elapsed_ms));
    };
    const bool over = is_over(status.state);
    status.sequence += base;
    status.since.elapsed_ms = here(status.since.elapsed_ms);
    if (status.state == job_state::scheduled && !status.by_wall) status.due_ms = here(status.due_ms);
    if (job.lease && is_stale(spec->id, job.lease->token)) job.lease.reset();
    jobs_.leases().seen(status.left);
    jobs_.adopt(spec, std::move(status), job.lease);
    if (job.lease) held_.push_back({{spec->id, job.lease->token}, job.lease->worker, job.lease->worker_id});
    if (job.checkpoint)
        jobs_.rows().put(column::job_rows, keys::job_row(keys::row::checkpoint, spec->id),
                         std::move(*job.checkpoint));
    if (job.holds_unique && !flow_.is_held_by_another(spec->unique, spec->id, now))
        flow_.hold_unique(*spec, now);
    if (const auto* entry = over ? nullptr : jobs_.find(spec->id, 0);
        entry && !entry->status.schedule.empty() && !entry->status.told)
        flow_.count_unfinished(entry->status.schedule, 1);
}

void job_moves::put(moved_barrier& barrier) {
    const auto id = barrier.what.spec.id;
    flow_.put_barrier(std::move(barrier.what));
    for (auto& [index, result] : barrier.results)
        jobs_.rows().put(column::job_rows, keys::barrier_result(id, index), std::move(result));
}

}  // namespace madang
