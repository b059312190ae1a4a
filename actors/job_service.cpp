#include "actors/job_service.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <caf/all.hpp>
#include <filesystem>
#include <optional>
#include <thread>

#include "actors/job_clock.hpp"
#include "actors/job_inbox_impl.hpp"
#include "actors/job_listener_impl.hpp"
#include "actors/job_room_impl.hpp"
#include "actors/job_threads.hpp"
#include "broker/core/request_id.hpp"
#include "broker/core/working_for.hpp"
#include "broker/jobs/call_codec.hpp"
#include "monitoring/metrics.hpp"
#include "storage/store.hpp"

namespace madang {
namespace {

// A UUID of version 7, each greater than the one before it, by a counter of 12 bits behind the milliseconds
// that runs over into them (RFC 9562 5.7 and 6.2): what is written in the order of its keys costs the store
// least.
std::string make_job_id() {
    static std::atomic<std::uint64_t> last{0};
    auto before = last.load(std::memory_order_relaxed);
    std::uint64_t number;
    do number = std::max(static_cast<std::uint64_t>(unix_ms()) << 12, before + 1);
    while (!last.compare_exchange_weak(before, number, std::memory_order_relaxed));
    const auto random = make_request_id();
    constexpr char digits[] = "0123456789abcdef";
    std::string id(36, '-');
    for (std::size_t i = 18; i-- > 0;) {
        if (i == 14 || i == 13 || i == 8) continue;
        id[i] = digits[number & 15];
        number >>= 4;
    }
    for (std::size_t i = 19; i < id.size(); ++i)
        if (i != 23) id[i] = random[i - 19];
    id[14] = '7';
    id[19] = digits[8 | (static_cast<unsigned>(random[31]) & 3)];
    return id;
}

std::size_t bytes_of(const enqueue_plan& plan) {
    std::size_t bytes = 0;
    for (const auto& each : plan.jobs)
        bytes += sizeof(job_spec) + each->args.size() + each->kwargs.size() + each->headers.size();
    return bytes;
}

// A span of what is enqueued, which its jobs are children of; it ends with the answer.
job_port::answer<enqueued> traced(const work_trace& work, enqueue_request& what,
                                  job_port::answer<enqueued> done) {
    const auto span = std::make_shared<open_span>(work, span_kind::producer, "enqueue");
    const std::string request_id(request_id_of(what.correlation_id));
    what.correlation_id = make_origin(request_id, span->work().at);
    span->set("messaging.system", "madang");
    span->set("madang.request_id", request_id);
    if (!what.parent.empty()) span->set("madang.job.parent", what.parent);
    return [span, done = std::move(done)](result<enqueued> got) {
        if (!got)
            span->fail(got.error().text());
        else if (!got->jobs.empty())
            span->set("madang.job.id", got->jobs.front().id);
        span->end();
        if (done) done(std::move(got));
    };
}

struct descriptor {
    explicit descriptor(int which) : fd(which) {}
    ~descriptor() {
        if (fd >= 0) ::close(fd);
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    int fd;
};

std::string socket_path(const options& settings) {
    if (!settings.worker_socket.empty()) return settings.worker_socket;
    if (settings.data_dir != "none") return settings.data_dir + "/workers.sock";
    return (std::filesystem::temp_directory_path() / ("madang-" + std::to_string(::getpid()) + ".sock"))
        .string();
}

}  // namespace

struct job_service::state {
    explicit state(parts with)
        : with(std::move(with)),
          on(this->with.system, static_cast<std::size_t>(-1), this->with.counts.new_shard(),
             this->with.settings),
          listener(on) {
        if (!this->with.settings.cluster_listen.empty()) shown.standing = job_standing::nowhere;
    }

