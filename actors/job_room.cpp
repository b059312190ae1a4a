#include <algorithm>

#include "actors/job_carrier_impl.hpp"
#include "actors/job_room_impl.hpp"
#include "actors/job_worker_actor_impl.hpp"
#include "broker/core/log.hpp"
#include "broker/core/utf8.hpp"
#include "broker/core/working_for.hpp"
#include "monitoring/metrics.hpp"
#include "storage/store.hpp"

namespace madang {

job_room::job_room(parts with)
    : parts_(std::move(with)),
      desk_(*this, parts_.settings, parts_.with, parts_.on.metrics()),
      timer_(parts_.on.context()) {
    if (!parts_.settings.cluster_listen.empty()) {
        mesh_ = std::make_unique<job_mesh>(*this, parts_.ports.jobs, parts_.shown);
        desk_.serve(job_desk::serving::no);
    }
}

job_room::~job_room() = default;

template <class Function>
void job_room::contained(Function fn) {
    try {
        fn();
    } catch (const std::exception& e) {
        on().metrics().add(labelled_counter::actor_restarts, "jobs");
        log_error("jobs.failed", {{"what", e.what()}});
    }
}

void job_room::start(std::vector<standing_schedule> schedules, job_threads* threads,
                     std::uint32_t thread_count) {
    threads_ = threads;
    contained([&] { desk_.start(std::move(schedules)); });
    if (threads != nullptr) {
        link::hello who;
        who.name = in_process_name;
        who.concurrency = thread_count;
        who.prefetch = job_threads::prefetch;
        desk_.arrived(threads_id, std::move(who), job_desk::where::in_process);
    }
    arm();
}

void job_room::take_inbox() {
    parts_.inbox->take(taken_);
    for (auto& each : taken_.calls) contained([&] { each(desk_); });
    for (auto& each : taken_.words) contained([&] { desk_.said(threads_id, std::move(each)); });
    taken_.calls.clear();
    taken_.words.clear();
}

void job_room::mail_came(std::uint64_t peer, std::uint64_t link, const std::string& bytes) {
    if (mesh_ && !closed_) contained([&] { mesh_->mail_came(peer, link, bytes); });
}

void job_room::flush() {
    if (closed_) return;
    if (mesh_) contained([&] { mesh_->look(); });
    contained([&] { desk_.flush(); });
    if (!to_threads_.empty()) threads_->run(to_threads_);
    show();
    arm();
}

// What other threads look at.
void job_room::show() {
    if (carrier_) {
        parts_.shown.to_move.store(mesh_->is_here() ? 0 : carrier_->left(), std::memory_order_relaxed);
        parts_.shown.moved.store(carrier_->moved(), std::memory_order_relaxed);
        parts_.shown.handed_over.store(mesh_->is_there() && carrier_->is_done(), std::memory_order_relaxed);
    }
    if (!draining_) return;
    // In a cluster not before another node has the jobs, where there is one to have them.
    const bool relieved = !carrier_ || (mesh_->is_relieved() && !mesh_->has_workers() &&
                                        (!mesh_->is_there() || carrier_->is_done()));
    drained_.store(desk_.running() == 0 && relieved, std::memory_order_relaxed);
}

job_move_port& job_room::mover(const std::string& own_name) {
    carrier_ = std::make_unique<job_carrier>(*this, own_name);
    return *carrier_;
}

void job_room::arm() {
    auto wait = desk_.wait();
    if (carrier_) wait = std::min(wait, carrier_->wait());
    const auto due = loop::clock::now() + wait;
    if (due >= armed_ || closed_) return;
    armed_ = due;
    timer_.expires_at(due);
    timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;  // armed anew for an earlier time, or the end
        armed_ = loop::clock::time_point::max();
        contained([&] {
            if (mesh_) mesh_->look();
            if (carrier_) carrier_->tick();
            desk_.tick();
        });
        arm();
    });
}

void job_room::begin_drain() {
    draining_ = true;
    contained([&] { desk_.drain(); });
    if (mesh_) mesh_->begin_drain();
    touched();
}

void job_room::close() {
    take_inbox();
    flush();  // what was said goes to the store
    closed_ = true;
    timer_.cancel();
    if (mesh_) mesh_->close();
    while (!workers_.empty()) workers_.begin()->second.at->close();
}

// ------------------------------------------------------------------------------------------- workers

void job_room::came(int fd) {
    auto wire = std::make_unique<worker_socket>(on(), fd);
    if (!mesh_ || mesh_->is_here())
        open(std::move(wire), job_desk::where::process);
    else
        mesh_->take(std::move(wire), false);
}

// It does not end with this server: it goes to another node.
void job_room::joined(int fd) {
    auto wire = std::make_unique<worker_socket>(on(), fd);
    if (!mesh_ || mesh_->is_here())
        open(std::move(wire), job_desk::where::other_node);
    else
        mesh_->take(std::move(wire), true);
}

