#include "storage/job_book.hpp"

#include <algorithm>
#include <unordered_set>

#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {
namespace {

constexpr std::size_t most_due = 4096, most_news = 1000;  // per round
constexpr std::size_t most_cancelled = 50'000;            // by a request that names several
constexpr std::int64_t elapsed_step_ms = 1000;            // kept so often when nothing else changes

template <class... Commands>
bool is_one_of(const job_request& what) noexcept {
    return (std::holds_alternative<Commands>(what) || ...);
}
bool is_query(const job_request& what) noexcept {
    return is_one_of<job_queries::find, job_queries::list, job_queries::queues, job_queries::schedules,
                     job_queries::chunks, job_queries::chunk>(what);
}
// Of which jobs there are, and what hangs together.
bool changes_jobs(const job_request& what) noexcept {
    return is_change(what) &&
           !is_one_of<job_commands::give, job_commands::take, job_commands::given, job_commands::forgo,
                      job_commands::give_again, job_commands::take_back, job_commands::told>(what);
}
bool is_all(const std::vector<std::string>& jobs) { return jobs.size() == 1 && jobs.front() == "*"; }

job_answer counted(std::uint64_t count) { return job_value(count); }

}  // namespace

bool is_change(const job_request& what) noexcept {
    return !is_query(what) &&
           !is_one_of<job_commands::offer, job_commands::withdraw, job_commands::started, job_commands::look>(
               what);
}
bool frees_space(const job_request& what) noexcept {
    return !is_one_of<job_commands::enqueue, job_commands::checkpoint, job_commands::requeue,
                      job_commands::put_schedule, job_commands::take>(what);
}
std::size_t size_of(const job_request& what) noexcept {
    std::size_t size = sizeof what;
    if (const auto* enqueue = std::get_if<job_commands::enqueue>(&what)) {
        for (const auto& each : enqueue->jobs)
            size += sizeof *each + each->args.size() + each->kwargs.size() + each->headers.size() +
                    2 * sizeof(std::string) * each->children.size();
        for (const auto& each : enqueue->barriers)
            size += sizeof each + 2 * sizeof(std::string) * each.children.size();
    }
    if (const auto* succeed = std::get_if<job_commands::succeed>(&what)) size += succeed->result.size();
    if (const auto* failed = std::get_if<job_commands::fail>(&what))
        size += failed->error.message.size() + failed->error.trace.size();
    if (const auto* checkpoint = std::get_if<job_commands::checkpoint>(&what))
        size += checkpoint->data.size();
    // A large one is not refused for its size: it cannot become smaller.
    if (const auto* take = std::get_if<job_commands::take>(&what); take && take->bytes)
        size += std::min<std::size_t>(take->bytes->size(), 4 << 20);
    return size;
}

job_book::job_book(const kv_view& committed, const limits& most)
    : limits_(most),
      jobs_(committed, most.cache_bytes),
      flow_(jobs_, most.flow),
      offers_(jobs_, flow_),
      sweeps_(jobs_, flow_),
      moves_(jobs_, flow_) {}

// ---- Rounds

result<void> job_book::start() {
    try {
        load();
        const auto before = jobs_.committed().get(column::job_rows, keys::job_row(keys::row::start)).value();
        byte_reader in(before ? std::string_view(*before) : std::string_view());
        const auto number = before ? in.number<std::uint64_t>() + 1 : limits_.first_start;
        if (before && !in.whole())
            return fail(errc::storage_failed, "the record of the jobs' starts is damaged");
        set_start(number);
        jobs_.leases().start_tokens_at(number << token_bits);
    } catch (const failure& e) {
        return e.why();
    }
    return {};
}

void job_book::set_start(std::uint64_t number) {
    start_number_ = number;
    start_to_store_.clear();
    byte_writer(start_to_store_).number(number);
}

void job_book::keep_start(kv_batch& into) const {
    into.put(column::job_rows, keys::job_row(keys::row::start), start_to_store_);
}

void job_book::load() {
    jobs_.load();
    sweeps_.load();
    flow_.reset();
    stored_elapsed_ms_ = jobs_.meta().elapsed_ms;
    news_told_to_ = 0;
    news_to_tell_ = jobs_.meta().news;
    broken_.reset();
}

