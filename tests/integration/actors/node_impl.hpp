// A yard with real loops, and clients that talk to it over socket pairs. Its consumer does what it is told,
// in text messages: "join G", "leave G", "pub G TEXT", "chan NAME TEXT", "name", "echo TEXT", "block".
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <caf/all.hpp>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "actors/connection.hpp"
#include "actors/hub_impl.hpp"
#include "actors/loop.hpp"
#include "actors/yard.hpp"
#include "broker/core/clock.hpp"
#include "broker/net/socket_transport.hpp"
#include "monitoring/metrics.hpp"
#include "storage/store.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang::testing {

class gate {
  public:
    void open() {
        std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_; });
    }
    void wait_for_somebody() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return waiting_ != 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    int waiting_ = 0;
};

// The other end of a connection's socket. Reading gives up after 30 s, which no test is meant to see.
class client {
  public:
    explicit client(int fd) : fd_(fd) {
        timeval patience{30, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    client(client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
    ~client() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    int fd() const { return fd_; }
    void raw(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void say(std::string_view text) { raw(test::text(text)); }
    // The next message's text, "close:CODE", "101" and the like for a response, or "end".
    std::string next() {
        for (;;) {
            if (buffer_.starts_with("HTTP/1.1 ")) {
                const auto end = buffer_.find("\r\n\r\n");
                if (end != std::string::npos) {
                    auto status = buffer_.substr(9, 3);
                    buffer_.erase(0, end + 4);
                    return status;
                }
            } else if (buffer_.size() >= 10 || (buffer_.size() >= 2 && (buffer_[1] & 0x7f) < 126)) {
                const auto length = frame_length(buffer_);
                if (buffer_.size() >= length) {
                    const std::size_t header = length <= 127 ? 2 : length <= 65539 ? 4 : 10;
                    auto body = buffer_.substr(header, length - header);
                    const int opcode = buffer_[0] & 0x0f;
                    buffer_.erase(0, length);
                    if (opcode == 8)
                        return "close:" + std::to_string(static_cast<unsigned char>(body[0]) * 256 +
                                                         static_cast<unsigned char>(body[1]));
                    return body;
                }
            }
            char more[65536];
            const auto n = ::recv(fd_, more, sizeof more, 0);
            if (n <= 0) return n == 0 || errno == ECONNRESET ? "end" : "nothing came";
            buffer_.append(more, static_cast<std::size_t>(n));
        }
    }
    std::string ask(std::string_view command) {
        say(command);
        return next();
    }

  private:
    int fd_;
    std::string buffer_;
};

enum class clustered : std::uint8_t { no, yes };

class node {
  public:
    explicit node(std::uint32_t loops, std::size_t credit = 8 << 20, madang_kind kind = MADANG_ASYNC,
                  const std::map<std::string, std::string>& namespaces = {},
                  const std::function<void(yard&)>& before_run = {}, clustered how = clustered::no,
                  std::chrono::milliseconds patience = std::chrono::seconds{20},
                  std::uint32_t turn_handlers = options{}.turn_handlers) {
        settings.turn_handlers = turn_handlers;
        if (how == clustered::yes) settings.cluster_listen = "127.0.0.1:0";
        settings.cluster_hand_over_timeout = patience;
        namespace_table rules;
        for (const auto& [name, settings] : namespaces) EXPECT_TRUE(rules.set(name, settings, "test"));
        names.replace(std::move(rules));
        settings.loops = loops;
        settings.sync_threads = 3;
        settings.publish_credit_bytes = credit;
        type.struct_size = sizeof type;
        type.kind = static_cast<std::uint32_t>(kind);
        type.context = this;
        type.create = [](void* context, madang_connection* c) {
            auto* made = new consumer{*static_cast<node*>(context), *reinterpret_cast<connection_port*>(c)};
            ++made->home.consumers;
            return reinterpret_cast<madang_consumer*>(made);
        };
        type.connect = [](madang_consumer* c) { return of(c).port.accept({}, {}); };
        type.receive = [](madang_consumer* c, madang_frame, madang_payload* p) {
            return of(c).receive(std::string(payload::share(reinterpret_cast<payload_block*>(p)).bytes()));
        };
        type.event = [](madang_consumer* c, madang_str, madang_payload* p) {
            return of(c).port.send(MADANG_TEXT, payload::share(reinterpret_cast<payload_block*>(p)));
        };
        type.timer = [](madang_consumer*, std::uint64_t) { return MADANG_OK; };
        type.disconnect = [](madang_consumer* c, std::uint16_t) {
            ++of(c).home.disconnects;
            of(c).port.group_discard("any");
            return MADANG_OK;
        };
        type.destroy = [](madang_consumer* c) {
            --of(c).home.consumers;
            delete &of(c);
        };
        route.consumer = &type;
        route.plugin = "test";
        route.name = "Consumer";
        route.label = "test/Consumer";
        route.outbox_limits = {64 << 20, outbox_policy::disconnect};
        route.message_bytes = 1 << 20;
        route.handler_budget = std::chrono::milliseconds{60'000};
        route.handshake_timeout = std::chrono::milliseconds{60'000};
        route.max_groups = 100;
        route.sync_queue = 64;
        settings.data_dir = "none";
        kept = open_store(settings, time, counts).value();
        all = std::make_unique<yard>(settings, counts, names);
        if (before_run) before_run(*all);
        all->run(*kept);
    }
    ~node() {
        blocker.open();
        all->stop(std::chrono::hours{1});  // the consumers read `all` until then
        all.reset();
        kept.reset();
        EXPECT_EQ(consumers, 0) << "every consumer was destroyed";
        EXPECT_EQ(counts.total(gauge::connections_open), 0);
        EXPECT_EQ(counts.total(gauge::outbox_bytes), 0);
        EXPECT_EQ(counts.total(gauge::members), 0);
        EXPECT_EQ(counts.total(gauge::background_consumers), 0);
    }

    client connect(std::size_t loop) { return connect(loop, route, nullptr); }
    client connect(std::size_t loop, const consumer_route& to, std::shared_ptr<const session_entry> entry) {
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ::fcntl(pair[1], F_SETFL, O_NONBLOCK);
        auto& on = all->loop_at(loop);
        on.post([this, &on, &to, entry, fd = pair[1]] {
            connection_request request;
            request.io = make_plain_transport(on, fd);
            request.route = &to;
            request.accept_key = "key";
            request.entry = entry;
            all->open(on, std::move(request));
        });
        return client(pair[0]);
    }
    // Accepted.
    client join(std::size_t loop, const std::string& group = {}) {
        auto made = connect(loop);
        EXPECT_EQ(made.next(), "101");
        if (!group.empty()) {
            made.say("join " + group);
            static std::atomic<int> number{0};
            const auto token = "joined " + std::to_string(++number);
            made.say("pub " + group + " " + token);
            std::string text;
            do text = made.next();
            while (text != token && text != "end" && text != "nothing came");
            EXPECT_EQ(text, token);
        }
        return made;
    }
    // A group whose home is that loop.
    std::string group_on(std::size_t loop) const {
        for (int i = 0;; ++i)
            if (auto name = "room" + std::to_string(i); all->hub_at(0).home_of(name) == loop) return name;
    }
    // Runs fn on the loop and waits for it.
    template <class Function>
    auto on_loop(std::size_t loop, Function fn) {
        std::promise<decltype(fn())> done;
        all->loop_at(loop).post([&] { done.set_value(fn()); });
        return done.get_future().get();
    }
    // Until it holds, or a time has passed that no test is meant to see.
    template <class Function>
    void until(Function holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) {
                ADD_FAILURE() << "never held; groups " << counts.total(gauge::groups) << ", members "
                              << counts.total(gauge::members) << ", connections "
                              << counts.total(gauge::connections_open) << ", credit used "
                              << counts.total(gauge::publish_credit_used) << ", consumers " << consumers;
                return;
            }
            std::this_thread::yield();
        }
    }

    struct consumer {
        node& home;
        connection_port& port;
        madang_status receive(const std::string& command) {
            const auto space = command.find(' ');
            const auto verb = command.substr(0, space);
            auto rest = space == std::string::npos ? "" : command.substr(space + 1);
            const auto say = [&](std::string_view text) {
                return port.send(MADANG_TEXT, payload::copy_of(text));
            };
            const auto name = rest.substr(0, rest.find(' '));
            const auto text = rest.find(' ') == std::string::npos ? "" : rest.substr(rest.find(' ') + 1);
            if (verb == "join") return port.group_add(rest, MADANG_TO_SOCKET);
            if (verb == "leave") return port.group_discard(rest);
            if (verb == "pub") return home.all->group_send(name, "said", payload::copy_of(text));
            if (verb == "chan")
                return say("status " +
                           std::to_string(home.all->channel_send(name, "said", payload::copy_of(text))));
            if (verb == "name") return say(port.channel());
            if (verb == "echo") return say(rest);
            if (verb == "block") home.blocker.pass();
            return MADANG_OK;
        }
    };
    static consumer& of(madang_consumer* c) { return *reinterpret_cast<consumer*>(c); }

    options settings;
    metrics counts;
    system_clock_source time;
    reloadable<namespace_table> names;
    std::unique_ptr<store> kept;
    madang_consumer_class type{};
    consumer_route route;
    gate blocker;
    std::atomic<int> consumers{0};
    std::atomic<int> disconnects{0};
    std::unique_ptr<yard> all;
};

}  // namespace madang::testing
