// Structured log lines to stderr: a stable event name and fields, as text for a terminal or as JSON lines.
//
//     log_info("http.request", {{"request_id", id}, {"status", 200}});
//
// Any thread. A line whose level is off costs one relaxed load. Lines go through a bounded queue to a thread
// of their own, so that a stuck terminal blocks no loop; when the queue is full the oldest line is lost.
// Values are escaped: whatever they hold, a line stays one line and carries no control bytes. Never log
// tokens, secrets or payloads.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "broker/core/options.hpp"  // log_format

namespace madang {

enum class log_level : std::uint8_t { debug, info, warn, error, off };
log_level parse_log_level(std::string_view name) noexcept;  // as in options; info for what it does not know

struct log_field {
    using value_type = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

    log_field(std::string_view field, std::string_view text) : name(field), value(text) {}
    log_field(std::string_view field, const std::string& text) : name(field), value(std::string_view(text)) {}
    log_field(std::string_view field, const char* text) : name(field), value(std::string_view(text)) {}
    log_field(std::string_view field, bool flag) : name(field), value(flag) {}
    log_field(std::string_view field, std::floating_point auto number)
        : name(field), value(static_cast<double>(number)) {}
    log_field(std::string_view field, std::signed_integral auto number)
        : name(field), value(static_cast<std::int64_t>(number)) {}
    log_field(std::string_view field, std::unsigned_integral auto number)
        : name(field), value(static_cast<std::uint64_t>(number)) {}

    std::string_view name;
    value_type value;
};
using log_fields = std::initializer_list<log_field>;

inline constexpr std::size_t log_value_bytes = 1024;  // of a text value; the rest is cut

namespace detail {
inline std::atomic<log_level> active_log_level{log_level::info};
}

inline bool log_enabled(log_level level) noexcept {
    return level >= detail::active_log_level.load(std::memory_order_relaxed);
}
void write_log(log_level level, std::string_view event, log_fields fields) noexcept;  // whatever the level

inline void log(log_level level, std::string_view event, log_fields fields = {}) noexcept {
    if (log_enabled(level)) write_log(level, event, fields);
}
inline void log_debug(std::string_view event, log_fields fields = {}) noexcept {
    log(log_level::debug, event, fields);
}
inline void log_info(std::string_view event, log_fields fields = {}) noexcept {
    log(log_level::info, event, fields);
}
inline void log_warn(std::string_view event, log_fields fields = {}) noexcept {
    log(log_level::warn, event, fields);
}
inline void log_error(std::string_view event, log_fields fields = {}) noexcept {
    log(log_level::error, event, fields);
}

// Called once by main, before other threads log; without it lines go to stderr as text, at info. stop_logging
// writes what is queued and returns to that state. `keeps`: has each line as well, from the thread that
// writes; null: nobody.
void start_logging(log_format format, log_level level, std::shared_ptr<class log_ring> keeps = nullptr);
void set_log_level(log_level level) noexcept;
void stop_logging();

// For tests: until it is destroyed every line goes, whole and without its newline, to `sink`, on the thread
// that logs and under a lock; level and format as given.
class log_capture {
  public:
    log_capture(log_format format, log_level level, std::function<void(std::string_view line)> sink);
    ~log_capture();
    log_capture(const log_capture&) = delete;
    log_capture& operator=(const log_capture&) = delete;

  private:
    log_level level_before_;
};

// Lines that were lost since start_logging because stderr took them too slowly.
std::uint64_t log_lines_lost();

// Lines written at that level since the process began: what the metric madang_log_lines_total shows.
std::uint64_t log_lines(log_level level) noexcept;

// One line as it will be written, without time and newline.
std::string format_log_line(log_format format, log_level level, std::string_view event, log_fields fields);

}  // namespace madang