job_book::applied job_book::apply(const job_request& what, const round& in) {
    const bool query = is_query(what);
    if (!query) {
        if (in.refused && (in.undone || is_change(what))) return {*in.refused, {}};
        if (in.full && !frees_space(what)) return {*in.full, {}};
        active_ = true;
        if (changes_jobs(what)) moves_.unsettle();
        std::visit(
            [&](const auto& each) {
                if constexpr (requires { each.now; }) {
                    if (each.now.elapsed_ms >= now_.elapsed_ms) now_ = each.now;
                }
            },
            what);
    }
    try {
        if (broken_) load();
        later_.reset();
        auto answer = std::visit([&](const auto& each) { return apply(each); }, what);
        return {std::move(answer), std::move(later_)};
    } catch (const failure& e) {
        if (!query) throw;
        return {e.why(), {}};
    }
}

void job_book::reload() {
    try {
        load();
    } catch (const failure& e) {
        broken_ = e.why();
    }
}

void job_book::seal_round(kv_batch& into, const round& in) {
    if (broken_ && !in.refused) reload();
    if (broken_ || (!active_ && !restarted_)) return;
    active_ = true;
    if (in.refused) return;
    more_ = more_ || sweeps_.pending();
    if (sweeps_.pending()) moves_.unsettle();
    sweeps_.go_on(now_);
    if (!in.full && !offers_.assign(now_, limits_.round_bytes, effects_.assigned)) more_ = true;
    auto& meta = jobs_.meta();
    if (!start_to_store_.empty() && (keep_start_ || !effects_.assigned.empty())) {
        keep_start(into);
        start_stored_ = true;
    }
    if (now_.elapsed_ms > meta.elapsed_ms &&
        (jobs_.round_bytes() != 0 || now_.elapsed_ms >= stored_elapsed_ms_ + elapsed_step_ms))
        meta.elapsed_ms = now_.elapsed_ms;
    stored_elapsed_ms_ = meta.elapsed_ms;
    load_news();
    jobs_.seal_round(into);
}

void job_book::tell_all() noexcept {
    restarted_ = true;
    news_told_to_ = 0;
    news_to_tell_ = jobs_.meta().news;
}

// News of earlier processes that were not published yet.
void job_book::load_news() {
    if (news_told_to_ >= news_to_tell_) return;
    std::size_t left = most_news;
    auto last = news_to_tell_;
    jobs_.rows().scan(column::job_rows,
                      keys::job_row(keys::row::news, static_cast<std::int64_t>(news_told_to_ + 1)),
                      keys::job_row(keys::row::news, static_cast<std::int64_t>(news_to_tell_ + 1)),
                      [&](auto key, auto value) {
                          byte_reader at(key.substr(1)), in(value);
                          const auto number = at.template number<std::uint64_t>();
                          if (left-- == 0) {
                              last = number - 1;
                              more_ = true;
                              return false;
                          }
                          std::string group(in.text32());
                          effects_.news.push_back({number, std::move(group), std::string(in.rest())});
                          return true;
                      });
    news_told_to_ = last;
}

job_time job_book::next() {
    job_time next{std::min({jobs_.due_wall().next(), jobs_.expiries().next(), jobs_.dead().next()}),
                  jobs_.due_elapsed().next()};
    if (more_ || sweeps_.pending()) next.elapsed_ms = std::min(next.elapsed_ms, now_.elapsed_ms);
    return next;
}

std::optional<job_effects> job_book::end_round() {
    keep_start_ = false;
    if (!std::exchange(active_, false)) {
        jobs_.end_round();
        moves_.end_round();
        if (!restarted_ || broken_) return {};
    }
    auto& news = flow_.news();
    effects_.news.insert(effects_.news.end(), std::make_move_iterator(news.begin()),
                         std::make_move_iterator(news.end()));
    effects_.ended = std::move(flow_.ended());
    if (std::exchange(start_stored_, false)) start_is_kept();
    flow_.reset();
    jobs_.end_round();
    try {
        effects_.next = next();
    } catch (const failure&) {
        effects_.next = {now_.wall_ms, now_.elapsed_ms};
    }
    more_ = false;
    if (std::exchange(restarted_, false)) {
        effects_.restarted = true;
        for (const auto& [job, lease] : jobs_.leases().all())
            effects_.held.push_back({{job, lease.row.token}, lease.row.worker, lease.row.worker_id});
        std::sort(effects_.held.begin(), effects_.held.end(),
                  [](const auto& a, const auto& b) { return a.which.token < b.which.token; });
    } else
        effects_.held = std::move(moves_.held());
    moves_.end_round();
    auto told = std::exchange(effects_, {});
    const bool same = told.next == told_next_;
    told_next_ = told.next;
    if (same && !told.restarted && told.assigned.empty() && told.cancelled.empty() && told.news.empty() &&
        told.ended.empty() && told.held.empty())
        return {};
    return told;
}

