// The server as a plugin sees it: the ABI's function table, copied, with the plugin's own handle; and the few
// helpers that every other header of the SDK uses.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include "madang/abi.h"
#include "madang/jobs.h"
#include "madang/streams.h"

namespace madang {

// An argument was refused by the server: a malformed name, a wrong state, a message that is too large.
// Escaping from a consumer's function it closes the connection with 1011, as any exception does.
class Error : public std::runtime_error {
  public:
    // what: for people, and for the log.
    Error(madang_status status, const std::string& what) : std::runtime_error(what), status_(status) {}
    madang_status status() const noexcept { return status_; }  // what the server answered; never MADANG_OK

  private:
    madang_status status_;
};

// Of a line in the server's log.
enum class Level : std::uint8_t {
    debug = MADANG_DEBUG,  // for whoever develops the plugin
    info = MADANG_INFO,    // what happened
    warn = MADANG_WARN,    // what somebody should look at
    error = MADANG_ERROR   // what failed
};

namespace detail {

inline madang_str to_abi(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view from_abi(madang_str text) noexcept { return {text.data, text.size}; }

inline const char* describe(madang_status status) noexcept {
    switch (status) {
        case MADANG_OK:
            return "accepted";
        case MADANG_FAILED:
            return "failed";
        case MADANG_INVALID:
            return "an argument is malformed or not allowed in this state";
        case MADANG_CLOSED:
            return "the connection is closed";
        case MADANG_BUSY:
            return "a bounded queue or table is full";
        case MADANG_TOO_LARGE:
            return "larger than the limit";
        case MADANG_UNSUPPORTED:
            return "this server does not have it";
        case MADANG_NOT_FOUND:
            return "there is no such channel";
    }
    return "unknown status";
}

[[noreturn]] inline void refuse(madang_status status, std::string_view call, std::string_view argument) {
    std::string what(call);
    if (!argument.empty()) what.append("(\"").append(argument.substr(0, 100)).append("\")");
    throw Error(status, what + ": " + describe(status));
}

// True: done. False: not delivered, as may happen at any time to anybody (closed, busy, no such channel).
// What the caller did wrong is thrown.
inline bool done(madang_status status, std::string_view call, std::string_view argument = {}) {
    if (status == MADANG_OK) [[likely]]
        return true;
    if (status == MADANG_CLOSED || status == MADANG_BUSY || status == MADANG_NOT_FOUND) return false;
    refuse(status, call, argument);
}

}  // namespace detail

// The server's functions. Lives as long as the plugin; any thread.
class Host {
  public:
    // By the SDK, before everything else. Members that an older server's table lacks stay null.
    Host(madang_host* handle, const madang_host_api& table) noexcept : handle(handle) {
        std::memcpy(&api, &table, std::min<std::size_t>(sizeof api, table.struct_size));
        if (api.get_extension == nullptr) return;
        streams = static_cast<const madang_streams*>(api.get_extension(handle, MADANG_STREAMS));
        jobs = static_cast<const madang_jobs*>(api.get_extension(handle, MADANG_JOBS));
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    // event: a stable name for machines ("room_refused"); message: for people.
    void log(Level level, std::string_view event, std::string_view message) const noexcept {
        api.log(handle, static_cast<madang_log_level>(level), detail::to_abi(event), detail::to_abi(message));
    }
    // Steady, from an arbitrary start.
    std::chrono::milliseconds now() const noexcept { return std::chrono::milliseconds(api.now_ms(handle)); }
    // An optional table by name and major version ("madang.jobs/1"), or null.
    const void* extension(const char* name) const noexcept { return api.get_extension(handle, name); }

    madang_host_api api{};                    // the ABI's table, for what this layer does not have
    madang_host* handle;                      // the plugin's own, for those functions
    const madang_streams* streams = nullptr;  // null: this server has none
    const madang_jobs* jobs = nullptr;        // null: this server has none
};

}  // namespace madang
