// What stands around the desk on the jobs' loop: the actor that owns it, the worker processes' actors, and
// the desk's way to the store, the workers and the groups.
//
//   accepts    ok_atom: the inbox has something; job_mail_atom: another node's jobs actor says something
//   sends      nothing: to the store and the ports by their calls, whose answers come into the inbox
//   spawned by job_service, one; runs on the jobs' loop, and so do all that it calls
//   dies       with its service; a handler that throws is logged and counted, and the actor goes on
//   queue      the inbox
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "actors/asio_loop_impl.hpp"
#include "actors/cluster_words_impl.hpp"
#include "actors/job_calls.hpp"
#include "actors/job_clock.hpp"
#include "actors/job_desk.hpp"
#include "actors/job_inbox_impl.hpp"
#include "actors/job_mesh_impl.hpp"
#include "actors/job_threads.hpp"
#include "actors/pinned_actor_impl.hpp"
#include "actors/worker_socket_impl.hpp"

namespace madang {

class job_carrier;
class job_worker_actor;
class store;

// The jobs' loop's thread, but for the constructor.
class job_room final : public job_desk_host, public flushable {
  public:
    struct parts {
        asio_loop& on;
        const options& settings;
        const job_clock& clock;
        const planning& with;
        store& kept;
        job_ports ports;
        std::shared_ptr<job_inbox> inbox;
        std::string node;
        std::string cookie;
        job_mesh_state& shown;
    };
    explicit job_room(parts with);
    ~job_room();

    void start(std::vector<standing_schedule> schedules, job_threads* threads, std::uint32_t thread_count);
    void take_inbox();
    void mail_came(std::uint64_t peer, std::uint64_t link, const std::string& bytes);
    void begin_drain();
    bool drained() const noexcept { return drained_.load(std::memory_order_relaxed); }  // any thread
    void close();  // the workers' connections; jobs stay theirs

    // -- Of the workers' actors
    // A connection of a worker of this machine, or one that joined and has proven that it may: it does not
    // block.
    void came(int fd);
    void joined(int fd);
    std::uint64_t open(std::unique_ptr<worker_wire> wire, job_desk::where from);
    bool full() const noexcept { return workers_.size() > parts_.settings.worker_connections; }
    void remove(std::uint64_t id);
    void call(std::uint64_t worker, link::call&& what);
    job_desk& desk() noexcept { return desk_; }
    asio_loop& on() noexcept { return parts_.on; }
    const parts& with() const noexcept { return parts_; }
    job_mesh* mesh() noexcept { return mesh_.get(); }  // null: no cluster
    job_move_port& mover(const std::string& own_name);

    // The figures of the queues as last seen. Any thread.
    std::vector<queue_view> queues_seen() const;

    // -- job_desk_host
    void submit(std::shared_ptr<job_batch> what, durability how) override;
    void run(std::uint64_t worker, job_assignment&& what) override;
    void tell(std::uint64_t worker, link::from_server&& what) override;
    void drop(std::uint64_t worker) override;
    void publish(const std::string& group, std::string data, std::string key,
                 std::function<void(result<void>)> done) override;
    void queues_are(std::vector<queue_view>&& all) override;
    void touched() override { on().touch_early(*this); }
    job_time now() const override { return parts_.clock.now(); }
    void ran(const job_spec& what, const link::ended& how) override;
    double dice() override { return std::uniform_real_distribution<>(0, 1)(random_); }

    void flush() override;

  private:
    template <class Function>
    void contained(Function fn);
    void arm();
    void show();

    const parts parts_;
    job_desk desk_;
    std::unique_ptr<job_mesh> mesh_;
    std::unique_ptr<job_carrier> carrier_;  // null: no cluster, or the node's name is not known yet
    job_inbox::contents taken_;
    boost::asio::steady_timer timer_;
    loop::clock::time_point armed_ = loop::clock::time_point::max();
    std::mt19937_64 random_{std::random_device{}()};

    struct known_worker {
        caf::actor who;
        job_worker_actor* at;
    };
    std::unordered_map<std::uint64_t, known_worker> workers_;
    static constexpr std::uint64_t threads_id = 1;
    std::uint64_t last_worker_ = threads_id;
    job_threads* threads_ = nullptr;
    std::vector<job_assignment> to_threads_;  // until the turn's end

    bool draining_ = false, closed_ = false;
    std::atomic<bool> drained_{false};
    mutable std::mutex figures_mutex_;
    std::vector<queue_view> figures_;
};

class job_actor final : public pinned_actor {
  public:
    job_actor(caf::actor_config& config, job_room& around)
        : pinned_actor(config, around.on()), room_(around) {}
    caf::behavior make_behavior() override {
        return {[this](caf::ok_atom) { room_.take_inbox(); },
                [this](job_mail_atom, std::uint64_t peer, std::uint64_t link, const std::string& bytes) {
                    room_.mail_came(peer, link, bytes);
                }};
    }

  private:
    job_room& room_;
};

}  // namespace madang
