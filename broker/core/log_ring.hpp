// The last lines of the log, in memory: what the admin page shows of it. Bounded by number and by bytes; the
// oldest goes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "broker/core/log.hpp"

namespace madang {

// Any thread. `add` copies the line under a lock, and nothing is looked at before somebody reads:
// start_logging has the log's own thread call it.
class log_ring {
  public:
    struct limits {
        std::size_t lines = 0;  // 0: nothing is kept
        std::size_t bytes = 0;  // of the lines' texts and line_cost for each
    };
    static constexpr std::size_t line_cost = 64;
    explicit log_ring(limits most) : limits_(most) {}

    // `line` is one of format_log_line.
    void add(std::int64_t unix_ms, std::string_view line);

    struct question {
        std::uint64_t after = 0;  // a `next`; 0: from the beginning
        log_level least = log_level::debug;
        std::string_view text{};  // in the line as it was written; "": any
        std::size_t limit = 200;  // lines of an answer: the last ones
    };
    // {"next":…,"lost":…,"skipped":…,"lines":[{"n":…,"time_ms":…,"level":"info","event":"…","fields":{…}},…]},
    // the oldest first. `lost`: lines that came after `after` and are not kept any more, whatever they were;
    // `skipped`: those that fit and are more than the limit. Of the text format every field is a string.
    std::string read(const question& what) const;

  private:
    struct kept {
        std::int64_t unix_ms;
        log_level level;
        std::string line;
    };
    static std::size_t cost(const kept& one) noexcept { return one.line.size() + line_cost; }

    const limits limits_;
    mutable std::mutex mutex_;
    std::deque<kept> lines_;
    std::size_t bytes_ = 0;
    std::uint64_t added_ = 0;  // the last one's number; the first is 1
};

}  // namespace madang
