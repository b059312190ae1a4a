// On whose behalf a thread works: the request whose id the events that it sends carry, and its trace.
#pragma once

#include <functional>
#include <string_view>

#include "broker/core/payload.hpp"
#include "broker/core/span.hpp"

namespace madang {

// A connection, HTTP request or job that calls a plugin.
class request_source {
  public:
    // The id's text; shared by all that it sends.
    virtual payload request_id() const = 0;
    // What it does just now belongs to, besides traced_work.
    virtual work_trace trace() const { return {}; }

  protected:
    ~request_source() = default;
};

// One of which only the origin is left: a job's. The text outlives it.
class origin_source final : public request_source {
  public:
    explicit origin_source(std::string_view origin) noexcept : id_(request_id_of(origin)) {}
    payload request_id() const override { return id_.empty() ? payload{} : payload::copy_of(id_); }

  private:
    const std::string_view id_;
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
    static work_trace trace() {
        if (const auto* known = traced_work::current()) return *known;
        return current_ != nullptr ? current_->trace() : work_trace{};
    }

  private:
    static inline thread_local const request_source* current_ = nullptr;
    const request_source* before_;
};

// `post`, for what belongs to what this thread does now: run as that.
std::function<void(std::function<void()>)> in_this_trace(std::function<void(std::function<void()>)> post);

// The origin of what this thread sends; with a span of that, where its work is traced.
payload origin_of_sending(std::string_view how, std::string_view to);

}  // namespace madang
