#include "broker/core/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "broker/core/ascii.hpp"
#include "broker/core/log_ring.hpp"
#include "broker/core/span.hpp"
#include "broker/core/utf8.hpp"

namespace madang {

namespace {

constexpr std::size_t queue_lines = 8192;
constexpr std::string_view level_names[] = {"debug", "info", "warn", "error", "off"};

// C0 and C1 controls, DEL, line separators, and what reorders text (bidirectional controls): nothing a
// terminal or a reader of lines could be deceived with.
bool unsafe(char32_t c) noexcept {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f ||
           c == 0xfeff;
}

// A JSON string (RFC 8259 7), which serves as quoted text too.
void append_quoted(std::string& out, std::string_view value) {
    constexpr char digits[] = "0123456789abcdef";
    const bool cut = value.size() > log_value_bytes;
    if (cut) value = cut_utf8(value, log_value_bytes);
    out += '"';
    for (std::size_t at = 0; at < value.size();) {
        const auto [point, length] = read_utf8(value, at);
        if (length == 0) {
            out += "\\ufffd";
            ++at;
            continue;
        }
        if (point == '"' || point == '\\') {
            out += '\\';
            out += static_cast<char>(point);
        } else if (unsafe(point)) {
            out += "\\u";
            for (int shift = 12; shift >= 0; shift -= 4) out += digits[point >> shift & 15];
        } else {
            out += value.substr(at, length);
        }
        at += length;
    }
    out += cut ? "…\"" : "\"";
}

bool plain(char c) noexcept { return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '='; }

void append_text(std::string& out, std::string_view value) {
    for (const char c : value) {
        if (!plain(c)) return append_quoted(out, value);
    }
    if (value.empty() || value.size() > log_value_bytes) return append_quoted(out, value);
    out += value;
}

// Names are the program's own; one that came from elsewhere cannot break the line either.
void append_name(std::string& out, std::string_view name) {
    for (const char c : name.substr(0, 64)) out += is_name_character(c) ? c : '_';
    if (name.empty()) out += '_';
}

template <class Number>
void append_number(std::string& out, Number number) {
    char room[32];
    out.append(room, std::to_chars(room, room + sizeof(room), number).ptr);
}

void append_value(std::string& out, const log_field::value_type& value, log_format format) {
    std::visit(
        [&](const auto& held) {
            using held_type = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<held_type, std::string_view>) {
                format == log_format::json ? append_quoted(out, held) : append_text(out, held);
            } else if constexpr (std::is_same_v<held_type, bool>) {
                out += held ? "true" : "false";
            } else if constexpr (std::is_same_v<held_type, double>) {
                std::isfinite(held) ? append_number(out, held) : void(out += "null");
            } else {
                append_number(out, held);
            }
        },
        value);
}

class captured_sink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    explicit captured_sink(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        sink_(std::string_view(line.data(), line.size() - 1));
    }
    void flush_() override {}

  private:
    std::function<void(std::string_view)> sink_;
};

class ring_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    explicit ring_sink(std::shared_ptr<log_ring> ring) : ring_(std::move(ring)) {}

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        using namespace std::chrono;
        ring_->add(duration_cast<milliseconds>(message.time.time_since_epoch()).count(),
                   std::string_view(message.payload.data(), message.payload.size()));
    }
    void flush_() override {}

  private:
    std::shared_ptr<log_ring> ring_;  // which has a lock of its own
};

// The one logger of the process.
struct logging {
    std::mutex lock;  // of the three below
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::logger> logger = plain_stderr();
    std::shared_ptr<spdlog::logger> captured;
    std::atomic<log_format> format{log_format::text};
    std::atomic<log_format> format_before_capture{log_format::text};
    std::atomic<std::uint64_t> lines[std::size(level_names)] = {};

    static std::shared_ptr<spdlog::logger> prepared(std::shared_ptr<spdlog::logger> logger,
                                                    log_format format) {
        logger->set_level(spdlog::level::trace);
        logger->set_pattern(format == log_format::json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}"
                                                       : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                            spdlog::pattern_time_type::utc);
        return logger;
    }
    static std::shared_ptr<spdlog::logger> plain_stderr() {
        return prepared(
            std::make_shared<spdlog::logger>("madang", std::make_shared<spdlog::sinks::stderr_sink_mt>()),
            log_format::text);
    }
    std::shared_ptr<spdlog::logger> current() {
        const std::lock_guard held(lock);
        return captured ? captured : logger;
    }
};

