#include "storage/memory_kv.hpp"

#include <vector>

#include "storage/bytes.hpp"
#include "storage/codec.hpp"

namespace madang {
namespace {

struct operation {
    enum class verb : std::uint8_t { put, remove, remove_range } what;
    column where;
    std::string key;
    std::string value;  // remove_range: the end
};

class memory_batch final : public kv_batch {
  public:
    void put(column into, std::string_view key, std::string_view value) override {
        add({operation::verb::put, into, std::string(key), std::string(value)});
    }
    void remove(column from, std::string_view key) override {
        add({operation::verb::remove, from, std::string(key), {}});
    }
    void remove_range(column from, std::string_view begin, std::string_view end) override {
        add({operation::verb::remove_range, from, std::string(begin), std::string(end)});
    }
    void clear() override {
        operations.clear();
        bytes_ = 0;
    }
    std::size_t bytes() const override { return bytes_; }

    std::vector<operation> operations;

  private:
    void add(operation what) {
        bytes_ += what.key.size() + what.value.size() + 1;
        operations.push_back(std::move(what));
    }
    std::size_t bytes_ = 0;
};

constexpr std::size_t swept_per_operation = 2;

// Of a column whose records end by themselves.
std::int64_t end_in(std::string_view value) { return byte_reader(value).number<std::int64_t>(); }

}  // namespace

result<std::optional<std::string>> memory_kv::get(column from, std::string_view key) const {
    const auto& all = columns_[static_cast<std::size_t>(from)];
    const auto found = all.find(key);
    return found == all.end() ? std::optional<std::string>() : std::optional(found->second);
}

result<void> memory_kv::scan(column from, std::string_view begin, std::string_view end, direction order,
                             const visitor& see) const {
    const auto& all = columns_[static_cast<std::size_t>(from)];
    auto first = all.lower_bound(begin), last = begin < end ? all.lower_bound(end) : first;
    if (order == direction::ascending) {
        while (first != last && see(first->first, first->second)) ++first;
    } else {
        while (first != last) {
            --last;
            if (!see(last->first, last->second)) break;
        }
    }
    return {};
}

std::unique_ptr<kv_batch> memory_kv::new_batch() { return std::make_unique<memory_batch>(); }

result<void> memory_kv::commit(kv_batch& what) {
    auto& operations = static_cast<memory_batch&>(what).operations;
    for (auto& each : operations) {
        auto& all = columns_[static_cast<std::size_t>(each.where)];
        switch (each.what) {
            case operation::verb::put:
                if (each.where == column::idempotency) keys_.push_back({each.key, end_in(each.value)});
                all.insert_or_assign(std::move(each.key), std::move(each.value));
                break;
            case operation::verb::remove:
                all.erase(each.key);
                break;
            case operation::verb::remove_range:
                if (each.key < each.value) all.erase(all.lower_bound(each.key), all.lower_bound(each.value));
                break;
        }
        sweep();
    }
    limit_keys();
    return {};
}

void memory_kv::limit_keys() {
    auto& all = columns_[static_cast<std::size_t>(column::idempotency)];
    while (!keys_.empty()) {
        const auto oldest = all.find(keys_.front().key);
        const bool there = oldest != all.end() && end_in(oldest->second) == keys_.front().ends_ms;
        if (there && all.size() <= most_keys_) return;
        if (there) {
            all.erase(oldest);
            forgotten_.fetch_add(1, std::memory_order_relaxed);
        }
        keys_.pop_front();
    }
}

void memory_kv::sweep() {
    for (std::size_t i = 0; i < swept_per_operation; ++i) {
        auto& all = columns_[sweep_column_];
        const auto at = all.lower_bound(sweep_at_);
        if (column_rows[sweep_column_].kept != lifetime::until_its_time || at == all.end()) {
            sweep_column_ = (sweep_column_ + 1) % column_count;
            sweep_at_.clear();
            continue;
        }
        sweep_at_ = at->first + '\0';  // the next key there can be
        if (is_over(end_in(at->second), now_ms_)) all.erase(at);
    }
}

std::size_t memory_kv::records() const noexcept {
    std::size_t sum = 0;
    for (const auto& each : columns_) sum += each.size();
    return sum;
}

}  // namespace madang
