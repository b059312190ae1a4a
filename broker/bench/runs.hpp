// The rows of the table: each function measures one subject and returns its findings. Servers are started
// when first needed and end with the object. Everything throws what load and connects throw.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/bench/bench.hpp"
#include "broker/bench/child.hpp"
#include "broker/bench/compare.hpp"
#include "broker/bench/report.hpp"

namespace madang::bench {

class runs {
  public:
    explicit runs(const bench_options& options) : options_(options) {}

    std::vector<finding> fanout(std::uint32_t in_flight, const std::string& route);  // beside the floor
    std::vector<finding> fanout_shapes();  // one and two loops, 1,000 and 10,000 members, beside each other
    std::vector<finding> echo();
    std::vector<finding> rooms();
    std::vector<finding> idle();
    std::vector<finding> connects();
    std::vector<finding> stall();
    std::vector<finding> floor_alone();
    std::vector<finding> history();      // publications that are kept beside those that are not
    std::vector<finding> clients();      // fan-out to the client protocol beside plain members
    std::vector<finding> presence();     // joins and leaves
    std::vector<finding> recovery();     // everybody reconnects
    std::vector<finding> subscribers();  // memory of idle clients
    std::vector<finding> jobs();         // no-op jobs, in bulk and one by one
    std::vector<finding> backlog();      // a long queue
    std::vector<finding> cluster();      // three nodes

    std::string command(const std::string& what) const;  // as a person would type it

  private:
    const target& floor();
    const target& server(std::uint32_t loops);
    std::vector<finding> across_nodes();
    std::vector<finding> stopped_node();
    std::vector<finding> many_groups();
    // `more`: arguments before those that were asked for.
    target new_server(std::uint32_t loops, std::vector<std::string> more = {}) const;
    load_spec fanout_spec(const std::string& route, std::uint32_t members, std::uint32_t in_flight) const;
    load_spec timed(load_spec spec) const;
    std::uint32_t rounds() const { return options_.rounds.value_or(options_.quick ? 1 : 5); }
    std::uint32_t loops() const { return options_.loops.value_or(1); }
    double seconds() const { return options_.seconds.value_or(options_.quick ? 0.2 : 2); }

    const bench_options& options_;
    std::unique_ptr<target> floor_;
    std::map<std::uint32_t, target> servers_;  // by loops
};

}  // namespace madang::bench
