// What is recorded of a traced piece of work, and the seam to whoever keeps it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "broker/core/trace_context.hpp"

namespace madang {

enum class span_kind : std::uint8_t { internal = 1, server = 2, client = 3, producer = 4, consumer = 5 };

struct span {
    using value = std::variant<std::string, std::int64_t>;

    trace_context at;
    span_id parent{};  // zeros: none, the trace begins with it
    span_kind kind = span_kind::internal;
    std::string name;
    std::int64_t begin_ns = 0, end_ns = 0;  // Unix time
    bool failed = false;
    std::string why;                                             // of a failure
    std::vector<std::pair<std::string_view, value>> attributes;  // names that live for ever
};

// Any thread; never blocks.
class tracer {
  public:
    // Whether work that comes without a trace begins one.
    virtual bool sample() noexcept = 0;
    virtual void record(span&& what) noexcept = 0;
    virtual std::int64_t now_ns() const noexcept = 0;
    // This node's: the salt of spans that there are once per node.
    virtual std::uint64_t place() const noexcept = 0;

  protected:
    ~tracer() = default;
};

// What work belongs to. `by` null: none. Also of a trace that is not sampled: that is passed on, too.
struct work_trace {
    tracer* by = nullptr;
    trace_context at;
    bool sampled() const noexcept { return by != nullptr && at.sampled(); }
};

// While it lives, what its thread does belongs to that work, if it is some. They nest.
class traced_work {
  public:
    explicit traced_work(const work_trace& what) noexcept : before_(current_), own_(what) {
        if (own_.by != nullptr) current_ = &own_;
    }
    ~traced_work() { current_ = before_; }
    traced_work(const traced_work&) = delete;
    traced_work& operator=(const traced_work&) = delete;

    // Null: the thread's work belongs to no trace.
    static const work_trace* current() noexcept { return current_; }

  private:
    static inline thread_local const work_trace* current_ = nullptr;
    const work_trace* const before_;
    const work_trace own_;
};

// A span that has begun, recorded when it ends: at end(), or with this. Empty when the work is not traced:
// then all that it is asked does nothing.
class open_span {
  public:
    open_span() noexcept = default;
    // A child of `parent`; empty when that is not sampled.
    open_span(const work_trace& parent, span_kind kind, std::string_view name);
    // The first one here: a child of what came from outside, or, where nothing did, a trace of its own when
    // `by` says so. What is outside and not sampled is passed on.
    open_span(tracer& by, const std::optional<trace_context>& outside, span_kind kind, std::string_view name);
    open_span(open_span&&) noexcept = default;
    open_span& operator=(open_span&& other) noexcept {
        end();
        work_ = std::exchange(other.work_, {});
        what_ = std::move(other.what_);
        return *this;
    }
    ~open_span() { end(); }

    explicit operator bool() const noexcept { return what_ != nullptr; }
    // What is done within it; stays what it is when it has ended.
    const work_trace& work() const noexcept { return work_; }
    void set(std::string_view name, std::string_view value) {
        if (what_) what_->attributes.emplace_back(name, std::string(value.substr(0, most_text)));
    }
    void set(std::string_view name, std::int64_t value) {
        if (what_) what_->attributes.emplace_back(name, value);
    }
    void fail(std::string_view why) {
        if (!what_) return;
        what_->failed = true;
        what_->why = why.substr(0, most_text);
    }
    void end() noexcept {
        if (!what_) return;
        what_->end_ns = work_.by->now_ns();
        work_.by->record(std::move(*what_));
        what_.reset();
    }

    static constexpr std::size_t most_text = 1024;  // of a value; the rest is cut

  private:
    void begin(const span_id& parent, span_kind kind, std::string_view name);

    work_trace work_;
    std::unique_ptr<span> what_;
};

// Within an origin (trace_context.hpp): what a node's members do with an event of that origin.
work_trace delivery_of(tracer* by, std::string_view origin) noexcept;
// What the attempt of a job with that token does; the id of its span.
work_trace attempt_of(tracer* by, std::string_view origin, std::uint64_t token) noexcept;

}  // namespace madang
