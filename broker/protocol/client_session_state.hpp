// What is behind client_session; for its own sources only: client_session.cpp (connect, timers, the server's
// commands), client_session_groups.cpp (subscriptions), client_session_commands.cpp (all else a client asks).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/close_codes.hpp"
#include "broker/core/names.hpp"
#include "broker/protocol/client_push.hpp"
#include "broker/protocol/client_reply.hpp"
#include "broker/protocol/client_request.hpp"
#include "broker/protocol/client_session.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {

struct client_session::state {
    enum class phase : std::uint8_t {
        fresh,      // nobody asked to connect, or was refused
        asking,     // the gatekeeper was asked
        joining,    // it said yes; the server-side subscriptions are being made
        connected,  //
        over,       // disconnected, or the connection is gone
    };
    enum class origin : std::uint8_t { command, connect, server };

    // What only a subscription that is not live yet has.
    struct making {
        origin from = origin::command;
        bool joined = false;  // the port was asked
        bool was_recovering = false;
        bool reject_unrecovered = false;
        std::uint32_t id = 0;      // of the command
        std::size_t bytes = 0;     // and what it counts for while it waits
        std::uint32_t ticket = 0;  // tells this one's answers from those to an earlier one of the same name
        std::optional<position> since;
        std::string data;  // for the client
        std::vector<group_news> news;
        std::vector<std::string> behind;  // commands about this group that came meanwhile
        subscribed answer;                // origin::connect: waits for the others'
        std::optional<settled> stream;    // when the answer is there
    };
    struct subscription {
        std::string group;
        std::unique_ptr<making> now;  // null: live
        std::string chan_info;
        std::shared_ptr<const publication_extra> mine;  // of what this client publishes; made when it does
        std::int64_t expire_at = 0;                     // Unix seconds; 0: never
        bool server_side = false;
        bool client_refreshes = false;  // it is told of the end; if not, sub_refresh is asked then
        bool presence = false;
        bool join_leave = false;
        bool joins = false;  // the client is told
        bool recoverable = false;
        bool positioned = false;
        bool cache = false;
    };
    // What only a connection that is not connected yet has.
    struct connecting {
        std::uint32_t id = 0;
        std::size_t open = 0;  // server-side subscriptions without an answer
        std::string data;
        std::vector<std::pair<std::string, position>> since;
        std::vector<std::string> lines;        // commands that came meanwhile
        std::vector<client_command> commands;  // and the server's
    };
    // Sends what piled up when the outermost one ends: one frame per call from outside.
    class turn {
      public:
        explicit turn(state& of) : of_(of) {}
        ~turn() {
            of_.run_released();
            of_.flush();
        }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;

      private:
        state& of_;
    };

    state(client_port& to, const session_limits& limits_of, session_entry entry);

    // Connection.
    void frame(std::string_view text);
    void line(std::string_view text);
    void connect(const client_request& what);
    void connect_answered(verdict<connect_grant> answer);
    void connect_refused(errc why, const wire_error& what);
    void connect_joined();
    void command(const client_command& what);
    void pinged();
    void expiry_due();
    void refreshed_by_server(verdict<refresh_grant> answer);
    void renew(const refresh_grant& grant);
    void disconnect(std::uint16_t code, std::string_view reason = {});
    void flush();

    // Subscriptions.
    subscription* find(std::string_view group) noexcept;
    subscription* find(std::uint32_t ticket) noexcept;
    bool is_live(std::string_view group) noexcept;
    subscription& add(std::string_view group, origin from);
    void drop(subscription& which);
    void subscribe(const client_request& what);
    void subscribe_answered(std::uint32_t ticket, verdict<subscription_grant> answer);
    // False: the grant has run out already.
    bool apply(subscription& to, subscription_grant grant, const namespace_options& rules);
    void join(subscription& which);
    void join_answered(std::uint32_t ticket, result<subscribed> answer);
    void settle_stream(subscription& which, subscribed answer);
    void append_subscribed(subscription& which);  // the result
    void go_live(subscription& which);
    void subscribe_by_server(const client_command& what);
    // Ends it. One that is still being made: its command is answered with that error.
    void leave(subscription& which, errc to_command);
    void unsubscribe(subscription& which, std::uint16_t code,
                     std::string_view reason);  // and tells the client
    void subscription_failed(subscription& which, errc why, const wire_error& what);
    void news(std::string_view group, const group_news& what);
    bool stream_lost(std::string_view group);
    void subscriptions_due();
    void sub_refreshed_by_server(std::string_view group, verdict<refresh_grant> answer);
    void renew(subscription& which, const refresh_grant& grant);
    void watch_subscriptions();