std::uint64_t job_room::open(std::unique_ptr<worker_wire> wire, job_desk::where from) {
    const auto id = ++last_worker_;
    caf::actor_config config{&on()};
    auto who = on().system().spawn_class<job_worker_actor, caf::no_spawn_options>(config, *this, id,
                                                                                  std::move(wire), from);
    auto* const made = static_cast<job_worker_actor*>(caf::actor_cast<caf::abstract_actor*>(who));
    workers_.emplace(id, known_worker{std::move(who), made});
    made->begin();
    return id;
}

void job_room::remove(std::uint64_t id) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    // It may be this actor that asks: it goes when the loop has nothing of it on its stack.
    on().post([last = std::move(found->second.who)] {});
    workers_.erase(found);
    if (!closed_) contained([&] { desk_.gone(id); });
}

void job_room::call(std::uint64_t worker, link::call&& what) {
    const auto* job = desk_.job_of(what.token);
    const origin_source whose(job != nullptr ? std::string_view(job->correlation_id) : std::string_view());
    const working_for mine(whose);
    const traced_work attempt(job != nullptr ? attempt_of(on().tracing(), job->correlation_id, what.token)
                                             : work_trace{});
    answer_call(parts_.ports, std::move(what), job,
                [this, inbox = parts_.inbox, worker](link::answer&& answer) {
                    inbox->put([this, worker, answer = std::move(answer)](job_desk&) mutable {
                        tell(worker, std::move(answer));
                    });
                });
}

void job_room::run(std::uint64_t worker, job_assignment&& what) {
    if (worker == threads_id) {
        to_threads_.push_back(std::move(what));
        touched();
    } else if (const auto found = workers_.find(worker); found != workers_.end()) {
        found->second.at->run(std::move(what));
    }
}

void job_room::tell(std::uint64_t worker, link::from_server&& what) {
    if (worker == threads_id) {
        if (threads_ != nullptr && !std::holds_alternative<link::told>(what)) threads_->tell(what);
    } else if (const auto found = workers_.find(worker); found != workers_.end()) {
        found->second.at->tell(what);
    }
}

void job_room::drop(std::uint64_t worker) {
    if (const auto found = workers_.find(worker); found != workers_.end()) found->second.at->close();
}

// ------------------------------------------------------------------------------------------- store, groups

void job_room::submit(std::shared_ptr<job_batch> what, durability how) {
    parts_.kept.submit_jobs(
        std::move(what->requests), how, [inbox = parts_.inbox, what](std::vector<job_answer> answers) {
            auto all = std::make_shared<std::vector<job_answer>>(std::move(answers));
            inbox->put([what, all](job_desk& desk) { desk.complete(*what, std::move(*all)); });
        });
}

void job_room::publish(const std::string& group, std::string data, std::string key,
                       std::function<void(result<void>)> done) {
    publish_request asked;
    asked.group = group;
    asked.data = payload::copy_of(data);
    asked.idempotency_key = std::move(key);
    parts_.ports.streams.publish(std::move(asked), [inbox = parts_.inbox,
                                                    done = std::move(done)](result<position> got) {
        inbox->put([done, how = got ? result<void>{} : result<void>{got.error()}](job_desk&) { done(how); });
    });
}

void job_room::ran(const job_spec& what, const link::ended& how) {
    auto* by = on().tracing();
    if (by == nullptr || how.what == link::ended::outcome::handed_back) return;
    const auto from = split_origin(what.correlation_id);
    if (!from.trace || !from.trace->sampled()) return;
    span made;
    made.at = attempt_of(by, what.correlation_id, how.token).at;
    made.parent = from.trace->span;
    made.kind = span_kind::consumer;
    made.name = "run " + what.task;
    made.end_ns = by->now_ns();
    made.begin_ns = made.end_ns - static_cast<std::int64_t>(how.run_us) * 1000;
    made.failed = how.what != link::ended::outcome::success && how.what != link::ended::outcome::ignore;
    if (made.failed)
        made.why = how.error.type + ": " + std::string(cut_utf8(how.error.message, open_span::most_text));
    made.attributes.emplace_back("messaging.system", "madang");
    made.attributes.emplace_back("messaging.destination.name", what.queue);
    made.attributes.emplace_back("madang.job.id", what.id);
    made.attributes.emplace_back("madang.job.task", what.task);
    made.attributes.emplace_back("madang.job.cpu_us", static_cast<std::int64_t>(how.cpu_us));
    made.attributes.emplace_back("madang.request_id", std::string(from.request_id));
    by->record(std::move(made));
}

void job_room::queues_are(std::vector<queue_view>&& all) {
    const std::lock_guard lock(figures_mutex_);
    figures_ = std::move(all);
}

std::vector<queue_view> job_room::queues_seen() const {
    const std::lock_guard lock(figures_mutex_);
    return figures_;
}

}  // namespace madang
