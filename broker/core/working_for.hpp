// On whose behalf a thread works: the request whose id the events that it sends carry.
#pragma once

#include "broker/core/payload.hpp"

namespace madang {

// A connection or HTTP request that calls a plugin.
class request_source {
  public:
    // The id's text; shared by all that it sends.
    virtual payload request_id() const = 0;

  protected:
    ~request_source() = default;
};

// While it lives, its thread works for that request. They nest.
class working_for {
  public:
    explicit working_for(const request_source& who) noexcept : before_(current_) { current_ = &who; }
    ~working_for() { current_ = before_; }
    working_for(const working_for&) = delete;
    working_for& operator=(const working_for&) = delete;

    // Empty when it works for nobody.
    static payload request_id() { return current_ != nullptr ? current_->request_id() : payload{}; }

  private:
    static inline thread_local const request_source* current_ = nullptr;
    const request_source* before_;
};

}  // namespace madang
