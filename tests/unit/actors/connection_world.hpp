// A connection over memory: its loop, its services, its keeper and its client are the test's; so is its
// consumer, a C table over functions that a test fills in.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "actors/connection.hpp"
#include "actors/outbox.hpp"
#include "broker/protocol/handshake.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/memory_transport.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang::testing {

// What the consumer does, and, line by line, what it was told.
struct script {
    std::vector<std::string> told;
    bool create_fails = false;
    std::function<madang_status(connection_port&)> connect = [](connection_port& c) {
        return c.accept({}, {});
    };
    std::function<madang_status(connection_port&, std::string_view)> receive;
    std::function<madang_status(connection_port&, std::string_view)> event;
    std::function<madang_status(connection_port&, std::uint64_t)> timer;
    std::function<madang_status(connection_port&)> disconnect;
    connection_port* port = nullptr;
    int alive = 0;
    int calls = 0;  // running now
    bool overlapped = false;

    madang_status run(std::string line, const std::function<madang_status()>& what) {
        overlapped = overlapped || calls != 0;
        ++calls;
        told.push_back(std::move(line));
        const auto status = what ? what() : MADANG_OK;
        --calls;
        return status;
    }
    std::string all() const {
        std::string result;
        for (const auto& line : told) result += (result.empty() ? "" : " ") + line;
        return result;
    }
};

inline std::string_view text_of(madang_str s) { return {s.data, s.size}; }
inline std::string_view text_of(madang_payload* p) {
    // Borrowed: shared for a moment, as the payload stays alive during the call.
    return payload::share(reinterpret_cast<payload_block*>(p)).bytes();
}

inline madang_consumer_class make_class(script& s, madang_kind kind) {
    madang_consumer_class type{};
    type.struct_size = sizeof type;
    type.kind = static_cast<std::uint32_t>(kind);
    type.context = &s;
    type.create = [](void* context, madang_connection* connection) -> madang_consumer* {
        auto& s = *static_cast<script*>(context);
        if (s.create_fails) return nullptr;
        s.port = reinterpret_cast<connection_port*>(connection);
        ++s.alive;
        return reinterpret_cast<madang_consumer*>(context);
    };
    type.connect = [](madang_consumer* c) {
        auto& s = *reinterpret_cast<script*>(c);
        return s.run("connect", [&] { return s.connect(*s.port); });
    };
    type.receive = [](madang_consumer* c, madang_frame kind, madang_payload* p) {
        auto& s = *reinterpret_cast<script*>(c);
        const std::string text(text_of(p));
        return s.run((kind == MADANG_TEXT ? "text:" : "binary:") + text.substr(0, 20),
                     [&] { return s.receive ? s.receive(*s.port, text) : MADANG_OK; });
    };
    type.event = [](madang_consumer* c, madang_str name, madang_payload* p) {
        auto& s = *reinterpret_cast<script*>(c);
        const std::string text(text_of(p));
        return s.run(std::string(text_of(name)) + ":" + text.substr(0, 20),
                     [&] { return s.event ? s.event(*s.port, text) : MADANG_OK; });
    };
    type.timer = [](madang_consumer* c, std::uint64_t id) {
        auto& s = *reinterpret_cast<script*>(c);
        return s.run("timer:" + std::to_string(id),
                     [&] { return s.timer ? s.timer(*s.port, id) : MADANG_OK; });
    };
    type.disconnect = [](madang_consumer* c, std::uint16_t code) {
        auto& s = *reinterpret_cast<script*>(c);
        return s.run("disconnect:" + std::to_string(code),
                     [&] { return s.disconnect ? s.disconnect(*s.port) : MADANG_OK; });
    };
    type.destroy = [](madang_consumer* c) { --reinterpret_cast<script*>(c)->alive; };
    return type;
}

// Frames of the server as lines: "text:...", "binary:...", "ping:", "pong:...", "close:CODE"; the response's
// status line.
inline std::vector<std::string> read_frames(std::string_view wire) {
    std::vector<std::string> lines;
    if (wire.starts_with("HTTP/")) {
        lines.emplace_back(wire.substr(9, 3));
        auto end = wire.find("\r\n\r\n");
        if (end == std::string_view::npos) return {"<cut head>"};
        wire.remove_prefix(end + 4);
        if (lines[0] != "101") return lines;
    }
    while (!wire.empty()) {
        if (wire.size() < 2 || wire.size() < frame_length(wire)) {
            lines.emplace_back("<cut>");
            break;
        }
        const auto length = frame_length(wire);
        const std::size_t header = length <= 127 ? 2 : length <= 65539 ? 4 : 10;
        const auto body = wire.substr(header, length - header);
        switch (wire[0] & 0x0f) {
            case 1:
                lines.push_back((wire[0] & 0x40 ? "deflated:" : "text:") + std::string(body));
                break;
            case 2:
                lines.push_back("binary:" + std::string(body));
                break;
            case 8:
                lines.push_back("close:" + (body.empty()
                                                ? ""
                                                : std::to_string(static_cast<unsigned char>(body[0]) * 256 +
                                                                 static_cast<unsigned char>(body[1]))));
                break;
            case 9:
                lines.push_back("ping:" + std::string(body));
                break;
            case 10:
                lines.push_back("pong:" + std::string(body));
                break;
            default:
                lines.emplace_back("<unknown>");
        }
        wire.remove_prefix(length);
    }
    return lines;
}