    template <class T>
    void ask(answer<T>& done, job_inbox::call what) {
        if (inbox->put(std::move(what))) return;
        if (done) done(fail(errc::busy));
    }
    // Whether it is to be asked here; otherwise `done` is, or will be, told.
    template <class Value>
    bool is_here(job_verb what, answer<Value>& done, const auto& body_of) {
        const auto standing = shown.standing.load(std::memory_order_relaxed);
        if (standing == job_standing::here) return true;
        if (standing == job_standing::held && (is_question(what) || shown.has_quorum())) return true;
        forward<Value>(what, done, link::to_body(body_of()));
        return false;
    }
    template <class Value>
    void forward(job_verb what, answer<Value>& done, std::string body) {
        const auto refuse = [&](errc why) {
            on.metrics().add(labelled_counter::jobs_refused, describe(why).name);
            if (done) done(fail(why));
        };
        if (!started) return refuse(errc::busy);
        if (!is_question(what) && shown.standing.load(std::memory_order_relaxed) == job_standing::held)
            return refuse(errc::no_quorum);
        const auto bytes = body.size();
        if (waiting_bytes.fetch_add(bytes, std::memory_order_relaxed) > with.settings.store_queue_bytes) {
            waiting_bytes.fetch_sub(bytes, std::memory_order_relaxed);
            return refuse(errc::busy);
        }
        job_away::tell told = [this, bytes, hear = hearing<Value>(done)](std::uint32_t code,
                                                                         std::string answer) {
            waiting_bytes.fetch_sub(bytes, std::memory_order_relaxed);
            hear(code, std::move(answer));
        };
        ask(done, [this, what, body = std::move(body), told = std::move(told)](job_desk&) mutable {
            room->mesh()->forward(what, std::move(body), std::move(told));
        });
    }
    std::vector<metrics::labelled_value> depths() const;
    std::vector<metrics::labelled_value> ages() const;
    template <class Function>
    void each_queue(Function fn) const;

