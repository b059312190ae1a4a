#include "storage/stream_table.hpp"

#include <algorithm>

namespace madang {

std::size_t stream_state::size_of(const publication& what) noexcept {
    constexpr std::size_t block = 64;  // of the heap, with its own words
    std::size_t size = sizeof(kept_publication) + block + what.data.bytes().size();
    if (what.extra) {
        size += block + sizeof(publication_extra);
        if (const auto& who = what.extra->info)
            size += block + sizeof(client_info) + who->client.size() + who->user.size() +
                    who->conn_info.size() + who->chan_info.size();
        for (const auto& each : what.extra->tags) size += sizeof(tag) + each.name.size() + each.value.size();
    }
    return size;
}

void stream_state::pop_front() {
    bytes_ -= size_of(tail_[first_].what);
    tail_[first_].what = {};
    if (++first_ == tail_.size()) {
        tail_.clear();
        first_ = 0;
    } else if (first_ >= 16 && first_ * 2 >= tail_.size()) {
        tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
}

stream_table::~stream_table() {
    totals_.streams -= order_.size();
    totals_.tail_bytes -= tail_bytes_;
}

stream_state* stream_table::find(std::string_view group) {
    const auto found = by_group_.find(group);
    if (found == by_group_.end()) return nullptr;
    if (found->second != order_.begin()) order_.splice(order_.begin(), order_, found->second);
    return &*found->second;
}

stream_state& stream_table::insert(std::string_view group, stream_record record) {
    auto& state = order_.emplace_front();
    state.group = group;
    state.record = std::move(record);
    by_group_.emplace(state.group, order_.begin());
    ++totals_.streams;
    return state;
}

void stream_table::erase(order::iterator which) {
    tail_bytes_ -= which->bytes_;
    totals_.tail_bytes -= which->bytes_;
    --totals_.streams;
    by_group_.erase(which->group);
    order_.erase(which);
}

void stream_table::erase(stream_state& which) { erase(by_group_.at(which.group)); }

void stream_table::append(stream_state& to, kept_publication what) {
    const auto size = stream_state::size_of(what.what);
    to.tail_.push_back(std::move(what));
    to.bytes_ += size;
    tail_bytes_ += size;
    totals_.tail_bytes += size;
}

void stream_table::drop_before(stream_state& of, std::uint64_t offset) {
    const auto before = of.bytes_;
    while (of.kept() != 0 && of.first_offset() < offset) of.pop_front();
    tail_bytes_ -= before - of.bytes_;
    totals_.tail_bytes -= before - of.bytes_;
}

std::uint64_t stream_table::trim() {
    std::uint64_t waits = 0;
    while (order_.size() > streams_limit_ || (tail_bytes_ > tail_limit_ && order_.size() > 1)) {
        waits = std::max(waits, order_.back().sync_round);
        erase(std::prev(order_.end()));
    }
    while (tail_bytes_ > tail_limit_) drop_before(order_.front(), order_.front().first_offset() + 1);
    return waits;
}

}  // namespace madang
