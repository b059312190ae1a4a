// The store's bytes in memory: gone with the process, never full.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>

#include "storage/kv.hpp"

namespace madang {

class memory_kv : public kv {
  public:
    // Idempotency keys beyond `most_keys` are forgotten, oldest first.
    explicit memory_kv(std::size_t most_keys = 1'000'000) : most_keys_(most_keys) {}
    result<std::optional<std::string>> get(column from, std::string_view key) const override;
    result<void> scan(column from, std::string_view begin, std::string_view end, direction order,
                      const visitor& see) const override;
    std::unique_ptr<kv_batch> new_batch() override;
    result<void> commit(kv_batch& what) override;
    std::unique_ptr<kv_view> view() override { return nullptr; }
    // Memory has no compaction: what is over goes a little at each commit, round and round.
    void set_now(std::int64_t ms) noexcept override { now_ms_ = ms; }

    std::uint64_t keys_forgotten() const noexcept override {
        return forgotten_.load(std::memory_order_relaxed);
    }

    std::size_t records() const noexcept;

  private:
    void sweep();
    void limit_keys();

    std::array<std::map<std::string, std::string, std::less<>>, column_count> columns_;
    std::int64_t now_ms_ = 0;
    std::size_t sweep_column_ = 0;
    std::string sweep_at_;
    const std::size_t most_keys_;
    struct kept_key {
        std::string key;
        std::int64_t ends_ms;  // its record's: another one's is of a later entry
    };
    std::deque<kept_key> keys_;  // of the column idempotency, as they came; some may be gone
    std::atomic<std::uint64_t> forgotten_{0};
};

}  // namespace madang
