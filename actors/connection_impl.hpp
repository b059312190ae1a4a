// What connection's three source files share.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "actors/connection.hpp"
#include "actors/handler_clock.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/core/log.hpp"

namespace madang {

// What only the time before accept needs.
struct connection::handshake {
    std::string accept_key;
    std::string default_subprotocol;
    std::string extensions;
    loop::clock::time_point began;
};

// The answer to a handshake that is not accepted.
std::string http_refusal(unsigned status, std::string_view reason, std::string_view request_id);

// A failure of ours (std::bad_alloc, say) costs this connection and no other.
template <class Function>
void connection::guarded(Function fn) noexcept {
    try {
        fn();
    } catch (const std::exception& e) {
        log_error("ws.exception", {{"what", e.what()}, {"request_id", scope_.get(scope_field::request_id)}});
        code_ = close_code::internal;
        calls_ = 0;
        delivering_ = false;
        end();
    }
}

// Every call into an async consumer goes through here: timed, its failure contained, and what it asked for
// that must not happen under its feet (its own end) done when it returned.
template <class Function>
void connection::call(std::string_view where, Function fn) {
    if (consumer_ == nullptr) return;
    ++calls_;
    const working_for mine(*this);
    loop_.note_running(&route_->label);
    const auto begin = handler_clock::now();
    const madang_status status = fn(consumer_);
    note_slow(where, handler_clock::now() - begin);
    --calls_;
    if (status != MADANG_OK) handler_failed(where);
    if (calls_ == 0) after_call();
}

}  // namespace madang