    const parts with;
    asio_loop on;
    const std::shared_ptr<job_inbox> inbox = std::make_shared<job_inbox>();
    job_listener listener;
    std::string socket, cookie;
    const task_table* tasks = nullptr;
    std::optional<planning> plans;
    std::optional<job_clock> clock;
    std::atomic<std::size_t> waiting_bytes{0};  // of enqueues, and of what others are asked, not answered
    job_mesh_state shown;
    std::unique_ptr<job_threads> threads;
    std::unique_ptr<job_room> room;
    caf::actor actor;
    std::thread thread;
    std::atomic<bool> started{false};
    bool lets_workers_in = false;  // the jobs' loop's: what they hold is known
};

job_service::job_service(parts with) : state_(std::make_unique<state>(std::move(with))) {}

job_service::~job_service() {
    stop(std::chrono::hours{1});
    auto& s = *state_;
    s.actor = nullptr;
    while (s.on.release_ready()) {
    }
}

result<void> job_service::start(store& kept, const task_table& tasks,
                                std::vector<standing_schedule> schedules) {
    auto& s = *state_;
    const auto& settings = s.with.settings;
    auto routes = parse_job_routes(settings.job_routes);
    if (!routes) return routes.error();
    s.socket = socket_path(settings);
    s.cookie = make_request_id() + make_request_id();
    if (auto good = s.listener.open_at(s.socket, s.cookie); !good) return good;
    s.tasks = &tasks;
    s.plans.emplace(planning{.tasks = tasks,
                             .routes = std::move(*routes),
                             .args_bytes = settings.job_args_bytes,
                             .bulk = settings.job_bulk,
                             .delay_ms = settings.job_delay_limit.count(),
                             .result_ms = settings.job_result_ttl.count(),
                             .new_id = make_job_id});
    s.clock.emplace(s.with.clock, kept.jobs_elapsed_ms());
    s.room = std::make_unique<job_room>(job_room::parts{.on = s.on,
                                                        .settings = settings,
                                                        .clock = *s.clock,
                                                        .with = *s.plans,
                                                        .kept = kept,
                                                        .ports = {s.with.layer, s.with.streams, *this},
                                                        .inbox = s.inbox,
                                                        .node = s.with.node,
                                                        .cookie = s.cookie,
                                                        .shown = s.shown});
    caf::actor_config config{&s.on};
    s.actor = s.with.system.spawn_class<job_actor, caf::no_spawn_options>(config, *s.room);
    s.inbox->open(s.actor);

    const auto all = tasks.all();
    const auto count = settings.in_process_threads != 0 ? settings.in_process_threads
                                                        : std::max(1u, std::thread::hardware_concurrency());
    if (std::any_of(all.begin(), all.end(), [](const auto& each) { return each.in_process; }))
        s.threads = std::make_unique<job_threads>(
            tasks, s.with.clock, count,
            [inbox = s.inbox](std::vector<link::from_worker>& words) { inbox->put(words); }, s.on.tracing());
    s.with.counts.set_gauge(labelled_gauge::job_queue_depth, [&s] { return s.depths(); });
    s.with.counts.set_gauge(labelled_gauge::job_queue_oldest, [&s] { return s.ages(); });
    if (s.room->mesh() != nullptr) {
        s.with.counts.set_gauge(gauge::job_home, [&s] {
            return s.shown.standing.load(std::memory_order_relaxed) == job_standing::here ? 1.0 : 0.0;
        });
        s.with.counts.set_gauge(gauge::jobs_to_move, [&s] {
            return static_cast<double>(s.shown.to_move.load(std::memory_order_relaxed));
        });
        s.with.counts.set_counter(counter::jobs_moved, [&s] {
            return static_cast<double>(s.shown.moved.load(std::memory_order_relaxed));
        });
        s.with.counts.set_gauge(gauge::job_calls_away, [&s] {
            return static_cast<double>(s.shown.away.load(std::memory_order_relaxed));
        });
    }
    s.on.post([&s, count, schedules = std::move(schedules)]() mutable {
        s.room->start(std::move(schedules), s.threads.get(), count);
    });
    // Workers that come back claim their leases: they are let in once those are known.
    kept.watch_jobs([&s, inbox = s.inbox, first = true](job_effects&& what) mutable {
        auto all = std::make_shared<job_effects>(std::move(what));
        if (std::exchange(first, false))
            inbox->put([&s, all](job_desk& desk) {
                desk.see(std::move(*all));
                s.on.post([&s] {
                    s.listener.start(*s.room);
                    s.lets_workers_in = true;
                });
            });
        else
            inbox->put([all](job_desk& desk) { desk.see(std::move(*all)); });
    });
    s.thread = std::thread([&s] { s.on.run(); });
    s.started = true;
    return {};
}

void job_service::trace_by(tracer* who) noexcept { state_->on.trace_by(who); }

const std::string& job_service::worker_socket() const noexcept { return state_->socket; }
const std::string& job_service::cookie() const noexcept { return state_->cookie; }

// ------------------------------------------------------------------------------------------- cluster

void job_service::routes_changed(std::shared_ptr<const cluster_routes> now) {
    auto& s = *state_;
    s.inbox->put([&s, now = std::move(now)](job_desk&) {
        if (s.room->mesh() != nullptr) s.room->mesh()->routes_changed(now);
    });
}

void job_service::quorum_until(std::chrono::steady_clock::time_point when) {
    auto& s = *state_;
    const bool before = s.shown.has_quorum();
    s.shown.quorum_until.store(when.time_since_epoch().count(), std::memory_order_relaxed);
    if (before != s.shown.has_quorum())
        s.inbox->put([&s](job_desk&) {
            if (s.room->mesh() != nullptr) s.room->mesh()->look();
        });
}

bool job_service::has_quorum() const noexcept { return state_->shown.has_quorum(); }
bool job_service::serves() const noexcept {
    return state_->shown.standing.load(std::memory_order_relaxed) == job_standing::here;
}
std::uint64_t job_service::to_move() const noexcept {
    return state_->shown.to_move.load(std::memory_order_relaxed);
}
bool job_service::handed_over() const noexcept {
    return state_->shown.handed_over.load(std::memory_order_relaxed);
}
void job_service::worker_came(int fd) {
    auto& s = *state_;
    const auto owned = std::make_shared<descriptor>(fd);
    s.inbox->put([&s, owned](job_desk&) {
        if (s.lets_workers_in) s.room->joined(std::exchange(owned->fd, -1));
    });
}

void job_service::adopt(std::string node, std::string word, std::function<void(result<std::string>)> done) {
    auto& s = *state_;
    if (word.size() > adopter_word_limit)
        return done(
            fail(errc::bad_request, "a word is at most " + std::to_string(adopter_word_limit) + " bytes"));
    if (!s.started) return done(fail(errc::busy, "the server starts, or stops"));
    if (s.room->mesh() == nullptr) return done(fail(errc::not_available, "this server is in no cluster"));
    s.ask(done, [&s, node = std::move(node), word = std::move(word), done](job_desk&) mutable {
        s.room->mesh()->adopt(node, std::move(word), std::move(done));
    });
}
std::vector<caf::actor> job_service::actors() const {
    return state_->actor ? std::vector<caf::actor>{state_->actor} : std::vector<caf::actor>();
}

// ------------------------------------------------------------------------------------------- the end

void job_service::begin_drain() {
    auto& s = *state_;
    if (s.started) s.on.post([&s] { s.room->begin_drain(); });
}

bool job_service::drained() const { return !state_->started || state_->room->drained(); }

bool job_service::stop(std::chrono::milliseconds deadline) {
    auto& s = *state_;
    if (!s.started.exchange(false)) return true;
    const auto until = std::chrono::steady_clock::now() + deadline;
    const bool ended = !s.threads || s.threads->stop(deadline);
    if (!ended) return false;
    s.with.counts.set_gauge(gauge::job_home, {});
    s.with.counts.set_gauge(gauge::job_calls_away, {});
    s.with.counts.set_gauge(gauge::jobs_to_move, {});
    s.with.counts.set_counter(counter::jobs_moved, {});
    s.with.counts.set_gauge(labelled_gauge::job_queue_depth, {});
    s.with.counts.set_gauge(labelled_gauge::job_queue_oldest, {});
    s.on.post([&s] {
        s.listener.close();
        s.lets_workers_in = false;
        s.room->close();
    });
    // Other nodes' proxies of it hold it otherwise.
    caf::anon_send_exit(s.actor, caf::exit_reason::user_shutdown);
    s.on.stop();
    s.thread.join();
    s.inbox->close();
    return std::chrono::steady_clock::now() <= until;
}

// ------------------------------------------------------------------------------------------- figures

// fn(name, view), at most --job-queue-metrics times with a name of their own; the rest are "other".
template <class Function>
void job_service::state::each_queue(Function fn) const {
    const auto all = room->queues_seen();
    queue_view other;
    other.name = "other";
    const std::size_t named = with.settings.job_queue_metrics;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i < named) {
            fn(all[i]);
            continue;
        }
        other.ready += all[i].ready;
        other.scheduled += all[i].scheduled;
        other.leased += all[i].leased;
        other.parked += all[i].parked;
        other.dead += all[i].dead;
        if (all[i].oldest_ms != 0 && (other.oldest_ms == 0 || all[i].oldest_ms < other.oldest_ms))
            other.oldest_ms = all[i].oldest_ms;
    }
    if (all.size() > named) fn(other);
}

