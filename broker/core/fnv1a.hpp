// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): the same on every machine and in every
// version, as what is kept and what nodes agree on needs it. Not for what strangers choose: collisions are
// easy to make.
#pragma once

#include <cstdint>
#include <string_view>

namespace madang {

constexpr std::uint64_t fnv1a(std::string_view bytes) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char each : bytes) hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3u;
    return hash;
}

}  // namespace madang
