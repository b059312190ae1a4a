#include "storage/due_line.hpp"

#include <algorithm>

#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {
namespace {

std::int64_t time_of(std::string_view key) { return byte_reader(key.substr(1)).number<std::int64_t>(); }

}  // namespace

void due_line::insert(std::int64_t time_ms, std::string_view job) {
    auto key = keys::job_row(kind_, time_ms, job);
    if (inserted_key_.empty() || key < inserted_key_) inserted_key_ = std::move(key);
    inserted_ = std::min(inserted_, time_ms);
}

void due_line::look() {
    if (looked_) return;
    const auto prefix = keys::job_row(kind_);
    next_ = never;
    committed_
        .scan(column::job_rows, std::max(prefix, from_), keys::end(prefix), direction::ascending,
              [&](std::string_view key, std::string_view) {
                  next_ = time_of(key);
                  from_ = key;
                  return false;
              })
        .value();
    if (next_ == never) from_ = keys::end(prefix);
    looked_ = true;
}

bool due_line::take(std::int64_t now_ms, std::size_t most,
                    const std::function<void(std::string_view, std::int64_t)>& see) {
    look();
    if (next_ > now_ms) return true;
    std::vector<std::string> found;
    next_ = never;
    const auto prefix = keys::job_row(kind_);
    std::string stopped = keys::end(prefix);
    committed_
        .scan(column::job_rows, from_, keys::end(prefix), direction::ascending,
              [&](std::string_view key, std::string_view) {
                  if (time_of(key) > now_ms || found.size() >= most) {
                      next_ = time_of(key);
                      stopped = key;
                      return false;
                  }
                  found.emplace_back(key);
                  return true;
              })
        .value();
    from_ = std::move(stopped);
    for (const auto& each : found) see(std::string_view(each).substr(9), time_of(each));
    return next_ > now_ms;
}

std::int64_t due_line::next() {
    look();
    return std::min(next_, inserted_);
}

void due_line::end_round() {
    if (!inserted_key_.empty() && looked_ && inserted_key_ < from_) {
        from_ = inserted_key_;
        next_ = inserted_;
    }
    inserted_ = never;
    inserted_key_.clear();
}

void due_line::reset() {
    from_.clear();
    looked_ = false;
    inserted_ = never;
    inserted_key_.clear();
}

}  // namespace madang