std::vector<metrics::labelled_value> job_service::state::depths() const {
    std::vector<metrics::labelled_value> values;
    each_queue([&](const queue_view& each) {
        for (const auto& [name, count] :
             {std::pair{"ready", each.ready}, std::pair{"scheduled", each.scheduled},
              std::pair{"leased", each.leased}, std::pair{"parked", each.parked},
              std::pair{"dead", each.dead}})
            values.push_back({each.name, name, static_cast<double>(count)});
    });
    return values;
}

std::vector<metrics::labelled_value> job_service::state::ages() const {
    std::vector<metrics::labelled_value> values;
    const auto now = clock->now().wall_ms;
    each_queue([&](const queue_view& each) {
        const auto age = each.oldest_ms == 0 ? 0 : std::max<std::int64_t>(0, now - each.oldest_ms);
        values.push_back({each.name, "", static_cast<double>(age) / 1000});
    });
    return values;
}

// ------------------------------------------------------------------------------------------- job_port

void job_service::enqueue(enqueue_request what, answer<enqueued> done) {
    auto& s = *state_;
    const auto refuse = [&](error why) {
        s.on.metrics().add(labelled_counter::jobs_refused, describe(why.code).name);
        if (done) done(std::move(why));
    };
    if (!s.started) return refuse(fail(errc::busy));
    if (const auto work = working_for::trace(); work.sampled()) done = traced(work, what, std::move(done));
    if (!s.is_here(job_verb::enqueue, done, [&] { return what; })) return;
    auto planned = plan_enqueue(what, s.clock->now().wall_ms, *s.plans);
    if (!planned) return refuse(planned.error());
    const auto bytes = bytes_of(*planned);
    if (s.waiting_bytes.fetch_add(bytes, std::memory_order_relaxed) > s.with.settings.store_queue_bytes) {
        s.waiting_bytes.fetch_sub(bytes, std::memory_order_relaxed);
        return refuse(fail(errc::busy));
    }
    auto plan = std::make_shared<enqueue_plan>(std::move(*planned));
    s.ask(done, [&s, plan, bytes, key = std::move(what.idempotency_key), how = what.how,
                 done](job_desk& desk) mutable {
        desk.enqueue(std::move(*plan), std::move(key), how, [&s, bytes, done](result<enqueued> got) {
            s.waiting_bytes.fetch_sub(bytes, std::memory_order_relaxed);
            if (done) done(std::move(got));
        });
    });
}

