// The texts in which an option's value is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace madang {

// All: nothing for what is malformed, negative or too large for 64 bits.
std::optional<std::uint64_t> parse_count(std::string_view text);
// "65536", "64k", "16M", "1G" (powers of 1024; also "64KiB"), in bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);
// "250us", "500ms", "10s", "2m", "1h"; a plain number counts `unit`. In microseconds.
std::optional<std::uint64_t> parse_duration(std::string_view text, std::chrono::microseconds unit);
// "true", "yes", "on", "1" and their opposites.
std::optional<bool> parse_flag(std::string_view text);
// "MAX,MIN": two numbers from 1 to 1024, the first not less than the second.
struct most_and_least {
    unsigned most = 0, least = 0;
};
std::optional<most_and_least> parse_most_and_least(std::string_view text);
// Pieces between commas, without blanks around them; empty pieces are left out.
std::vector<std::string> split_list(std::string_view text);

// The shortest text that parses to the same.
std::string size_text(std::uint64_t bytes);
std::string duration_text(std::chrono::microseconds duration);

}  // namespace madang
