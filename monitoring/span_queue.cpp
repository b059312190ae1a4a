#include "monitoring/span_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace madang {

bool span_queue::add(span&& what, time now) {
    if (size() >= limits_.spans) {
        ++dropped_;
        return false;
    }
    if (waiting_.empty()) since_ = now;
    waiting_.push_back(std::move(what));
    return true;
}

const std::vector<span>& span_queue::take(time now, bool all) {
    static const std::vector<span> none;
    if (sending_ || (now < not_before_ && !all)) return none;
    if (under_way_.empty()) {
        const bool ripe =
            waiting_.size() >= limits_.batch || (!waiting_.empty() && now - since_ >= limits_.interval);
        if (!ripe && !all) return none;
        const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), limits_.batch));
        std::move(waiting_.begin(), waiting_.begin() + count, std::back_inserter(under_way_));
        waiting_.erase(waiting_.begin(), waiting_.begin() + count);
        since_ = now;
    }
    sending_ = !under_way_.empty();
    return under_way_;
}

std::optional<span_queue::time> span_queue::due() const {
    if (sending_ || size() == 0) return std::nullopt;
    if (!under_way_.empty()) return not_before_;
    const auto ripe = waiting_.size() >= limits_.batch ? time::min() : since_ + limits_.interval;
    return std::max(ripe, not_before_);
}

void span_queue::done(outcome how, time now) {
    sending_ = false;
    if (how == outcome::away) {
        pause_ = std::clamp(2 * pause_, limits_.least_pause, limits_.most_pause);
        not_before_ = now + pause_;
        return;
    }
    pause_ = {};
    not_before_ = {};
    (how == outcome::sent ? exported_ : failed_) += under_way_.size();
    under_way_.clear();
}

}  // namespace madang
