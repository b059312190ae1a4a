// Calls of plugin code in children on their way to the server: each gets a number that is the worker's own,
// and its answer finds back. What was asked when a connection ended is asked again on the next one where that
// can do no harm; a publish or an enqueue is answered with an error instead, since it may have been done. No
// I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "broker/jobs/worker_link.hpp"
#include "broker/worker/worker_core.hpp"

namespace madang {

// One thread.
class call_book {
  public:
    using to_child = std::pair<child_id, link::answer>;

    // `what`: a call or a checkpoint. What the server is to be told now: nothing while it is not there, then
    // it is held.
    std::optional<link::from_worker> ask(child_id child, link::from_worker what);
    // Whose it is; nothing when its child is gone.
    std::optional<to_child> answered(link::answer what);
    void gone(child_id child);

    std::vector<to_child> disconnected();
    std::vector<link::from_worker> connected();
    std::size_t held_bytes() const noexcept { return held_bytes_; }

  private:
    struct entry {
        child_id child;
        std::uint64_t number;  // the child's
        bool sent;
        std::optional<link::from_worker> again;
    };
    void hold(link::from_worker what);
    void remember(link::from_worker& what);

    std::map<std::uint64_t, entry> asked_;  // by the worker's number: in the order in which they were asked
    std::vector<link::from_worker> held_;
    std::size_t held_bytes_ = 0;
    std::uint64_t last_ = 0;
    bool connected_ = false;
};

}  // namespace madang
