// Three servers that are one cluster on this machine, each a child of ours.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bench/child.hpp"
#include "broker/cluster/shard_map.hpp"

namespace madang::bench {

class mesh {
  public:
    static constexpr std::size_t size = 3;

    // Starts a server with these further arguments.
    using start = std::function<target(std::vector<std::string> more)>;

    // Returns when each has links to the others and is up. Throws what `start` does, and std::runtime_error
    // when they do not find each other.
    explicit mesh(const start& begin);

    const target& operator[](std::size_t node) const { return nodes_[node]; }
    void wait_until_whole() const;  // as above
    void wait_until_dead(std::size_t node, std::size_t seen_from) const;
    bool owns(std::size_t node, std::string_view group) const;

  private:
    std::vector<target> nodes_;
    shard_map owners_;  // while all are up
};

// Stops a node (SIGSTOP) for as long as the object lives.
class stopped {
  public:
    explicit stopped(const target& node);
    ~stopped();
    stopped(const stopped&) = delete;

  private:
    pid_t pid_;
};

}  // namespace madang::bench
