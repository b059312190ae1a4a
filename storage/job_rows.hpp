// The seldom changed rows of the jobs' shard as they are within a round: what is committed, and over it what
// this round did. Throws `failure` when the disk does not answer.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "storage/kv.hpp"

namespace madang {

class job_rows {
  public:
    explicit job_rows(const kv_view& committed) : committed_(committed) {}

    std::optional<std::string> get(column from, std::string_view key) const;
    void put(column into, std::string key, std::string value) {
        change(into, std::move(key), std::move(value));
    }
    void remove(column from, std::string key) { change(from, std::move(key), {}); }
    // Keys of [begin, end), ascending, until `see` says false. `see` must not change rows.
    void scan(column from, std::string_view begin, std::string_view end, const kv_view::visitor& see) const;
    // Those that begin so.
    void scan(column from, const std::string& prefix, const kv_view::visitor& see) const;

    std::size_t bytes() const noexcept { return bytes_; }
    void seal(kv_batch& into) const;
    void forget();  // the round is committed, or never was

  private:
    using changes = std::map<std::string, std::optional<std::string>, std::less<>>;
    void change(column in, std::string key, std::optional<std::string> value);
    changes& of(column which) { return changes_[which == column::job_terms]; }
    const changes& of(column which) const { return changes_[which == column::job_terms]; }

    const kv_view& committed_;
    std::array<changes, 2> changes_;  // of job_rows, job_terms
    std::size_t bytes_ = 0;
};

}  // namespace madang