void job_book::undo_round() {
    if (!active_) return;
    active_ = more_ = start_stored_ = keep_start_ = false;
    effects_ = {};
    told_next_ = {-1, -1};
    offers_.forget();
    moves_.undo_round();
    reload();
    restarted_ = true;
}

// ---- Workers

job_answer job_book::apply(const job_commands::offer& what) {
    offers_.add(what);
    return job_value();
}

job_answer job_book::apply(const job_commands::withdraw& what) {
    offers_.withdraw(what.worker_id);
    return job_value();
}

job_entry* job_book::leased(const job_lease& which) {
    const auto* lease = jobs_.leased(which.job);
    return lease && lease->row.token == which.token ? jobs_.find(which.job, 0) : nullptr;
}

job_answer job_book::apply(const job_commands::started& what) {
    if (!leased(what.which)) return fail(errc::stale_lease);
    jobs_.leased(what.which.job)->started = true;
    return job_value();
}

job_answer job_book::apply(const job_commands::succeed& what) {
    auto* job = leased(what.which);
    if (!job) return fail(errc::stale_lease);
    flow_.end(*job, job_state::success, what.result, {}, what.now);
    return job_value();
}

void job_book::end_attempt(job_entry& job, const job_error& error) {
    auto& status = job.status;
    const auto& lease = jobs_.leased(job.id())->row;
    status.error = error;
    remember(status.history, {lease.began_ms, now_.wall_ms, lease.worker, error});
    status.began_ms = lease.began_ms;
    status.worker = lease.worker;
}

job_answer job_book::apply(const job_commands::fail& what) {
    using verdict = job_commands::fail::verdict;
    auto* job = leased(what.which);
    if (!job) return fail(errc::stale_lease);
    const bool again = what.what == verdict::retry || what.what == verdict::requeued;
    const bool revoked = job->status.cancelled && (again || what.what == verdict::handed_back);
    auto why = job->status.error;  // who cancelled it has said
    if (what.what != verdict::handed_back) end_attempt(*job, what.error);
    const bool limited = job->spec->limit.at_once != 0;
    if (revoked) {
        flow_.end(*job, job_state::revoked, {}, std::move(why), what.now);
    } else if (what.what == verdict::handed_back) {
        job->status.granted = job->spec->limit.rate != 0;  // its share was taken, and it has not begun
        if (job->status.granted) jobs_.change(*job);
        jobs_.renew_place(*job);
        jobs_.hand_back(*job);
        if (limited) flow_.release(*job, what.now);
    } else if (again) {
        job->status.retries += what.what == verdict::retry;
        jobs_.renew_place(*job);
        if (what.retry_after_ms > 0)
            jobs_.schedule(*job, what.now.elapsed_ms + what.retry_after_ms, false);
        else
            jobs_.wait_ready(*job, what.now);
        if (limited) flow_.release(*job, what.now);
    } else {
        const auto how = what.what == verdict::rejected  ? job_state::rejected
                         : what.what == verdict::ignored ? job_state::ignored
                                                         : job_state::failure;
        flow_.end(*job, how, {}, what.error, what.now);
    }
    return job_value();
}

bool job_book::is_lost_too_often(job_entry& job, const job_commands::lose& how) {
    end_attempt(job, how.error);
    return ++job.status.losses >= how.most_losses || how.dead || !job.spec->late_ack;
}

// Not counted; but a job that breaks the server itself, which is as often lost so as can be remembered, and
// nothing else, is over as well.
bool job_book::is_lost_with_all(job_entry& job, const job_error& error) {
    auto& history = job.status.history;
    const auto& lease = jobs_.leased(job.id())->row;
    remember(history, {lease.began_ms, now_.wall_ms, lease.worker, error});
    return history.size() == most_remembered &&
           std::all_of(history.begin(), history.end(),
                       [&](const job_attempt& each) { return each.error.type == error.type; });
}

