// What the plugin host needs from the server, as small interfaces. actors/, broker/net and broker/worker have
// them; tests use fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "broker/core/payload.hpp"
#include "broker/core/publication.hpp"
#include "broker/core/scope.hpp"
#include "madang/abi.h"

namespace madang {

// One consumer's connection: the madang_connection of the ABI. Called on the consumer's thread only; the
// statuses are those that abi.h documents for the function of the same name.
class connection_port {
  public:
    virtual const scope& get_scope() const noexcept = 0;
    virtual std::string_view channel() const noexcept = 0;
    virtual madang_status accept(std::string_view subprotocol, std::span<const name_value> headers) = 0;
    virtual madang_status close(std::uint16_t code, std::string_view reason) = 0;
    virtual madang_status send(madang_frame kind, const payload& message) = 0;
    virtual madang_status group_add(std::string_view group, madang_delivery delivery) = 0;
    virtual madang_status group_discard(std::string_view group) = 0;
    virtual madang_status timer_start(std::uint64_t id, std::uint64_t delay_ms, std::uint64_t repeat_ms) = 0;
    virtual void timer_cancel(std::uint64_t id) = 0;
    virtual void report_error(std::string_view where, std::string_view what) = 0;
    // A function for any thread, also when the connection is gone: what it is given runs later, on the
    // consumer's thread, as one of the consumer's calls; or never, when the consumer is gone by then.
    virtual std::function<void(std::function<void()>)> poster() = 0;
    // The publication of which the consumer's event function is being told.
    virtual std::optional<publication> current_publication() const = 0;

  protected:
    ~connection_port() = default;
};

// One HTTP request to a view: the madang_request of the ABI.
class request_port {
  public:
    virtual const scope& get_scope() const noexcept = 0;
    virtual const payload& body() const noexcept = 0;
    // Any thread, exactly once; *this may be gone when it returns.
    virtual madang_status reply(std::uint16_t status, std::span<const name_value> headers,
                                std::string_view body) = 0;

  protected:
    ~request_port() = default;
};

// The channel layer. Any thread.
class layer_port {
  public:
    virtual madang_status group_send(std::string_view group, std::string_view type, const payload& event) = 0;
    virtual madang_status channel_send(std::string_view channel, std::string_view type,
                                       const payload& event) = 0;
    virtual std::uint64_t now_ms() const noexcept = 0;

  protected:
    ~layer_port() = default;
};

// What implementers of the ports hand to a plugin.
inline madang_connection* to_abi(connection_port* port) noexcept {
    return reinterpret_cast<madang_connection*>(port);
}
inline madang_request* to_abi(request_port* port) noexcept { return reinterpret_cast<madang_request*>(port); }
inline madang_payload* to_abi(payload_block* block) noexcept {
    return reinterpret_cast<madang_payload*>(block);
}
inline madang_payload* to_abi(const payload& p) noexcept { return to_abi(p.get()); }
inline madang_str to_abi(std::string_view text) noexcept { return {text.data(), text.size()}; }

}  // namespace madang
