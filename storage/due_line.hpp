// Jobs by the time at which something is due with them. What it says of a job has to be checked with the job.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include "storage/job_record.hpp"
#include "storage/kv.hpp"

namespace madang {

// Remembers from where on there can be a row, so that what was removed before it is not crossed again.
// Throws `failure` when the disk does not answer.
class due_line {
  public:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    due_line(const kv_view& committed, keys::row kind) : committed_(committed), kind_(kind) {}

    void insert(std::int64_t time_ms, std::string_view job);  // its row is written in this round
    // Those committed that are due by `now_ms`, `most` of them. False: there may be more.
    bool take(std::int64_t now_ms, std::size_t most,
              const std::function<void(std::string_view job, std::int64_t time_ms)>& see);
    std::int64_t next();  // of those that were not taken; never: there is none
    void end_round();
    void reset();  // to what is committed

  private:
    void look();  // for the first one

    const kv_view& committed_;
    const keys::row kind_;
    std::string from_;       // no committed row that was not taken is before it
    std::int64_t next_ = 0;  // of the committed; right when looked_
    bool looked_ = false;
    std::int64_t inserted_ = never;  // the first of this round
    std::string inserted_key_;
};

}  // namespace madang
