// How a durability is written, in options and in namespaces; in the order of the enumeration.
#pragma once

#include <string_view>
#include <utility>

#include "broker/core/namespaces.hpp"

namespace madang {

inline constexpr std::pair<std::string_view, durability> durabilities[] = {{"buffered", durability::buffered},
                                                                           {"synced", durability::synced}};

}  // namespace madang
