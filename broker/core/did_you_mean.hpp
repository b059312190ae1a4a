// What a person who mistyped a name may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace madang {

// "; did you mean NAME?" with the nearest of `known`, or "" where none is near.
std::string did_you_mean(std::string_view unknown, std::span<const std::string> known);

}  // namespace madang
