// A view in a line: "a1 up, b2 draining".
#pragma once

#include <string>

#include "broker/cluster/view.hpp"

namespace madang {

inline std::string text(const cluster_view& view) {
    std::string all;
    for (const auto& each : view.members)
        all += each.who.name + std::to_string(each.who.incarnation) + " " +
               std::string(to_string(each.state)) + ", ";
    return all.substr(0, all.size() - 2);
}

}  // namespace madang
