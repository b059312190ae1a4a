#include "tests/torture/recovery/ledger.hpp"

#include <stdexcept>

namespace madang::test {

void ledger::note(std::size_t group, const std::string& epoch, std::uint64_t offset, std::uint64_t n) {
    const auto [at, fresh] = groups_[group].epochs[epoch].try_emplace(offset, n);
    if (!fresh && at->second != n)
        throw std::runtime_error("group " + std::to_string(group) + ", epoch " + epoch + ", offset " +
                                 std::to_string(offset) + " was publication " + std::to_string(at->second) +
                                 " and is now " + std::to_string(n));
}

void ledger::acknowledged(std::size_t group, const std::string& epoch, std::uint64_t offset,
                          std::uint64_t n) {
    note(group, epoch, offset, n);
    groups_[group].acknowledged.insert(n);
    ++acknowledged_;
}

void ledger::compare(std::size_t group, const std::string& epoch,
                     const std::vector<std::pair<std::uint64_t, std::uint64_t>>& offset_and_n) {
    std::set<std::uint64_t> there;
    std::uint64_t before = 0;
    for (const auto& [offset, n] : offset_and_n) {
        if (before != 0 && offset != before + 1)
            throw std::runtime_error("group " + std::to_string(group) + ": the history jumps from " +
                                     std::to_string(before) + " to " + std::to_string(offset));
        before = offset;
        note(group, epoch, offset, n);
        if (!there.insert(n).second)
            throw std::runtime_error("group " + std::to_string(group) + " keeps publication " +
                                     std::to_string(n) + " twice");
    }
    std::string lost;
    for (const auto n : groups_[group].acknowledged)
        if (!there.contains(n)) lost += " " + std::to_string(n);
    if (!lost.empty())
        throw std::runtime_error("group " + std::to_string(group) +
                                 " lost acknowledged publications:" + lost.substr(0, 500));
}

}  // namespace madang::test
