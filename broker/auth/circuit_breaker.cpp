#include "broker/auth/circuit_breaker.hpp"

namespace madang {

std::optional<circuit_breaker::ticket> circuit_breaker::admit(clock_source::steady now) noexcept {
    if (state_ == state::half_open || (state_ == state::open && now < until_)) return std::nullopt;
    if (state_ == state::open) become(state::half_open);
    return round_;
}

bool circuit_breaker::done(ticket of, bool good, clock_source::steady now) noexcept {
    if (of != round_) return false;
    if (good) {
        if (state_ == state::half_open) become(state::closed);
        failed_ = 0;
        return false;
    }
    ++failed_;
    if (limit_ == 0 || (state_ == state::closed && failed_ < limit_)) return false;
    become(state::open);
    until_ = now + pause_;
    return true;
}

}  // namespace madang
