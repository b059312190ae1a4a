// Nodes that all hear each other, found in a graph of who hears whom: plain functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace madang {

// Its nodes are numbered in the order of their names.
struct hearing_graph {
    explicit hearing_graph(std::size_t nodes) : mutual(nodes, std::vector<bool>(nodes)), goes_by(nodes) {}

    std::size_t size() const noexcept { return goes_by.size(); }
    void link(std::size_t a, std::size_t b) { mutual[a][b] = mutual[b][a] = true; }

    std::vector<std::vector<bool>> mutual;  // they hear each other
    std::vector<std::pair<std::uint64_t, std::string>>
        goes_by;  // number and proposer of its view; 0: of none
};

// Parts the nodes: the largest set in which all hear each other (of two, the one with more nodes that go by
// one view, so that what was agreed stays; then the smaller names), then the largest of the rest, and so on.
// Sets are ascending. Exact where up to 16 nodes hang together without all hearing each other; beyond, the
// best that is found by growing a set from each of the 64 that most others hear. The same everywhere for the
// same graph.
std::vector<std::vector<std::size_t>> cliques_of(const hearing_graph& graph);

// Whether all that can be reached from the node, over several, hear each other: nobody can see it otherwise.
bool is_undisputed(const hearing_graph& graph, std::size_t node);

}  // namespace madang
