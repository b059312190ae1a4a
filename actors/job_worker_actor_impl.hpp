// The actor of a worker process: its connection's bytes to the desk's calls, and back.
//
//   accepts    nothing but the end of its children's actors
//   sends      nothing; desk and room are on its thread: plain calls
//   spawned by job_listener, one per connection; runs on the jobs' loop
//   dies       with its connection: what it had is lost then, and the process may connect anew. A handler
//              that throws closes the connection, and counts as a restart
//   queue      what is to be written: nothing is offered to the worker while more than
//              publish_credit_bytes wait
//
// Each of its child processes has an actor too: it knows which job runs in it, and ends with it. When it
// ended of itself, its supervisor here hands over the job as lost, if the worker did not say so, and counts
// the restart, which the worker process does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "actors/job_room_impl.hpp"
#include "actors/pinned_actor_impl.hpp"
#include "actors/worker_wire.hpp"
#include "broker/jobs/worker_codec.hpp"

namespace madang {

// Accepts nothing: told by plain calls, on its supervisor's thread.
class job_child_actor final : public pinned_actor {
  public:
    using pinned_actor::pinned_actor;
    caf::behavior make_behavior() override {
        return {[](caf::unit_t) {}};
    }

    std::uint64_t token = 0;  // of the job that runs in it; 0: none
};

// Why a worker that says this of itself is not taken; nothing: it is. Without a cookie to compare with, it
// has proven that it may.
std::optional<std::string> refusal_of(const link::hello& who, const std::string* cookie);

class job_worker_actor final : public pinned_actor, public worker_wire::reader, public flushable {
  public:
    job_worker_actor(caf::actor_config& config, job_room& room, std::uint64_t id,
                     std::unique_ptr<worker_wire> wire, job_desk::where from);

    caf::behavior make_behavior() override;
    // False: the system refused, and the connection is closed.
    bool begin();
    void run(job_assignment&& what);
    void tell(const link::from_server& what);
    void close();  // room().remove follows

    bool bytes_came(std::string_view bytes) override;
    void may_write() override;
    void ended() override { close(); }
    void flush() override;

  private:
    struct child {
        caf::actor who;
        job_child_actor* at;
    };
    bool decode(std::string_view bytes);
    void hear(link::from_worker&& what);
    void greet(link::hello&& who);
    void refuse(std::string why);
    void child_began(std::uint32_t pid, std::uint64_t token);
    void child_ended(std::uint32_t pid, bool expected);
    void touch();

    job_room& room_;
    const std::uint64_t id_;
    const std::unique_ptr<worker_wire> wire_;
    const job_desk::where from_;
    bool closed_ = false, too_many_ = false, greeted_ = false, refused_ = false, stalled_ = false;
    link::decoder<link::from_worker> decoder_;
    std::string out_;
    std::size_t written_ = 0;
    std::map<std::uint32_t, child> children_;  // by process id
    caf::strong_actor_ptr self_;               // while touched
};

}  // namespace madang
