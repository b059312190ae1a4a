// Jobs in a line, of a queue or of a limit: the first ones in memory, the others on the disk. What it says of
// a job has to be checked with the job: its row may have gone in this round.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/job_leases.hpp"
#include "storage/job_record.hpp"
#include "storage/kv.hpp"

namespace madang {

// Looking for the first row of a line crosses all that has been removed before it, so the line remembers
// from where on there can be one. Throws `failure` when the disk does not answer.
class job_line {
  public:
    static constexpr std::size_t most = 1024;  // in memory, besides what a round inserts behind them

    // Of rows `before` + place, but for those of leased jobs. `empty`: none is committed.
    job_line(const kv_view& committed, column where, std::string before, bool empty, const job_leases& leases)
        : committed_(committed),
          leases_(leases),
          where_(where),
          before_(std::move(before)),
          complete_(empty) {}

    // Its row is written in this round. False: far behind, it will not be asked for soon.
    bool insert(const keys::job_place& where, std::string_view job, std::int64_t since_ms);
    void erase(const keys::job_place& where);

    struct item {
        keys::job_place where;
        std::string job;
        std::int64_t since_ms = 0;
    };
    std::optional<item> pop();  // the first
    const std::pair<const keys::job_place, std::pair<std::string, std::int64_t>>* front();
    void end_round() { behind_.clear(); }
    // Once after jobs came from the disk: they are asked for next.
    bool has_refilled() noexcept { return std::exchange(refilled_, false); }
    template <class See>
    void each_first(See see) const {
        for (const auto& each : first_) see(std::string_view(each.second.first));
    }
    bool known_empty() const noexcept { return complete_ && first_.empty(); }

  private:
    using items = std::map<keys::job_place, std::pair<std::string, std::int64_t>>;
    void refill();
    void trim();

    const kv_view& committed_;
    const job_leases& leases_;
    const column where_;
    const std::string before_;
    items first_;    // of what there is, without a gap
    items behind_;   // of this round: not committed, and not among the first
    bool complete_;  // first_ is all
    bool refilled_ = false;
    std::optional<keys::job_place> begin_;  // nothing that is not in first_ stands before it
};

}  // namespace madang
