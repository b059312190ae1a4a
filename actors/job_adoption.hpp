// Gives the jobs of a store that no server uses (the folder of a node that is gone) to the nodes that are
// there: a job_mover whose words go by questions and answers. Streams are not adopted.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "broker/core/clock.hpp"
#include "broker/core/result.hpp"
#include "storage/store.hpp"

namespace madang {

// The cluster, as it can be asked. This thread.
class adoption_peer {
  public:
    struct seen {
        std::string home;                              // who serves jobs; "": nobody for now
        std::set<std::string, std::less<>> removed{};  // by an operator: gone for good, with their disks
    };
    virtual result<seen> look() = 0;
    // What `node`'s job_taker says to a giver's word (job_move_word), or "": nothing yet. An error: it does
    // not answer.
    virtual result<std::string> tell(const std::string& node, const std::string& word) = 0;
    // So many were given by now, and so many are known to be left; whenever that changes.
    virtual void moved(std::uint64_t given, std::uint64_t left) = 0;
    // Before the cluster is asked again. False: enough.
    virtual bool rest(std::chrono::milliseconds time) = 0;

  protected:
    ~adoption_peer() = default;
};

struct adopted {
    std::uint64_t jobs = 0;  // that were given
    // Not yet: in the folder, or in chunks that a node must say of whether it has them, until it does or is
    // removed. Calling again goes on.
    std::uint64_t left = 0;
    bool all = false;
};

// Errors: those of the store.
result<adopted> adopt_jobs(store& from, adoption_peer& by, const clock_source& clock);

}  // namespace madang