    // Commands of a connected client.
    void run(const client_request& what, std::string_view text);
    // The subscription that has to be made before the command can be answered; or null.
    subscription* awaited_by(const client_request& what) noexcept;
    void release(making& from);  // what waited behind it runs at the turn's end
    void run_released();
    void unsubscribe(const client_request& what);
    void publish(const client_request& what);
    void presence(const client_request& what);
    void presence_stats(const client_request& what);
    void history(const client_request& what);
    void rpc(const client_request& what);
    void refresh(const client_request& what);
    void sub_refresh(const client_request& what);
    std::shared_ptr<const publication_extra> extra_of(std::string_view group);
    // The name in a command, when it has one that may be; if not, the command is dealt with.
    std::optional<std::string> group_of(const client_request& what);

    // Out.
    std::string& begin_line() {
        if (!out.empty()) out += '\n';
        return out;
    }
    template <class Append>
    void push(Append append) {
        const auto from = begin_line().size();
        append(out);
        if (!unidirectional) return;
        out.erase(from, push_prefix);
        out.erase(out.size() - push_suffix);
    }
    void fail(std::uint32_t id, const wire_error& what) { append_error_reply(begin_line(), id, what); }
    void fail(std::uint32_t id, errc why) { fail(id, to_wire(error{why, {}})); }
    template <class Result>
    void answer(std::uint32_t id, std::string_view method, const Result& what) {
        begin_reply(begin_line(), id, method);
        append_result(out, what);
        out += '}';
    }
    void answer(std::uint32_t id, std::string_view method) {
        begin_reply(begin_line(), id, method);
        out += "{}}";
    }

    // A command waits for its answer, and has it. Both: the bytes that it counts for.
    std::size_t begin_waiting(std::size_t bytes) {
        ++waiting;
        waiting_bytes += bytes;
        return bytes;
    }
    void end_waiting(std::size_t bytes) {
        --waiting;
        waiting_bytes -= bytes;
    }

    // What a port calls back for command `id`, which waits from now on: `then(value)` if there is one.
    template <class Value, class Then>
    auto on_answer(std::uint32_t id, std::size_t bytes, Then then) {
        return [this, id, bytes = begin_waiting(bytes), then = std::move(then)](result<Value> got) mutable {
            if (now == phase::over) return;
            const turn flushing(*this);
            end_waiting(bytes);
            if (got)
                then(std::move(*got));
            else
                fail(id, to_wire(got.error()));
        };
    }
    template <class Value, class Then>
    auto on_verdict(std::uint32_t id, std::size_t bytes, Then then) {
        return [this, id, bytes = begin_waiting(bytes), then = std::move(then)](verdict<Value> got) mutable {
            if (now == phase::over) return;
            const turn flushing(*this);
            end_waiting(bytes);
            if (got.goodbye)
                disconnect(got.goodbye->code, got.goodbye->reason);
            else if (got.yes)
                then(std::move(*got.yes));
            else
                fail(id, to_wire(got.no, got.wire_code, std::move(got.message)));
        };
    }

    // Time.
    std::int64_t now_s() const { return port.now_ms() / 1000; }
    bool is_past(std::int64_t expire_at) const { return expire_at != 0 && expire_at <= now_s(); }
    time_left left(std::int64_t expire_at) const;  // of one that is not past; at most some years
    std::chrono::milliseconds until(std::int64_t expire_at, std::chrono::milliseconds grace) const;
    void watch_expiry();

    client_port& port;
    const session_limits& limits;
    known_client who;
    std::string session;
    std::string out;
    std::vector<subscription> subscriptions;
    std::unique_ptr<connecting> entering;
    std::int64_t expire_at = 0;  // Unix seconds; 0: never
    std::vector<std::string> released;
    std::uint32_t waiting = 0;      // commands without an answer
    std::size_t waiting_bytes = 0;  // of their text
    std::size_t line_bytes = 0;     // of the command that is being looked at
    std::uint32_t tickets = 0;
    phase now = phase::fresh;
    std::uint16_t refused = 0;
    bool unidirectional = false;
    bool client_refreshes = false;  // it is told of its end; if not, refresh is asked then
    bool awaiting_pong = false;
    bool expiry_watched = false;
    bool subscriptions_watched = false;
};

}  // namespace madang
