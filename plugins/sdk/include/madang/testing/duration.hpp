// Durations as options and signatures have them, for the test kit: "500ms", "24h", "10s", or seconds.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace madang::testing::detail {

inline std::uint64_t time_ms(const nlohmann::json& value) {
    if (value.is_number()) return static_cast<std::uint64_t>(value.get<double>() * 1000 + 0.5);
    const auto text = value.get<std::string>();
    char* unit = nullptr;
    const auto count = std::strtoull(text.c_str(), &unit, 10);
    const std::string_view name = unit;
    return count * (name == "ms"  ? 1
                    : name == "m" ? 60'000
                    : name == "h" ? 3'600'000
                    : name == "d" ? 86'400'000
                                  : 1000);
}

}  // namespace madang::testing::detail
