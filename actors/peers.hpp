// The other nodes as actors: BASP over links that are authenticated already, the hubs at their ends, and what
// the loops are told of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/cluster/view.hpp"

namespace madang {

class job_service;
class yard;

// Any thread. Made after the yard and the jobs' service were, and gone before they go.
class peers {
  public:
    // `shards`: of the cluster. `jobs`: is told like the loops, and has started when the first link is
    // attached; null: this node has none. `failed(who, why)`: BASP could not be spoken over who's link; it is
    // to be closed.
    peers(yard& home, node_id self, std::uint32_t shards, std::size_t credit_bytes,
          std::function<void(const node_id& who, const std::string& why)> failed,
          job_service* jobs = nullptr);
    ~peers();

    // A link: `fd` is this process's end of it, connected, and CAF's from now on. One side dialed, the other
    // did not.
    void attach(const node_id& who, int fd, bool dialed);
    void lost(const node_id& who);  // its link is gone
    // `removed`: by an operator (membership::removed).
    void view_changed(const cluster_view& now, const std::vector<node_id>& removed = {});

    // For pages and tests: the peers whose hubs are known, and by name.
    std::size_t linked() const;

    struct state;  // shared with the switchboard

  private:
    std::shared_ptr<state> state_;
};

}  // namespace madang
