#include "broker/cluster/cliques.hpp"

#include <algorithm>
#include <map>

namespace madang {
namespace {

using node_set = std::vector<std::size_t>;  // ascending

constexpr std::size_t exact_up_to = 16;
constexpr std::size_t grown_at_most = 64;  // sets; each costs the square of the number of nodes

// Nodes of the set that go by the same view, at most.
std::size_t agreed(const hearing_graph& graph, const node_set& set) {
    std::map<std::pair<std::uint64_t, std::string>, std::size_t> counts;
    std::size_t most = 0;
    for (const auto each : set)
        if (graph.goes_by[each].first != 0) most = std::max(most, ++counts[graph.goes_by[each]]);
    return most;
}
bool is_better(const hearing_graph& graph, const node_set& a, const node_set& b) {
    if (a.size() != b.size()) return a.size() > b.size();
    const auto agreed_a = agreed(graph, a), agreed_b = agreed(graph, b);
    return agreed_a != agreed_b ? agreed_a > agreed_b : a < b;
}

node_set component_of(const hearing_graph& graph, std::size_t node) {
    node_set found{node};
    std::vector<bool> seen(graph.size());
    seen[node] = true;
    for (std::size_t at = 0; at < found.size(); ++at)
        for (std::size_t i = 0; i < graph.size(); ++i)
            if (!seen[i] && graph.mutual[found[at]][i]) {
                seen[i] = true;
                found.push_back(i);
            }
    std::ranges::sort(found);
    return found;
}
bool all_hear(const hearing_graph& graph, const node_set& set) {
    for (const auto a : set)
        for (const auto b : set)
            if (a < b && !graph.mutual[a][b]) return false;
    return true;
}
node_set heard_by(const hearing_graph& graph, std::size_t node, const node_set& of) {
    node_set found;
    for (const auto each : of)
        if (graph.mutual[node][each]) found.push_back(each);
    return found;
}

// Every set that could be as large as the best, by branch and bound.
void extend(const hearing_graph& graph, node_set& set, const node_set& candidates, node_set& best) {
    if (candidates.empty()) {
        if (is_better(graph, set, best)) best = set;
        return;
    }
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (set.size() + candidates.size() - i < best.size()) return;
        const node_set later(candidates.begin() + static_cast<std::ptrdiff_t>(i) + 1, candidates.end());
        set.push_back(candidates[i]);
        extend(graph, set, heard_by(graph, candidates[i], later), best);
        set.pop_back();
    }
}

// `order`: who comes first is taken first.
node_set grown_from(const hearing_graph& graph, std::size_t node, const node_set& order) {
    node_set set{node};
    auto left = heard_by(graph, node, order);
    std::stable_partition(left.begin(), left.end(),
                          [&](std::size_t i) { return graph.goes_by[i] == graph.goes_by[node]; });
    while (!left.empty()) {
        set.push_back(left.front());
        left = heard_by(graph, left.front(), left);
    }
    std::ranges::sort(set);
    return set;
}

node_set best_of(const hearing_graph& graph, const node_set& rest) {
    node_set best;
    if (rest.size() <= exact_up_to) {
        node_set set;
        extend(graph, set, rest, best);
        return best;
    }
    std::vector<std::size_t> heard(graph.size());
    for (const auto each : rest) heard[each] = heard_by(graph, each, rest).size();
    auto order = rest;
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return heard[a] > heard[b]; });
    for (std::size_t i = 0; i < order.size() && i < grown_at_most; ++i)
        if (auto set = grown_from(graph, order[i], order); is_better(graph, set, best)) best = std::move(set);
    return best;
}

}  // namespace

std::vector<std::vector<std::size_t>> cliques_of(const hearing_graph& graph) {
    std::vector<node_set> found;
    std::vector<bool> done(graph.size());
    for (std::size_t node = 0; node < graph.size(); ++node) {
        if (done[node]) continue;
        auto rest = component_of(graph, node);
        for (const auto each : rest) done[each] = true;
        while (!rest.empty()) {
            auto best = all_hear(graph, rest) ? rest : best_of(graph, rest);
            std::erase_if(rest, [&](std::size_t each) { return std::ranges::binary_search(best, each); });
            found.push_back(std::move(best));
        }
    }
    std::ranges::sort(found, [&](const auto& a, const auto& b) { return is_better(graph, a, b); });
    return found;
}

bool is_undisputed(const hearing_graph& graph, std::size_t node) {
    return all_hear(graph, component_of(graph, node));
}

}  // namespace madang
