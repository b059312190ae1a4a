// What plugins ask of the server while they run in a worker: in a child it goes through the worker as
// link::call. Before there is a child (while plugins are loaded) there is nobody to ask: events are refused
// with MADANG_CLOSED, and what is answered is answered `not_available`.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/core/jobs.hpp"
#include "broker/core/streams.hpp"
#include "broker/jobs/worker_link.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

// Any thread, once it has a link.
class child_ports final : public layer_port, public stream_port, public job_port {
  public:
    // Of the process; on any thread.
    class link_port {
      public:
        virtual void send(std::string_view frames) = 0;
        virtual std::uint64_t token() const = 0;  // of the job that runs; 0: none

      protected:
        ~link_port() = default;
    };

    // `namespaces`: as the server has them; outlives this.
    explicit child_ports(const namespace_table& namespaces) : namespaces_(namespaces) {}

    // In a child, before its first job; outlives every call.
    void use(link_port& to) { link_ = &to; }
    using body_answer = std::function<void(result<std::string> body)>;
    // The number under which `done` waits. Also of checkpoints.
    std::uint64_t expect(body_answer done);
    void answered(link::answer what);  // the reading thread; calls `done` there

    madang_status group_send(std::string_view group, std::string_view type, const payload& event) override;
    madang_status channel_send(std::string_view channel, std::string_view type,
                               const payload& event) override;
    std::uint64_t now_ms() const noexcept override;

    void publish(publish_request what, stream_port::answer<position> done) override;
    void history(history_request what, stream_port::answer<history_page> done) override;
    void presence(presence_request what, stream_port::answer<presence_page> done) override;
    void presence_stats(std::string group, stream_port::answer<presence_counts> done) override;
    void last_seen(std::string group, std::size_t limit,
                   stream_port::answer<std::vector<last_seen_entry>> done) override;
    const namespace_table& namespaces() const noexcept override { return namespaces_; }

    void enqueue(enqueue_request what, job_port::answer<enqueued> done) override;
    void cancel(std::vector<std::string> ids, std::string reason,
                job_port::answer<std::size_t> done) override;
    void find(std::string id, std::chrono::milliseconds wait, job_port::answer<job_view> done) override;

    // Not of plugins: not_available.
    void remove_history(std::string, stream_port::answer<position> done) override { refuse(done); }
    void groups(std::string, std::size_t,
                stream_port::answer<std::map<std::string, std::uint64_t>> done) override {
        refuse(done);
    }
    void command(client_selector, client_command, stream_port::answer<std::size_t> done) override {
        refuse(done);
    }
    void figures(stream_port::answer<std::vector<node_figures>> done) override { refuse(done); }
    void list(job_filter, job_port::answer<job_page> done) override { refuse(done); }
    void requeue(std::vector<std::string>, job_port::answer<std::size_t> done) override { refuse(done); }
    void discard(std::vector<std::string>, job_port::answer<std::size_t> done) override { refuse(done); }
    void queues(job_port::answer<std::vector<queue_view>> done) override { refuse(done); }
    void pause(std::string, bool, job_port::answer<bool> done) override { refuse(done); }
    void purge(std::string, job_port::answer<std::size_t> done) override { refuse(done); }
    void workers(job_port::answer<std::vector<worker_view>> done) override { refuse(done); }
    void tasks(job_port::answer<std::vector<task_options>> done) override { refuse(done); }
    void schedules(job_port::answer<std::vector<schedule_view>> done) override { refuse(done); }
    void put_schedule(std::string, std::string, job_port::answer<schedule_view> done) override {
        refuse(done);
    }
    void remove_schedule(std::string, job_port::answer<bool> done) override { refuse(done); }
    void next_fires(std::string, std::string, std::size_t,
                    job_port::answer<std::vector<std::int64_t>> done) override {
        refuse(done);
    }

  private:
    template <class T>
    static void refuse(const std::function<void(result<T>)>& done) {
        if (done) done(fail(errc::not_available, "not in a worker's process"));
    }
    template <class Told, class T>
    void ask(link::call::verb verb, std::string body, std::function<void(result<T>)> done);
    madang_status tell(link::call::verb verb, std::string_view to, std::string_view type,
                       const payload& event);

    const namespace_table& namespaces_;
    link_port* link_ = nullptr;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, body_answer> waiting_;
    std::uint64_t last_ = 0;
};

}  // namespace madang
