// What a shard keeps of its streams in memory: a bounded cache of what is committed, least recently used out.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/codec.hpp"

namespace madang {

// Of all shards together; changed and read by the writer's thread.
struct cache_totals {
    std::size_t streams = 0;
    std::size_t tail_bytes = 0;
    std::size_t present = 0;
};

class stream_state {
  public:
    std::string group;
    stream_record record;
    std::uint64_t sync_round = 0;  // the round that has to be synced before what is here may be told
    bool touched = false;          // in a round that is not committed

    // The latest publications, without a gap, up to record.top.
    std::size_t kept() const noexcept { return tail_.size() - first_; }
    const kept_publication& at(std::size_t index) const noexcept { return tail_[first_ + index]; }
    std::uint64_t first_offset() const noexcept {  // top + 1: none
        return record.top + 1 - kept();
    }
    std::size_t bytes() const noexcept { return bytes_; }
    static std::size_t size_of(const publication& what) noexcept;

  private:
    friend class stream_table;
    void pop_front();

    std::vector<kept_publication> tail_;  // from first_ on
    std::size_t first_ = 0;
    std::size_t bytes_ = 0;
};

// A reference to a state is good until trim() or erase().
class stream_table {
  public:
    stream_table(std::size_t streams, std::size_t tail_bytes, cache_totals& totals)
        : streams_limit_(streams), tail_limit_(tail_bytes), totals_(totals) {}
    ~stream_table();
    stream_table(const stream_table&) = delete;
    stream_table& operator=(const stream_table&) = delete;

    stream_state* find(std::string_view group);  // null: not in memory
    stream_state& insert(std::string_view group, stream_record record);
    void erase(stream_state& which);
    void append(stream_state& to, kept_publication what);  // its offset is record.top
    void drop_before(stream_state& of, std::uint64_t offset);
    // Back within the limits. The most that a forgotten stream waits for is the result's sync_round.
    std::uint64_t trim();

  private:
    using order = std::list<stream_state>;
    void erase(order::iterator which);

    std::size_t streams_limit_, tail_limit_;
    cache_totals& totals_;
    std::size_t tail_bytes_ = 0;
    order order_;  // the most recently used first
    std::unordered_map<std::string_view, order::iterator> by_group_;
};

}  // namespace madang
