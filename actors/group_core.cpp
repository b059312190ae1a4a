#include "actors/group_core.hpp"

#include <utility>

namespace madang {

bool group_core::join(member_id member, std::size_t loop) {
    if (!loop_of_.emplace(member, static_cast<std::uint32_t>(loop)).second) return false;
    if (loop >= loops_.size()) loops_.resize(loop + 1);
    ++loops_[loop].members;
    return true;
}

std::optional<std::size_t> group_core::leave(member_id member) {
    auto found = loop_of_.find(member);
    if (found == loop_of_.end()) return std::nullopt;
    const std::size_t loop = found->second;
    --loops_[loop].members;
    if (has_pending()) loops_[loop].owed = true;
    loop_of_.erase(found);
    return loop;
}

bool group_core::publish(event e) {
    if (loop_of_.empty()) return false;
    pending_.push_back(std::move(e));
    ++next_;
    return true;
}

void group_core::settle() noexcept {
    for (auto& each : loops_) each.owed = false;
}

batch_ptr group_core::take_batch() {
    if (pending_.empty()) return nullptr;
    // Apart: the order in which arguments are evaluated is not known.
    const auto first = next_ - pending_.size();
    return std::make_shared<const batch>(name_, first, std::exchange(pending_, {}));
}

}  // namespace madang
