// What the programs that treat a store alone badly share.
#pragma once

#include <map>

#include "tests/support/store_world.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {

// What a group must give back: the text of each offset is made from both.
inline std::string text_of(const std::string& group, std::uint64_t offset) {
    return "\"" + group + ":" + std::to_string(offset) + std::string(offset * 7 % 300, '.') + "\"";
}

// Acknowledged so far, by group.
using tops = std::map<std::string, std::uint64_t>;

// Every publication that is given is the right one, and none that was acknowledged is missing. A refusal (an
// error) is fine where `may_refuse`; the result is whether there was one.
inline bool check_groups(store& of, const tops& acknowledged, std::uint32_t size, bool may_refuse) {
    bool refused = false;
    for (const auto& [group, top] : acknowledged) {
        auto got = ask(of, store_request(history(group, 100'000, {}, false)));
        if (!got) {
            require(may_refuse, group + ": " + got.error().text());
            refused = true;
            continue;
        }
        const auto all = as<history_page>(std::move(got));
        require(all.top.offset == top, group + ": the top is " + std::to_string(all.top.offset) + ", not " +
                                           std::to_string(top) + ", and nobody was told");
        require(all.publications.size() == std::min<std::uint64_t>({top, size, 1000}),
                group + ": " + std::to_string(all.publications.size()) + " publications of " +
                    std::to_string(top));
        auto offset = all.publications.empty() ? 1 : all.publications.front().offset;
        for (const auto& each : all.publications) {
            require(each.offset == offset, group + ": a gap before " + std::to_string(each.offset));
            require(each.data.bytes() == text_of(group, offset),
                    group + ": other content at " + std::to_string(offset));
            ++offset;
        }
    }
    return refused;
}

}  // namespace madang::test
