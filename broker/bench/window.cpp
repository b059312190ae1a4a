#include "broker/bench/window.hpp"

#include <bit>

namespace madang::bench {

publication_window::publication_window(std::uint32_t members, std::uint32_t in_flight)
    : ring_(std::bit_ceil(2 * static_cast<std::size_t>(in_flight))),
      members_(members),
      in_flight_(in_flight) {}

std::uint64_t publication_window::publish(std::int64_t now) {
    const auto sequence = published_++;
    slot(sequence) = {sequence, now, members_};
    ++outstanding_;
    return sequence;
}

std::optional<std::int64_t> publication_window::deliver(std::uint64_t& next, std::uint64_t sequence) {
    if (sequence >= published_ || (next != nothing_yet && sequence < next)) {
        ++reordered_;
        return std::nullopt;
    }
    if (next != nothing_yet) {
        lost_ += sequence - next;
        for (; next < sequence; ++next) settle(next);
    }
    next = sequence + 1;
    const auto& known = slot(sequence);
    const auto at = known.sequence == sequence ? std::optional(known.at) : std::nullopt;
    settle(sequence);
    return at;
}

void publication_window::settle(std::uint64_t sequence) {
    auto& known = slot(sequence);
    if (known.sequence != sequence || known.missing == 0) return;
    if (--known.missing == 0) --outstanding_;
}

void publication_window::abandon() {
    for (auto& known : ring_) known.missing = 0;
    outstanding_ = 0;
}

}  // namespace madang::bench
