// What is known of every group's stream: which publication stands at which position. Whatever says something
// else later, an acknowledgement, a delivery, a recovery or the history, has lied.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace madang::test {

class ledger {
  public:
    explicit ledger(std::size_t groups) : groups_(groups) {}

    // Publication `n` stands there. Throws std::runtime_error when another did.
    void note(std::size_t group, const std::string& epoch, std::uint64_t offset, std::uint64_t n);
    // And whoever published it was told so.
    void acknowledged(std::size_t group, const std::string& epoch, std::uint64_t offset, std::uint64_t n);

    // The whole of a group's history, in order: throws when an acknowledged publication is not among it.
    void compare(std::size_t group, const std::string& epoch,
                 const std::vector<std::pair<std::uint64_t, std::uint64_t>>& offset_and_n);

    std::uint64_t acknowledged() const { return acknowledged_; }
    std::size_t epochs(std::size_t group) const { return groups_[group].epochs.size(); }

  private:
    struct stream {
        std::map<std::string, std::map<std::uint64_t, std::uint64_t>> epochs;  // epoch -> offset -> n
        std::set<std::uint64_t> acknowledged;
    };
    std::vector<stream> groups_;
    std::uint64_t acknowledged_ = 0;
};

}  // namespace madang::test
