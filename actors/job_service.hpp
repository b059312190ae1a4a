// Jobs, as a part of the server: the desk on a loop of its own, worker processes on a Unix socket, threads
// for what runs within the server.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "actors/job_desk.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/jobs.hpp"
#include "broker/core/streams.hpp"
#include "plugins/host/ports.hpp"
#include "plugins/host/task_table.hpp"

namespace caf {
class actor;
class actor_system;
}  // namespace caf

namespace madang {

class metrics;
class store;
class tracer;
struct cluster_routes;

// In a cluster (--cluster-listen) one node keeps the jobs of all (broker/cluster/jobs_home.hpp): what the
// others are asked goes there, and so do their workers' connections. Errors then: busy too when that node
// went away meanwhile (whether it was done is not known: enqueue again with the same idempotency key),
// no_quorum.
//
// Made, started and stopped by one thread. What is asked before start() or after stop() is answered busy.
class job_service final : public job_port {
  public:
    struct parts {  // all outlive it
        const options& settings;
        const clock_source& clock;
        metrics& counts;
        stream_port& streams;
        layer_port& layer;
        caf::actor_system& system;
        std::string node;  // its name
    };
    explicit job_service(parts with);
    ~job_service();

    // The store and the tasks outlive it too. Errors: invalid_option (the socket, a route), in one line.
    result<void> start(store& kept, const task_table& tasks, std::vector<standing_schedule> schedules);
    // Where workers reach it, and the secret that they prove themselves with, for a worker that the server
    // starts itself; the secret is in "<socket>.cookie" as well. Once started.
    void trace_by(tracer* who) noexcept;  // before start(); outlives it
    const std::string& worker_socket() const noexcept;
    const std::string& cookie() const noexcept;

    // -- In a cluster. Any thread, after start()
    void routes_changed(std::shared_ptr<const cluster_routes> now);  // in the order of the calls
    // Until when this node has a quorum if nobody says otherwise; not at all until this is called.
    void quorum_until(std::chrono::steady_clock::time_point when);
    bool has_quorum() const noexcept;
    bool serves() const noexcept;            // it keeps the jobs, and gives them to workers
    std::uint64_t to_move() const noexcept;  // jobs that another node is to have
    bool handed_over() const noexcept;       // another node keeps the jobs, and has this one's
    // A worker that joined this node: a connected socket, which is taken over. It has proven that it may.
    void worker_came(int fd);
    // What `node`'s taker says to a word of who gives a dead node's jobs (job_adopters.hpp). Once, on any
    // thread. Errors: bad_request, busy (try again), not_available (no cluster).
    void adopt(std::string node, std::string word, std::function<void(result<std::string>)> done);
    std::vector<caf::actor> actors() const;  // that other nodes' speak to: one, once started

    // No new assignments and no fires; workers finish what they run, hand back the rest and go.
    void begin_drain();
    bool drained() const;  // after begin_drain: no worker has a job any more
    // What still runs is left to its workers, who claim it from the next server within --worker-timeout.
    // Returns false when tasks within the server went on past `deadline`: the process should then end without
    // destructors.
    bool stop(std::chrono::milliseconds deadline);

    // -- job_port: any thread. Requests are checked on the thread that asks.
    void enqueue(enqueue_request what, answer<enqueued> done) override;
    void cancel(std::vector<std::string> ids, std::string reason, answer<std::size_t> done) override;
    void find(std::string id, std::chrono::milliseconds wait, answer<job_view> done) override;
    void list(job_filter what, answer<job_page> done) override;
    void requeue(std::vector<std::string> ids, answer<std::size_t> done) override;
    void discard(std::vector<std::string> ids, answer<std::size_t> done) override;
    void queues(answer<std::vector<queue_view>> done) override;
    void pause(std::string queue, bool paused, answer<bool> done) override;
    void purge(std::string queue, answer<std::size_t> done) override;
    void workers(answer<std::vector<worker_view>> done) override;
    void tasks(answer<std::vector<task_options>> done) override;
    void schedules(answer<std::vector<schedule_view>> done) override;
    void put_schedule(std::string name, std::string json, answer<schedule_view> done) override;
    void remove_schedule(std::string name, answer<bool> done) override;
    void next_fires(std::string name, std::string json, std::size_t count,
                    answer<std::vector<std::int64_t>> done) override;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace madang