job_answer job_book::apply(const job_commands::lose& what) {
    std::uint64_t count = 0;
    for (const auto& each : what.which) {
        auto* job = leased(each);
        if (!job) continue;
        ++count;
        auto why = job->status.error;  // of one that is cancelled: who did it has said
        const bool counted = what.counted || !job->spec->late_ack;
        const bool dead = counted ? is_lost_too_often(*job, what) : is_lost_with_all(*job, what.error);
        if (job->status.cancelled)
            flow_.end(*job, job_state::revoked, {}, std::move(why), what.now);
        else if (dead)
            flow_.end(*job, job_state::failure, {}, what.error, what.now);
        else {
            jobs_.renew_place(*job);
            jobs_.wait_ready(*job, what.now);
            if (job->spec->limit.at_once != 0) flow_.release(*job, what.now);
        }
    }
    return counted(count);
}

job_answer job_book::apply(const job_commands::checkpoint& what) {
    auto* job = leased(what.which);
    if (!job) return fail(errc::stale_lease);
    jobs_.rows().put(column::job_rows, keys::job_row(keys::row::checkpoint, job->id()), what.data);
    if (!std::exchange(job->status.has_checkpoint, true)) jobs_.change(*job);
    return job_value();
}

// ---- Operators

job_answer job_book::apply(const job_commands::cancel& what) {
    std::vector<std::string> ids;
    for (const auto& id : what.jobs) {
        const auto* job = jobs_.find(id, what.now.wall_ms);
        const auto children = job ? job->spec->children : flow_.children_of(id);
        if (!job && children.empty() && flow_.view_barrier(id))
            return fail(errc::bad_request, "id: " + id +
                                               " is a group within a workflow: cancel the workflow, "
                                               "by the id that it was answered with, or its jobs");
        if (children.empty())
            ids.push_back(id);
        else
            ids.insert(ids.end(), children.begin(), children.end());
        if (what.jobs.size() > 1 && ids.size() > most_cancelled)
            return fail(errc::limit_exceeded, "ids: these are more than " + std::to_string(most_cancelled) +
                                                  " jobs: cancel fewer workflows at once");
    }
    const job_error why{"Cancelled", what.reason, {}};
    std::unordered_set<std::string_view> seen;
    std::uint64_t count = 0;
    for (const auto& id : ids) {
        auto* job = seen.insert(id).second ? jobs_.find(id, what.now.wall_ms) : nullptr;
        if (!job || job->is_over()) continue;
        ++count;
        if (job->status.state != job_state::leased) {
            flow_.will_end(*job, job_state::revoked, {}, why);
            continue;
        }
        if (!std::exchange(job->status.cancelled, true)) {
            job->status.error = why;
            jobs_.change(*job);
        }
        effects_.cancelled.push_back({id, jobs_.leased(id)->row.token});
    }
    flow_.end_all(what.now);
    return counted(count);
}

job_answer job_book::apply(const job_commands::pause& what) {
    auto& queue = jobs_.queue_of(what.queue);
    const bool before = std::exchange(queue.paused, what.paused);
    const auto key = keys::job_row(keys::row::paused, what.queue);
    if (what.paused && !before) jobs_.rows().put(column::job_rows, key, {});
    if (!what.paused && before) jobs_.rows().remove(column::job_rows, key);
    return job_value(before);
}

job_answer job_book::apply(const job_commands::purge& what) {
    return counted(sweeps_.begin(sweep_record::work::purge, what.queue, what.now));
}

job_answer job_book::apply(const job_commands::requeue& what) {
    if (is_all(what.jobs)) return counted(sweeps_.begin(sweep_record::work::requeue, {}, what.now));
    std::uint64_t count = 0;
    for (const auto& id : what.jobs)
        if (auto* job = jobs_.find(id, what.now.wall_ms)) count += sweeps_.requeue(*job, what.now);
    return counted(count);
}

job_answer job_book::apply(const job_commands::discard& what) {
    if (is_all(what.jobs)) return counted(sweeps_.begin(sweep_record::work::discard, {}, what.now));
    std::uint64_t count = 0;
    for (const auto& id : what.jobs)
        if (auto* job = jobs_.find(id, 0); job && job->is_dead_letter()) {
            jobs_.remove(*job);
            ++count;
        }
    return counted(count);
}