logging& the_logging() {
    static logging& only = *new logging;  // never destroyed: threads may log until the end
    return only;
}

}  // namespace

log_level parse_log_level(std::string_view name) noexcept {
    for (std::size_t i = 0; i < std::size(level_names); ++i) {
        if (level_names[i] == name) return static_cast<log_level>(i);
    }
    return log_level::info;
}

std::string format_log_line(log_format format, log_level level, std::string_view event, log_fields fields) {
    std::string out;
    const auto level_name = level_names[static_cast<std::size_t>(level)];
    if (format == log_format::json) {
        out.append("\"level\":\"").append(level_name).append("\",\"event\":\"");
        append_name(out, event);
        out += '"';
        for (const auto& field : fields) {
            out += ",\"";
            append_name(out, field.name);
            out += "\":";
            append_value(out, field.value, format);
        }
    } else {
        out.append(level_name).append(6 - level_name.size(), ' ');
        append_name(out, event);
        for (const auto& field : fields) {
            out += ' ';
            append_name(out, field.name);
            out += '=';
            append_value(out, field.value, format);
        }
    }
    return out;
}

void write_log(log_level level, std::string_view event, log_fields fields) noexcept {
    try {
        auto& all = the_logging();
        all.lines[static_cast<std::size_t>(level)].fetch_add(1, std::memory_order_relaxed);
        const auto format = all.format.load(std::memory_order_relaxed);
        auto line = format_log_line(format, level, event, fields);
        if (const auto* work = traced_work::current()) {
            const bool json = format == log_format::json;
            line.append(json ? R"(,"trace_id":")" : " trace_id=").append(to_hex(work->at.trace));
            if (json) line += '"';
        }
        all.current()->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
    } catch (...) {  // no memory for a line: the line is lost, the caller is not
    }
}

void start_logging(log_format format, log_level level, std::shared_ptr<log_ring> keeps) {
    auto& all = the_logging();
    const std::lock_guard held(all.lock);
    all.pool = std::make_shared<spdlog::details::thread_pool>(queue_lines, 1);
    std::vector<spdlog::sink_ptr> sinks;  // the ring first: a stuck terminal keeps nothing from it
    if (keeps) sinks.push_back(std::make_shared<ring_sink>(std::move(keeps)));
    sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    all.logger = logging::prepared(
        std::make_shared<spdlog::async_logger>("madang", sinks.begin(), sinks.end(), all.pool,
                                               spdlog::async_overflow_policy::overrun_oldest),
        format);
    all.format.store(format);
    detail::active_log_level.store(level);
}

void set_log_level(log_level level) noexcept { detail::active_log_level.store(level); }

void stop_logging() {
    auto& all = the_logging();
    std::shared_ptr<spdlog::details::thread_pool> ending;
    {
        const std::lock_guard held(all.lock);
        all.logger = logging::plain_stderr();
        ending = std::move(all.pool);
        all.format.store(log_format::text);
        detail::active_log_level.store(log_level::info);
    }
    // The pool's destructor, here, writes what is queued and joins.
}

log_capture::log_capture(log_format format, log_level level, std::function<void(std::string_view)> sink)
    : level_before_(detail::active_log_level.load()) {
    auto& all = the_logging();
    const std::lock_guard held(all.lock);
    all.captured = logging::prepared(
        std::make_shared<spdlog::logger>("captured", std::make_shared<captured_sink>(std::move(sink))),
        format);
    all.format_before_capture.store(all.format.exchange(format));
    detail::active_log_level.store(level);
}

log_capture::~log_capture() {
    auto& all = the_logging();
    const std::lock_guard held(all.lock);
    all.captured.reset();
    all.format.store(all.format_before_capture.load());
    detail::active_log_level.store(level_before_);
}

std::uint64_t log_lines_lost() {
    auto& all = the_logging();
    const std::lock_guard held(all.lock);
    return all.pool ? all.pool->overrun_counter() : 0;
}

std::uint64_t log_lines(log_level level) noexcept {
    return the_logging().lines[static_cast<std::size_t>(level)].load(std::memory_order_relaxed);
}

}  // namespace madang
