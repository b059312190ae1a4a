// The server's side of jobs, between those who ask for them and those who run them on the one side and the
// store on the other. No actors, no sockets, no clock.
//
//   enqueue --turn's end--> the store: assigns to offers, commits --effects--> workers
//   a worker's `ended` -> judged -> the store --answer--> told
//
// What a worker said of a job's end is kept here until the store has it: a store that refuses is asked again.
// Whether a lease lives is decided here (a worker that closed its connection or fell silent loses what it
// has); that no token is honoured twice is the store's.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/core/jobs.hpp"
#include "broker/core/options.hpp"
#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/scheduler_core.hpp"
#include "broker/jobs/worker_link.hpp"
#include "storage/job_command.hpp"

namespace madang {

class metrics_shard;

// What was submitted together, until its answers come.
struct job_batch {
    std::vector<job_request> requests;                        // moved to the store
    std::vector<std::function<void(job_answer&&)>> contexts;  // one per request; null: nobody waits
};

// Workers that do not outlive the server: its own threads, and the worker process that it started. No other
// may have these names.
inline constexpr std::string_view in_process_name = "in-process";
inline constexpr std::string_view own_worker_name = "own";

class job_desk_host {
  public:
    // job_desk::complete with the answers, later, on this thread.
    virtual void submit(std::shared_ptr<job_batch> what, durability how) = 0;
    virtual void run(std::uint64_t worker, job_assignment&& what) = 0;
    virtual void tell(std::uint64_t worker, link::from_server&& what) = 0;
    // Silent too long: its connection is closed. job_desk::gone() was done already.
    virtual void drop(std::uint64_t worker) = 0;
    // `done` later, on this thread, with whether it was accepted.
    virtual void publish(const std::string& group, std::string data, std::string key,
                         std::function<void(result<void>)> done) = 0;
    virtual void queues_are(std::vector<queue_view>&& all) = 0;  // for the metrics
    virtual void touched() = 0;                                  // flush() at the turn's end
    virtual job_time now() const = 0;
    virtual double dice() = 0;  // uniform in [0, 1)
    // A worker says that this attempt has just ended.
    virtual void ran(const job_spec&, const link::ended&) {}

  protected:
    ~job_desk_host() = default;
};

// A schedule of the configuration file or a plugin.
struct standing_schedule {
    std::string name;
    std::string json;
    std::string source;  // "config", "plugin:ID"; the former is stronger
};

// One thread.
class job_desk {
  public:
    template <class T>
    using answer = job_port::answer<T>;

    // All outlive it.
    job_desk(job_desk_host& host, const options& settings, const planning& with, metrics_shard& counts);
    ~job_desk();

    // Before anything else but see() and serve(): the schedules that there are while it serves.
    void start(std::vector<standing_schedule> declared);

    // Whether the jobs that are here are given to workers and schedules fire: yes, until somebody says
    // otherwise. held: nothing is begun for now, who runs something goes on. no: another node keeps the jobs
    // from now on; its workers are dropped and keep what they run, to claim it where it is by then.
    enum class serving : std::uint8_t { yes, held, no };
    // resumed: what was due while nobody served is made good as after a restart. taken_over: another may have
    // fired the schedules until now, so they go on from now.
    enum class tenure : std::uint8_t { resumed, taken_over };
    void serve(serving now, tenure how = tenure::resumed);
    // The schedules that are stored may be others than before.
    void reload_schedules() {
        if (serving_ != serving::no) load_schedules(tenure::resumed);
    }

    // -- What was asked: job_port, in the same order.
    void enqueue(enqueue_plan&& what, std::string idempotency_key, std::optional<durability> how,
                 answer<enqueued> done);
    void cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done);
    void find(std::string id, std::chrono::milliseconds wait, answer<job_view> done);
    void list(job_filter what, answer<job_page> done);
    void requeue(std::vector<std::string> ids, answer<std::size_t> done);
    void discard(std::vector<std::string> ids, answer<std::size_t> done);
    void queues(answer<std::vector<queue_view>> done);
    void pause(std::string queue, bool paused, answer<bool> done);
    void purge(std::string queue, answer<std::size_t> done);
    void workers(const answer<std::vector<worker_view>>& done) const;
    void schedules(answer<std::vector<schedule_view>> done);
    void put_schedule(std::string name, std::string json, std::string source, answer<schedule_view> done);
    void remove_schedule(std::string name, answer<bool> done);
    void next_fires(std::string name, std::string json, std::size_t count,
                    answer<std::vector<std::int64_t>> done);