class failing_transport final : public memory_transport {
  public:
    failing_transport(memory_peer& peer, bool& reads, bool& writes)
        : memory_transport(peer), reads_(reads), writes_(writes) {}
    result read_some(char* data, std::size_t size) override {
        if (reads_) throw std::runtime_error("read");
        return memory_transport::read_some(data, size);
    }
    result write_some(const iovec* parts, int count) override {
        if (writes_) throw std::runtime_error("write");
        for (int i = 0; i < count; ++i) written.push_back(parts[i].iov_base);
        return memory_transport::write_some(parts, count);
    }
    std::vector<const void*> written;  // where the bytes lay

  private:
    bool& reads_;
    bool& writes_;
};

// One connection and all around it. Ends it when the test did not.
class connection_world final : public connection_services, public connection_keeper {
  public:
    explicit connection_world(madang_kind kind = MADANG_ASYNC) : type(make_class(says, kind)) {
        route.consumer = &type;
        route.plugin = "test";
        route.name = "Consumer";
        route.label = "test/Consumer";
        route.outbox_limits = {1000, outbox_policy::disconnect};
        route.message_bytes = 1000;
        route.handler_budget = std::chrono::milliseconds{10'000};
        route.handshake_timeout = std::chrono::milliseconds{1000};
        route.max_groups = 4;
        route.sync_queue = 8;
        request.accept_key = "key";
    }
    ~connection_world() {
        if (made) {
            made->abandon();
            run();
        }
        EXPECT_EQ(references, 0) << "everything that was retained was released";
        EXPECT_EQ(says.alive, 0) << "destroy follows create";
        EXPECT_FALSE(says.overlapped) << "calls into one consumer never overlap";
        EXPECT_EQ(on.timers(), 0u) << "no timer outlives its connection";
        for (auto what : {gauge::connections_open, gauge::outbox_bytes, gauge::readers_paused_now})
            EXPECT_EQ(on.metrics().value(what), 0);
        if (made) {
            EXPECT_EQ(times_ended, 1);
            EXPECT_EQ(times_exited, 1);
            EXPECT_EQ(table.groups(), 0u);
        }
    }

    connection& start() {
        scope_builder known;
        known.set(scope_field::request_id, "r-1");
        for (const auto& each : subprotocols) known.add(scope_list::subprotocols, each, {});
        if (!traceparent.empty()) known.add(scope_list::headers, "traceparent", traceparent);
        request.known = known.build();
        if (!route.channel.empty()) return begin();  // a background consumer
        auto io = std::make_unique<failing_transport>(peer, reads_throw, writes_throw);
        io_ = io.get();
        request.io = std::move(io);
        return begin();
    }
    connection& begin() {
        request.route = &route;
        made = std::make_unique<connection>(std::move(request), on, *this, *this);
        made->start();
        on.run();
        return *made;
    }
    // With the pool's calls, one after the other.
    void run() {
        do on.run();
        while (pool_one());
    }
    bool pool_one() {
        if (pool.empty()) return false;
        auto fn = std::move(pool.front());
        pool.pop_front();
        fn();
        return true;
    }
    void send(std::string_view bytes) {
        peer.send(bytes);
        on.run();
    }
    void say(std::string_view words) { send(test::text(words)); }
    std::vector<std::string> heard() { return read_frames(peer.take()); }
    void publish(std::initializer_list<std::string> bodies, const char* group = "room") {
        std::vector<event> events;
        for (const auto& each : bodies) events.push_back({"said", payload::copy_of(each)});
        table.deliver(batch(group, 1, std::move(events)));
        on.run();
    }
    bool over() const { return times_exited != 0; }

    // -- connection_services
    void exit(connection&) noexcept override { ++times_exited; }
    std::string channel_name(std::uint64_t id) const override {
        return "specific.test!" + std::to_string(id);
    }
    madang_status group_add(connection& who, std::string_view group, delivery how,
                            std::shared_ptr<const member_info>) override {
        table.add(who, group, how);
        table.joined(who, group, 1);
        return MADANG_OK;
    }
    madang_status subscribe(connection& who, std::string_view group, std::shared_ptr<const member_info> info,
                            std::shared_ptr<subscribe_ticket>) override {
        return group_add(who, group, delivery::client_held, std::move(info));
    }
    void post(std::uint64_t, std::function<void(connection&)> fn) override {
        on.post([this, fn = std::move(fn)] {
            if (!over()) fn(*made);
        });
    }
    void user_known(connection&) override {}
    madang_status group_discard(connection& who, std::string_view group) override {
        table.remove(who, group);
        table.left(who, group, 1, member_table::pending::no);
        return MADANG_OK;
    }
    void leave_all(connection& who) noexcept override {
        table.remove_all(who, [](std::string_view) {});
    }
    bool congested() const noexcept override { return no_credit; }
    void wait_for_credit(connection&) override { ++waits_for_credit; }
    void run_in_pool(std::function<void()> fn) override { pool.push_back(std::move(fn)); }
    // -- connection_keeper
    std::uint64_t id() const noexcept override { return 42; }
    void retain() noexcept override { ++references; }
    void release() noexcept override { --references; }
    void ended() override { ++times_ended; }

    script says;
    madang_consumer_class type;
    consumer_route route;
    connection_request request;
    std::vector<std::string> subprotocols;
    std::string traceparent;
    fake_loop on;
    memory_peer peer{on};
    member_table table;
    std::deque<std::function<void()>> pool;
    bool no_credit = false, reads_throw = false, writes_throw = false;
    int waits_for_credit = 0, times_ended = 0, times_exited = 0, references = 0;
    failing_transport* io_ = nullptr;
    std::unique_ptr<connection> made;
};

}  // namespace madang::testing
