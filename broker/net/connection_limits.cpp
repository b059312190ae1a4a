#include "broker/net/connection_limits.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace madang {

connection_slot::~connection_slot() {
    if (limits_) limits_->release(*this);
}

connection_limits::verdict connection_limits::admit(std::string_view address, connection_slot& slot) {
    std::lock_guard lock(mutex_);
    if (total_ != 0 && connections_ >= total_) return verdict::full;
    if (count(address, slot) != verdict::admitted) return verdict::address_full;
    ++connections_;
    slot.limits_ = this;
    return verdict::admitted;
}

connection_limits::verdict connection_limits::assign(connection_slot& slot, std::string_view address) {
    std::lock_guard lock(mutex_);
    if (slot.address_ && slot.address_->first == address) return verdict::admitted;
    connection_slot counted;
    if (count(address, counted) != verdict::admitted) return verdict::address_full;
    uncount(slot);
    slot.address_ = std::exchange(counted.address_, nullptr);
    return verdict::admitted;
}

std::uint32_t connection_limits::connections() const {
    std::lock_guard lock(mutex_);
    return connections_;
}

connection_limits::verdict connection_limits::count(std::string_view address, connection_slot& slot) {
    if (per_address_ == 0 || address.empty()) return verdict::admitted;
    auto& entry = *addresses_.try_emplace(std::string(address), 0).first;
    if (entry.second >= per_address_) return verdict::address_full;
    ++entry.second;
    slot.address_ = &entry;
    return verdict::admitted;
}

void connection_limits::uncount(connection_slot& slot) {
    auto* entry = std::exchange(slot.address_, nullptr);
    if (entry && --entry->second == 0) addresses_.erase(entry->first);
}

void connection_limits::release(connection_slot& slot) {
    std::lock_guard lock(mutex_);
    uncount(slot);
    --connections_;
}

std::uint32_t connections_by_file_limit() {
    // Libraries, logs, plugins, static files being sent, the loops' own.
    constexpr std::uint32_t own_files = 256;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 1u << 20;
    auto files = static_cast<std::uint32_t>(std::min<rlim_t>(limit.rlim_cur, 1u << 24));
    return files > 2 * own_files ? files - own_files : std::max(files / 2, 1u);
}

}  // namespace madang
