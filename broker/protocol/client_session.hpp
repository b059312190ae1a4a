// One client's session of the client protocol (Centrifugo's, JSON): from connect to the last reply. No I/O,
// no clock: lines in, lines and calls on client_port out.
//
//   fresh --connect command--> asking --gatekeeper says yes--> connected --disconnect, loss--> over
//
// One thread. Rules, codes and sources: docs/client-protocol.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/streams.hpp"
#include "broker/protocol/client_port.hpp"

namespace madang {

// From the options of the same names; one for all sessions.
struct session_limits {
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds ping_interval{25'000};
    std::chrono::milliseconds pong_timeout{8'000};
    std::chrono::milliseconds expired_grace{25'000};
    std::uint32_t groups = 128;
    std::uint32_t history = 300;
    std::uint32_t recovery = 300;
    std::uint32_t commands_waiting = 256;
    std::size_t waiting_bytes = 1024 * 1024;  // of those commands
    std::uint32_t presence = 1000;
    std::uint32_t news_held = 4096;
    std::string node;     // id, told to emulated transports
    std::string version;  // "Madang 0.1.0"
};

// How this client reached us.
struct session_entry {
    std::string client;           // its id
    std::string transport;        // "websocket", "http_stream", "sse", "uni_websocket", …
    std::string session;          // emulated transports: what /emulation calls it; else ""
    bool unidirectional = false;  // the first message is a bare connect request; later ones are refused
    std::shared_ptr<const scope> known;
    std::uint16_t refused = 0;  // the code with which it ends at once; 0: it is welcome
};

class client_session {
  public:
    // Both outlive it.
    client_session(client_port& port, const session_limits& limits, session_entry entry);
    ~client_session();

    void start();                            // the connection is open
    void on_message(std::string_view text);  // a frame: one or more lines
    void on_news(std::string_view group, const group_news& what);
    // The group's stream began anew, or lost something: client subscriptions are told 2500, server-side ones
    // end the connection (3010). False: this client relies on no position of it.
    bool on_stream_lost(std::string_view group);
    void on_timer(session_timer which);
    void on_command(const client_command& what);  // from the server API
    void ended();                                 // the connection is gone

    // For the server API's selection.
    const client_info& who() const noexcept;  // user: "" until connected
    const std::string& session_id() const noexcept;
    bool connected() const noexcept;
    std::size_t subscriptions() const noexcept;
    bool knows_position(std::string_view group) const noexcept;  // of that group's stream, or is about to

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace madang
