// The taker's side of moving jobs: chunks come in pieces, go to the store, and their giver is told when it
// has them. No actors, no sockets, no clock. See job_mover.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "actors/job_mover.hpp"

namespace madang {

class job_taker_host {
  public:
    // As job_mover_host's.
    virtual void submit(job_request what, durability how, std::function<void(job_answer&&)> then) = 0;
    virtual void send(const std::string& node, std::string word) = 0;
    // In the book now: schedules are to be loaded again, skipped jobs to be told to people.
    virtual void took(const std::string& from, const taken_chunk& what) = 0;
    virtual job_time now() const = 0;

  protected:
    ~job_taker_host() = default;
};

// One thread.
class job_taker {
  public:
    // `most_bytes`: of a chunk; memory is that, per node that gives. `host` outlives it.
    job_taker(job_taker_host& host, std::size_t most_bytes) : host_(host), most_bytes_(most_bytes) {}

    void serve(bool home);  // only the jobs' home takes; anybody forgoes
    void unlinked(const std::string& node) { coming_.erase(node); }
    void heard(const std::string& node, job_move_word&& what);  // of the giver's kinds

  private:
    struct incoming {
        job_transfer of;
        std::uint64_t total = 0;
        std::string bytes;
        bool taking = false;
    };
    void answer(const std::string& node, job_move_word::kind what, const job_transfer& of,
                std::uint64_t at = 0);
    void take(const std::string& node, incoming& what);

    job_taker_host& host_;
    const std::size_t most_bytes_;
    bool home_ = false;
    std::map<std::string, incoming> coming_;
};

}  // namespace madang
