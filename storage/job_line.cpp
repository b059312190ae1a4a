#include "storage/job_line.hpp"

#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {

bool job_line::insert(const keys::job_place& where, std::string_view job, std::int64_t since_ms) {
    const bool among = complete_ || (!first_.empty() && where < first_.rbegin()->first);
    if (!among) {
        if (begin_ && where < *begin_) begin_ = where;
        behind_.insert_or_assign(where, std::pair(std::string(job), since_ms));
        return false;
    }
    first_.insert_or_assign(where, std::pair(std::string(job), since_ms));
    trim();
    return true;
}

void job_line::trim() {
    while (first_.size() > most) {
        behind_.insert(first_.extract(std::prev(first_.end())));
        complete_ = false;
    }
}

void job_line::erase(const keys::job_place& where) {
    first_.erase(where);
    behind_.erase(where);
}

void job_line::refill() {
    if (!first_.empty() || complete_) return;
    const auto from = begin_ ? keys::placed(before_, *begin_) : before_;
    bool all = true;
    std::optional<keys::job_place> last;
    committed_
        .scan(where_, from, keys::end(before_), direction::ascending,
              [&](std::string_view key, std::string_view value) {
                  if (first_.size() >= most) return all = false;
                  byte_reader in(value);
                  const auto since = in.number<std::int64_t>();
                  if (const auto where = keys::place_of(key); where && in.good()) {
                      last = where;
                      if (const auto job = in.rest(); !leases_.has(job))
                          first_.insert_or_assign(*where, std::pair(std::string(job), since));
                  }
                  return true;
              })
        .value();
    refilled_ = !first_.empty();
    while (!behind_.empty() && (all || !(*last < behind_.begin()->first)))
        first_.insert(behind_.extract(behind_.begin()));
    complete_ = all;
    trim();
}

std::optional<job_line::item> job_line::pop() {
    refill();
    if (first_.empty()) return {};
    auto node = first_.extract(first_.begin());
    begin_ = node.key();
    ++begin_->sequence;
    return item{node.key(), std::move(node.mapped().first), node.mapped().second};
}

const std::pair<const keys::job_place, std::pair<std::string, std::int64_t>>* job_line::front() {
    refill();
    return first_.empty() ? nullptr : &*first_.begin();
}

}  // namespace madang
