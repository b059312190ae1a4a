// One group's closed loop: at most `in_flight` publications are outstanding, and a publication is done when
// every member has it. Also the judge of loss and order: each member must see 0, 1, 2, … from the first that
// reaches it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace madang::bench {

class publication_window {
  public:
    static constexpr std::uint64_t nothing_yet = std::numeric_limits<std::uint64_t>::max();

    publication_window(std::uint32_t members, std::uint32_t in_flight);

    bool may_publish() const { return outstanding_ < in_flight_; }
    std::uint64_t publish(std::int64_t now);  // the new publication's sequence number

    // A member whose next expected number is `next` (nothing_yet before its first) received `sequence`.
    // Returns when that was published, or nothing when it is out of order or too old to be known. What the
    // member skipped counts as lost and is not waited for.
    std::optional<std::int64_t> deliver(std::uint64_t& next, std::uint64_t sequence);

    // Stops waiting for what is outstanding; late deliveries of it are still checked for order.
    void abandon();
    // From now on publications are done with this many deliveries. Only while nothing is outstanding.
    void set_members(std::uint32_t members) { members_ = members; }

    std::uint32_t outstanding() const { return outstanding_; }
    std::uint64_t published() const { return published_; }
    std::uint64_t lost() const { return lost_; }
    std::uint64_t reordered() const { return reordered_; }  // or duplicate, or never published

  private:
    struct publication {
        std::uint64_t sequence = nothing_yet;
        std::int64_t at = 0;
        std::uint32_t missing = 0;  // members
    };

    publication& slot(std::uint64_t sequence) { return ring_[sequence & (ring_.size() - 1)]; }
    void settle(std::uint64_t sequence);

    std::vector<publication> ring_;  // a power of two, at least twice the window
    std::uint32_t members_;
    std::uint32_t in_flight_;
    std::uint32_t outstanding_ = 0;
    std::uint64_t published_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t reordered_ = 0;
};

}  // namespace madang::bench
