// How what a subscription missed and what was published while it was being made become one stream without
// gaps and duplicates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/protocol/client_port.hpp"

namespace madang {

struct settle_how {
    bool positioned = false;               // the client is told positions
    std::optional<std::uint64_t> since{};  // what it asked to recover from
    bool cache = false;                    // the latest publication only
};

struct settled {
    bool gap = false;  // a publication between what is known was lost: nothing else is meant then (3010)
    bool recovered = false;
    std::optional<position> at;             // to tell the client, when it is positioned
    std::vector<publication> publications;  // of the answer: only when recovered; in order
    std::vector<group_news> after;          // to push behind the answer; publications with offsets in order
};

// `news` in any order, with duplicates of each other and of what was missed.
settled settle(subscribed answer, std::vector<group_news> news, const settle_how& how);

}  // namespace madang
