// What the store knows of itself, in the column `facts`: the generation of its streams.
#pragma once

#include <cstdint>
#include <string>

#include "storage/kv.hpp"

namespace madang {

// A generation begins when a tail of streams may have been lost: after a power cut (of those that are
// buffered), or where it is not known what was lost (a restored backup: of all). A stream whose record is of
// an earlier one has this generation's epoch instead of its own, with the offsets and publications that are
// there; so no record is rewritten at start.
struct generation {
    std::uint32_t number = 1;
    std::uint32_t all_since = 1;
    std::uint32_t buffered_since = 1;
    std::string epoch;
    friend bool operator==(const generation&, const generation&) = default;
};

enum class loss : std::uint8_t { none, of_buffered, of_all };

// key "generation": number:u32 all_since:u32 buffered_since:u32 epoch:text32
result<generation> load_generation(const kv_view& from);
// The one that follows, committed and synced.
result<generation> begin_generation(kv& in, const generation& before, loss what, std::string epoch);

}  // namespace madang