job_answer job_book::apply(const job_commands::tick& what) {
    const auto now = what.now;
    const auto make_ready = [&](std::string_view id, std::int64_t due_ms, bool by_wall) {
        auto* job = jobs_.find(id, now.wall_ms);
        if (!job || job->status.state != job_state::scheduled || job->status.due_ms != due_ms ||
            job->status.by_wall != by_wall)
            return;
        const auto late = (by_wall ? now.wall_ms : now.elapsed_ms) - due_ms;
        jobs_.wait_ready(*job, {now.wall_ms - late, now.elapsed_ms - late});
    };
    bool all = jobs_.due_elapsed().take(now.elapsed_ms, most_due,
                                        [&](auto id, auto due) { make_ready(id, due, false); });
    all &=
        jobs_.due_wall().take(now.wall_ms, most_due, [&](auto id, auto due) { make_ready(id, due, true); });
    all &= jobs_.expiries().take(now.wall_ms, most_due, [&](auto id, auto at) {
        auto* job = jobs_.find(id, now.wall_ms);
        if (job && !job->is_over() && job->status.state != job_state::leased && job->spec->expires_ms == at)
            flow_.end(*job, job_state::revoked, {}, {"Expired", "it was not begun in time", {}}, now);
    });
    all &= jobs_.dead().take(now.wall_ms, most_due, [&](auto id, auto at) {
        auto* job = jobs_.find(id, 0);
        if (job && job->is_dead_letter() && job->status.due_ms == at) jobs_.remove(*job);
    });
    more_ = more_ || !all;
    return job_value();
}

job_answer job_book::apply(const job_commands::put_schedule& what) {
    const auto key = keys::job_row(keys::row::schedule, what.name);
    auto known = decode_schedule(jobs_.rows().get(column::job_rows, key).value_or(""));
    if (!known) known = schedule_record{{}, {}, what.from_ms, 0, 0, 0};
    known->json = what.json;
    known->source = what.source;
    std::string text;
    encode(*known, text);
    jobs_.rows().put(column::job_rows, key, std::move(text));
    return job_value();
}

job_answer job_book::apply(const job_commands::remove_schedule& what) {
    const auto key = keys::job_row(keys::row::schedule, what.name);
    const bool known = jobs_.rows().get(column::job_rows, key).has_value();
    if (known) jobs_.rows().remove(column::job_rows, key);
    return job_value(known);
}

job_answer job_book::apply(const job_commands::skip_fire& what) {
    const bool known = flow_.change_schedule(what.name, [&](schedule_record& record) {
        record.last_fire_ms = std::max(record.last_fire_ms, what.fire_ms);
        record.skipped += what.count;
    });
    if (!known) return fail(errc::not_found);
    return job_value();
}

job_answer job_book::apply(const job_commands::told& what) {
    for (const auto each : what.news)
        jobs_.rows().remove(column::job_rows,
                            keys::job_row(keys::row::news, static_cast<std::int64_t>(each)));
    return job_value();
}

// ---- Queries

job_answer job_book::apply(const job_queries::find& what) {
    if (const auto* job = jobs_.find(what.job, now_.wall_ms)) {
        const auto* lease = job->status.state == job_state::leased ? jobs_.leased(what.job) : nullptr;
        return job_value(std::make_shared<job_view>(
            view_of(*job->spec, job->status, lease ? &lease->row : nullptr, lease && lease->started, now_)));
    }
    if (auto view = flow_.view_barrier(what.job))
        return job_value(std::make_shared<job_view>(std::move(*view)));
    return fail(errc::not_found, "there is no job " + what.job);
}

job_answer job_book::apply(const job_queries::list& what) {
    later_ = job_list_read{what.what, now_};
    return job_value();
}

job_answer job_book::apply(const job_queries::queues&) {
    std::vector<queue_view> all;
    for (auto& [name, queue] : jobs_.queues()) {
        const auto& counts = queue.counts;
        queue_view view{name, counts.ready, counts.scheduled, counts.leased, counts.parked, counts.dead,
                        0,    queue.paused};
        if (counts.ready != 0)
            for (const bool in_process : {false, true})
                if (const auto* first = jobs_.line(queue, name, in_process).front())
                    if (view.oldest_ms == 0 || first->second.second < view.oldest_ms)
                        view.oldest_ms = first->second.second;
        all.push_back(std::move(view));
    }
    return job_value(std::move(all));
}

job_answer job_book::apply(const job_queries::schedules&) {
    std::vector<stored_schedule> all;
    jobs_.rows().scan(column::job_rows, keys::job_row(keys::row::schedule), [&](auto key, auto value) {
        if (auto known = decode_schedule(value))
            all.push_back({std::string(key.substr(1)), std::move(known->json), std::move(known->source),
                           known->last_fire_ms, known->fired, known->skipped, known->unfinished});
        return true;
    });
    return job_value(std::move(all));
}

}  // namespace madang
