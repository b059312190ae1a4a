// What is asked of jobs, on its way to the store and back.
#include <algorithm>

#include "actors/job_desk.hpp"
#include "broker/core/errors.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

void job_desk::touch() {
    if (!std::exchange(touched_, true)) host_.touched();
}

job_desk::timer_list::iterator job_desk::set_timer(std::int64_t ms, std::function<void()> fn) {
    touch();  // the host looks at wait() again
    return timers_.emplace(host_.now().elapsed_ms + ms, std::move(fn));
}

void job_desk::submit(job_request&& what, std::function<void(job_answer&&)> then, kind which,
                      std::optional<durability> how) {
    auto& batch = which == kind::question
                      ? questions_
                      : batches_[how.value_or(settings_.jobs_durability) == durability::synced];
    if (!batch) batch = std::make_shared<job_batch>();
    batch->requests.push_back(std::move(what));
    batch->contexts.push_back(std::move(then));
    touch();
}

void job_desk::flush() {
    touched_ = true;  // what is gathered here goes now
    tell_news();
    offer_all();
    const bool first = settings_.jobs_durability == durability::synced;
    for (const bool synced : {first, !first})
        if (auto batch = std::exchange(batches_[synced], nullptr))
            host_.submit(std::move(batch), synced ? durability::synced : durability::buffered);
    if (auto batch = std::exchange(questions_, nullptr)) host_.submit(std::move(batch), durability::buffered);
    touched_ = false;
}

void job_desk::complete(job_batch& batch, std::vector<job_answer>&& answers) {
    for (std::size_t i = 0; i < batch.contexts.size() && i < answers.size(); ++i)
        if (batch.contexts[i]) batch.contexts[i](std::move(answers[i]));
}

// ------------------------------------------------------------------------------------------- job_port

void job_desk::count_refused(const error& why) {
    if (why.code != errc::not_found) counts_.add(labelled_counter::jobs_refused, describe(why.code).name);
}

template <class Value, class Told, class Convert>
std::function<void(job_answer&&)> job_desk::answering(answer<Told> done, Convert convert) {
    return [this, done = std::move(done), convert = std::move(convert)](job_answer&& got) mutable {
        if (!got)
            refuse(done, std::move(got.error()));
        else if (auto value = convert(std::move(std::get<Value>(*got))); done)
            done(std::move(value));
    };
}

namespace {

constexpr auto as_it_is = [](auto&& value) { return std::move(value); };
constexpr auto as_size = [](std::uint64_t value) { return static_cast<std::size_t>(value); };

}  // namespace

void job_desk::enqueue(enqueue_plan&& what, std::string idempotency_key, std::optional<durability> how,
                       answer<enqueued> done) {
    const auto count = what.jobs.size();
    job_commands::enqueue command;
    command.jobs = std::move(what.jobs);
    command.barriers = std::move(what.barriers);
    command.answers = std::move(what.answers);
    command.idempotency_key = std::move(idempotency_key);
    command.now = host_.now();
    submit(std::move(command),
           answering<enqueued>(std::move(done),
                               [this, count](enqueued&& got) {
                                   if (got.repeated) return std::move(got);
                                   std::size_t doubles = 0;
                                   for (const auto& each : got.jobs) doubles += each.duplicate;
                                   counts_.add(counter::jobs_enqueued, count - std::min(count, doubles));
                                   return std::move(got);
                               }),
           kind::change, how);
}

void job_desk::cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done) {
    submit(job_commands::cancel{std::move(ids), std::move(reason), host_.now()},
           answering<std::uint64_t>(std::move(done), as_size));
}

void job_desk::list(job_filter what, answer<job_page> done) {
    submit(job_queries::list{std::move(what)},
           answering<job_page>(std::move(done),
                               [this](job_page&& page) {
                                   for (auto& each : page.jobs) overlay(each);
                                   return std::move(page);
                               }),
           kind::question);
}

void job_desk::requeue(std::vector<std::string> ids, answer<std::size_t> done) {
    submit(job_commands::requeue{std::move(ids), host_.now()},
           answering<std::uint64_t>(std::move(done), as_size));
}

void job_desk::discard(std::vector<std::string> ids, answer<std::size_t> done) {
    submit(job_commands::discard{std::move(ids), host_.now()},
           answering<std::uint64_t>(std::move(done), as_size));
}

void job_desk::queues(answer<std::vector<queue_view>> done) {
    submit(job_queries::queues{}, answering<std::vector<queue_view>>(std::move(done), as_it_is),
           kind::question);
}

void job_desk::pause(std::string queue, bool paused, answer<bool> done) {
    submit(job_commands::pause{std::move(queue), paused}, answering<bool>(std::move(done), as_it_is));
}

void job_desk::purge(std::string queue, answer<std::size_t> done) {
    submit(job_commands::purge{std::move(queue), host_.now()},
           answering<std::uint64_t>(std::move(done), as_size));
}

// ------------------------------------------------------------------------------------------- find

void job_desk::find(std::string id, std::chrono::milliseconds wait, answer<job_view> done) {
    auto who = std::make_shared<waiter>();
    who->done = std::move(done);
    const auto longest = std::min(wait, settings_.job_wait_timeout).count();
    if (longest > 0) {
        who->until_ms = host_.now().elapsed_ms + longest;
        waiters_.emplace(id, who);
        who->timer = set_timer(longest, [this, id, weak = std::weak_ptr(who)] {
            const auto late = weak.lock();
            if (!late) return;
            late->timer.reset();
            late->until_ms = 0;
            if (!late->asking) ask_waiter(id, late);
        });
    }
    ask_waiter(id, who);
}

void job_desk::ask_waiter(const std::string& id, const std::shared_ptr<waiter>& who) {
    who->asking = true;
    submit(
        job_queries::find{id},
        [this, id, who](job_answer&& found) { answer_waiter(id, who, std::move(found)); }, kind::question);
}

void job_desk::answer_waiter(const std::string& id, const std::shared_ptr<waiter>& who, job_answer&& found) {
    who->asking = false;
    if (found && !is_over(std::get<std::shared_ptr<job_view>>(*found)->state) && who->until_ms != 0) {
        // It ended while the answer was on its way: what it became is asked for.
        if (std::exchange(who->over, false)) ask_waiter(id, who);
        return;
    }
    if (who->timer) timers_.erase(*std::exchange(who->timer, std::nullopt));
    const auto [first, last] = waiters_.equal_range(id);
    for (auto each = first; each != last; ++each)
        if (each->second == who) {
            waiters_.erase(each);
            break;
        }
    if (!found) return refuse(who->done, found.error());
    auto& view = *std::get<std::shared_ptr<job_view>>(*found);
    overlay(view);
    if (who->done) who->done(std::move(view));
}

void job_desk::job_over(const std::string& id) {
    const auto [first, last] = waiters_.equal_range(id);
    for (auto each = first; each != last; ++each) {
        each->second->over = true;
        if (!each->second->asking) {
            each->second->over = false;
            ask_waiter(id, each->second);
        }
    }
}

// What only the desk knows of a job that runs.
void job_desk::overlay(job_view& into) const {
    if (into.state != job_state::leased) return;
    for (const auto& [token, each] : leases_) {
        if (each.job != into.spec.id) continue;
        into.started = into.started || each.began;
        into.progress = each.progress;
        return;
    }
}

}  // namespace madang