void job_service::cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done) {
    if (!state_->is_here(job_verb::cancel, done, [&] { return link::cancel_call{ids, reason}; })) return;
    state_->ask(done, [ids = std::move(ids), reason = std::move(reason), done](job_desk& desk) mutable {
        desk.cancel(std::move(ids), std::move(reason), std::move(done));
    });
}

void job_service::find(std::string id, std::chrono::milliseconds wait, answer<job_view> done) {
    if (!state_->is_here(job_verb::find, done, [&] { return link::find_call{id, wait}; })) return;
    state_->ask(done, [id = std::move(id), wait, done](job_desk& desk) mutable {
        desk.find(std::move(id), wait, std::move(done));
    });
}

void job_service::list(job_filter what, answer<job_page> done) {
    if (!state_->is_here(job_verb::list, done, [&] { return what; })) return;
    state_->ask(done, [what = std::move(what), done](job_desk& desk) mutable {
        desk.list(std::move(what), std::move(done));
    });
}

void job_service::requeue(std::vector<std::string> ids, answer<std::size_t> done) {
    if (!state_->is_here(job_verb::requeue, done, [&] { return ids; })) return;
    state_->ask(done, [ids = std::move(ids), done](job_desk& desk) mutable {
        desk.requeue(std::move(ids), std::move(done));
    });
}

void job_service::discard(std::vector<std::string> ids, answer<std::size_t> done) {
    if (!state_->is_here(job_verb::discard, done, [&] { return ids; })) return;
    state_->ask(done, [ids = std::move(ids), done](job_desk& desk) mutable {
        desk.discard(std::move(ids), std::move(done));
    });
}

void job_service::queues(answer<std::vector<queue_view>> done) {
    if (!state_->is_here(job_verb::queues, done, [] { return link::nothing(); })) return;
    state_->ask(done, [done](job_desk& desk) mutable { desk.queues(std::move(done)); });
}

void job_service::pause(std::string queue, bool paused, answer<bool> done) {
    if (!state_->is_here(job_verb::pause, done, [&] { return link::pause_call{queue, paused}; })) return;
    state_->ask(done, [queue = std::move(queue), paused, done](job_desk& desk) mutable {
        desk.pause(std::move(queue), paused, std::move(done));
    });
}

void job_service::purge(std::string queue, answer<std::size_t> done) {
    if (!state_->is_here(job_verb::purge, done, [&] { return queue; })) return;
    state_->ask(done, [queue = std::move(queue), done](job_desk& desk) mutable {
        desk.purge(std::move(queue), std::move(done));
    });
}

void job_service::workers(answer<std::vector<worker_view>> done) {
    if (!state_->is_here(job_verb::workers, done, [] { return link::nothing(); })) return;
    state_->ask(done, [done](job_desk& desk) { desk.workers(done); });
}

void job_service::tasks(answer<std::vector<task_options>> done) {
    if (done) done(state_->tasks == nullptr ? std::vector<task_options>{} : state_->tasks->all());
}

void job_service::schedules(answer<std::vector<schedule_view>> done) {
    if (!state_->is_here(job_verb::schedules, done, [] { return link::nothing(); })) return;
    state_->ask(done, [done](job_desk& desk) mutable { desk.schedules(std::move(done)); });
}

void job_service::put_schedule(std::string name, std::string json, answer<schedule_view> done) {
    if (!state_->is_here(job_verb::put_schedule, done, [&] { return link::put_schedule_call{name, json}; }))
        return;
    state_->ask(done, [name = std::move(name), json = std::move(json), done](job_desk& desk) mutable {
        desk.put_schedule(std::move(name), std::move(json), "api", std::move(done));
    });
}

void job_service::remove_schedule(std::string name, answer<bool> done) {
    if (!state_->is_here(job_verb::remove_schedule, done, [&] { return name; })) return;
    state_->ask(done, [name = std::move(name), done](job_desk& desk) mutable {
        desk.remove_schedule(std::move(name), std::move(done));
    });
}

void job_service::next_fires(std::string name, std::string json, std::size_t count,
                             answer<std::vector<std::int64_t>> done) {
    if (!state_->is_here(job_verb::next_fires, done, [&] {
            return link::next_fires_call{name, json, count};
        }))
        return;
    state_->ask(done, [name = std::move(name), json = std::move(json), count, done](job_desk& desk) mutable {
        desk.next_fires(std::move(name), std::move(json), count, std::move(done));
    });
}

}  // namespace madang
