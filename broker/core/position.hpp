// A place in a group's stream.
#pragma once

#include <cstdint>
#include <string>

namespace madang {

// Which stream: a short random text (letters and digits), made anew whenever offsets may come to stand for
// other content (after a power cut that may have lost an unsynced tail, say), so that a client cannot mistake
// the one for the other. Offsets begin at 1; 0 is before the first publication, and "no position" in a live
// event.
struct position {
    std::string epoch;
    std::uint64_t offset = 0;
    friend bool operator==(const position&, const position&) = default;
};

}  // namespace madang