    // -- Workers
    enum class where : std::uint8_t { process, in_process, other_node };
    // `id`: never used before. Told `welcome` already.
    void arrived(std::uint64_t id, link::hello&& who, where what);
    // Not hello and call. Of a worker that is gone: ignored.
    void said(std::uint64_t worker, link::from_worker&& what);
    void gone(std::uint64_t worker);  // its connection ended: what it had is lost
    // It cannot be heard for now, and may come back with what it has: within worker_timeout, or that is lost.
    void adrift(std::uint64_t worker);
    void retire(std::uint64_t worker);  // it is given nothing more, and told to finish and go
    // Its outgoing bytes pile up (or no more): nothing is offered meanwhile.
    void stall(std::uint64_t worker, bool stalled);
    // The job of a live lease, for what its child calls; null: no such lease, or not known yet.
    const job_spec* job_of(std::uint64_t token) const;

    // -- The store
    void see(job_effects&& what);
    void complete(job_batch& batch, std::vector<job_answer>&& answers);

    // -- Time
    void tick();
    // Until tick() is of use; at most `longest_wait`, since a wall clock may be set.
    std::chrono::milliseconds wait() const;
    static constexpr std::chrono::milliseconds longest_wait{1'000};

    void flush();  // offers, and submits what was gathered

    // No new assignments, no fires; workers are told to finish and go.
    void drain();
    std::size_t running() const noexcept;  // jobs that are with a worker, or whose end is not kept yet

  private:
    // How often what the store refused is tried again.
    static constexpr std::int64_t retry_ms = 100;
    static constexpr std::int64_t progress_gap_ms = 250;
    static constexpr std::int64_t alive_gap_ms = 1'000;
    static constexpr std::int64_t figures_gap_ms = 1'000;
    static constexpr std::int64_t news_retry_ms = 1'000;

    struct lease {
        std::uint64_t worker = 0;  // 0: none (any more, or not claimed yet)
        bool counted = false;      // against its worker's capacity
        bool began = false;
        bool retried = false;  // its end means another attempt
        bool cancelled = false;
        bool progress_waits = false;  // for its time
        bool progress_fresh = false;  // not told yet
        bool blameless = false;       // the server ended, not (as far as is known) its worker
        std::uint32_t retries = 0, losses = 0;
        std::int64_t told_ms = 0;              // progress, elapsed
        std::int64_t claim_until_ms = 0;       // elapsed; of a lease without a worker
        std::string job;                       // of an earlier process, until its spec is known:
        std::shared_ptr<const job_spec> spec;  // null then
        std::string progress;
        std::optional<link::ended> end;  // what was said, until it is kept
        const std::string& id() const noexcept { return spec ? spec->id : job; }
    };
    struct worker {
        link::hello who;
        bool in_process = false, other_node = false;
        bool leaving = false, stalled = false, withdrawing = false;
        std::uint32_t children = 1;
        std::uint32_t leases = 0;
        std::int64_t offered = 0;  // and not assigned; includes those whose offer is on its way
        std::uint32_t running = 0;
        std::uint64_t done = 0, child_restarts = 0;
        std::int64_t since_ms = 0;  // Unix time
        std::int64_t heard_ms = 0;  // elapsed
        std::uint32_t capacity() const noexcept { return children * who.prefetch; }
    };
    // What a worker says it holds and this book does not know: it may be on its way here from the node that
    // kept the jobs before.
    struct claim {
        std::uint64_t worker = 0;
        std::string job;
        std::optional<link::ended> end;
    };
    using timer_list = std::multimap<std::int64_t, std::function<void()>>;  // by elapsed_ms
    struct waiter {
        answer<job_view> done;
        std::int64_t until_ms = 0;  // elapsed; 0: answered at once
        bool asking = true;         // the store
        bool over = false;          // seen while it was asked
        std::optional<timer_list::iterator> timer;
    };
    using waiter_list = std::multimap<std::string, std::shared_ptr<waiter>, std::less<>>;

    // job_desk_requests.cpp
    enum class kind : std::uint8_t { change, question };
    void submit(job_request&& what, std::function<void(job_answer&&)> then, kind which = kind::change,
                std::optional<durability> how = {});
    void touch();
    timer_list::iterator set_timer(std::int64_t ms, std::function<void()> fn);
    void after(std::int64_t ms, std::function<void()> fn) { set_timer(ms, std::move(fn)); }
    template <class Value, class Told, class Convert>
    std::function<void(job_answer&&)> answering(answer<Told> done, Convert convert);
    void count_refused(const error& why);
    template <class Told>
    void refuse(const answer<Told>& done, error&& why) {
        count_refused(why);
        if (done) done(std::move(why));
    }
    void ask_waiter(const std::string& id, const std::shared_ptr<waiter>& who);
    void answer_waiter(const std::string& id, const std::shared_ptr<waiter>& who, job_answer&& found);
    void job_over(const std::string& id);
    void overlay(job_view& into) const;

    // job_desk_workers.cpp
    void hear(worker& from, std::uint64_t id, link::capacity& what);
    void hear(worker& from, std::uint64_t id, link::began& what);
    void hear(worker& from, std::uint64_t id, link::ended& what);
    void hear(worker& from, std::uint64_t id, link::progress& what);
    void hear(worker& from, std::uint64_t id, link::checkpoint& what);
    void hear(worker& from, std::uint64_t id, link::child_ended& what);
    void hear(worker& from, std::uint64_t id, link::leaving& what);
    void hear(worker&, std::uint64_t, link::hello&) {}
    void hear(worker&, std::uint64_t, link::call&) {}
    void hear(worker&, std::uint64_t, link::alive&) {}
    void withdraw(std::uint64_t id, worker& what);
    void take_up(std::uint64_t token, lease& kept, std::uint64_t id, worker& by);
    void claim_early(std::uint64_t id, const std::string& job, std::uint64_t token);
    void forget_claims(std::uint64_t worker);
    void offer_all();
    void check_workers();
    void report_progress(std::uint64_t token);

    // job_desk_leases.cpp
    lease* live(std::uint64_t token, std::uint64_t worker);
    void let_go(lease& what);  // of its worker's capacity
    void end(std::uint64_t token, lease& what, link::ended&& how);
    void finish(std::uint64_t token);
    void hand_back(std::uint64_t token);
    void lose_with_server(std::uint64_t token);
    job_request ending(std::uint64_t token, lease& which);
    void ended(std::uint64_t token, job_answer&& how);
    void learn_spec(std::uint64_t token);
    void stop_running(std::uint64_t token, link::stop::how how);
    void hold(const job_effects::held_lease& what);
    void await_claims();
    void lose_unclaimed();

    // job_desk.cpp
    void assigned(job_assignment&& what);
    void publish_news(job_news&& what);
    void tell_news();
    void look_at_queues();  // soon: when nothing changes, nobody looks

    // job_desk_schedules.cpp
    void load_schedules(tenure how);
    void forget_schedules();
    void fire_schedules();
    void declare(const standing_schedule& what);
    void skip_fire(job_commands::skip_fire what);
    void fire(const scheduler_core::fire& what);
    void fired_job_over(const std::string& job);
    void log_failure(const job_ended& what);
    void put_stored(const stored_schedule& what);
    void ask_inherited();
    std::uint64_t inherited_of(const stored_schedule& what) const;
    void settle_inherited(const stored_schedule& what);
    schedule_view view_of(const stored_schedule& what) const;

    job_desk_host& host_;
    const options& settings_;
    const planning& planning_;
    metrics_shard& counts_;

    std::shared_ptr<job_batch> batches_[2];  // by durability
    std::shared_ptr<job_batch> questions_;
    timer_list timers_;
    bool touched_ = false;

    std::map<std::uint64_t, worker> workers_;
    std::unordered_map<std::uint64_t, lease> leases_;
    std::map<std::uint64_t, claim> claims_;  // by token
    std::uint64_t offers_epoch_ = 0;         // rises when the store forgets all offers
    std::int64_t checked_ms_ = 0;            // the workers' signs of life, elapsed
    bool draining_ = false;
    serving serving_ = serving::yes;
    std::uint64_t tenure_ = 0;  // counts up with each serve(no)

    waiter_list waiters_;
    std::vector<std::uint64_t> published_;  // news, to be told to the store
    std::int64_t failures_second_ = 0;      // of the last logged one, elapsed
    std::uint64_t failures_ = 0;            // in it
    job_time store_next_{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max()};
    bool ticking_ = false;
    bool restarted_before_ = false;
    bool looking_ = false;  // at the queues, soon

    scheduler_core scheduler_;
    std::vector<standing_schedule> declared_;
    struct open_fire {
        std::string schedule;
        std::size_t left;  // jobs that are not over
    };
    std::unordered_map<std::string, std::shared_ptr<open_fire>> fires_;  // by job
    // Jobs that an earlier process fired and that are not over, by schedule.
    std::map<std::string, std::uint64_t, std::less<>> inherited_;
    bool asking_inherited_ = false;
};

}  // namespace madang
