// The client protocol's transports over real sockets, loops and connections; the session behind them is the
// test's.
#include <gtest/gtest.h>

#include "actors/outbox.hpp"
#include "broker/protocol/chunked_body.hpp"
#include "tests/integration/clients/serving_node.hpp"
#include "tests/integration/http/client.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using nlohmann::json;
using testing::connect_to;
using testing::receive_until;
using testing::send_all;
using testing::serving_node;

std::string post(std::string_view path, std::string_view body, std::string_view headers = "") {
    return "POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string get(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

// One client, whichever way it came: lines in, lines out.
class wire {
  public:
    virtual ~wire() = default;
    virtual void say(std::string_view lines) = 0;
    // The next line; "close:CODE" for a close frame, "end" when there is no more.
    std::string next() {
        while (lines_.empty()) {
            char more[65536];
            pollfd wait{fd_.get(), POLLIN, 0};
            if (::poll(&wait, 1, 20'000) != 1) return "nothing came";
            const auto n = ::recv(fd_.get(), more, sizeof more, 0);
            if (n <= 0) return ended_ ? "end" : "cut";
            take({more, static_cast<std::size_t>(n)});
        }
        auto line = std::move(lines_.front());
        lines_.erase(lines_.begin());
        return line;
    }
    json next_json() { return json::parse(next(), nullptr, false); }
    void vanish() { fd_.reset(); }
    const std::string& head() const { return head_; }

  protected:
    explicit wire(std::uint16_t port) : port_(port), fd_(connect_to(port)) {}
    virtual void decode() = 0;
    void take(std::string_view bytes) {
        in_ += bytes;
        if (head_.empty()) {
            const auto end = in_.find("\r\n\r\n");
            if (end == std::string::npos) return;
            head_ = in_.substr(0, end + 4);
            in_.erase(0, end + 4);
        }
        decode();
    }
    void add_lines(std::string_view text) {
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            lines_.emplace_back(text.substr(0, end));
            text.remove_prefix(std::min(text.size(), end + 1));
        }
    }

    std::uint16_t port_;
    file_handle fd_;
    std::string head_, in_;
    std::vector<std::string> lines_;
    bool ended_ = false;  // as its protocol ends it
};

class socket_wire final : public wire {
  public:
    explicit socket_wire(std::uint16_t port, std::string_view path = "/connection/websocket") : wire(port) {
        send_all(fd_, "GET " + std::string(path) +
                          " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    }
    void say(std::string_view lines) override { send_all(fd_, test::text(lines)); }

  private:
    void decode() override {
        while (in_.size() >= 10 || (in_.size() >= 2 && (in_[1] & 0x7f) < 126)) {
            const auto length = frame_length(in_);
            if (in_.size() < length) return;
            const std::size_t header = length <= 127 ? 2 : length <= 65539 ? 4 : 10;
            const auto body = in_.substr(header, length - header);
            if ((in_[0] & 0x0f) == 8) {
                ended_ = true;
                add_lines("close:" + std::to_string(static_cast<unsigned char>(body[0]) * 256 +
                                                    static_cast<unsigned char>(body[1])));
                send_all(fd_, test::client_frame(0x88, body));
            } else {
                add_lines(body);
            }
            in_.erase(0, length);
        }
    }
};

class stream_wire final : public wire {
  public:
    stream_wire(std::uint16_t port, std::string_view request) : wire(port) { send_all(fd_, request); }
    // As centrifuge-js: a POST on another connection, once the connect reply named the session.
    void say(std::string_view lines) override {
        if (upstream_.get() < 0) upstream_ = connect_to(port_);
        send_all(upstream_,
                 post("/emulation", json{{"session", session}, {"node", "node1"}, {"data", lines}}.dump()));
        EXPECT_TRUE(receive_until(upstream_, "\r\n\r\n").starts_with("HTTP/1.1 204"));
    }
    json connect() {
        auto reply = next_json();
        session = reply["connect"].value("session", "");
        return reply;
    }
    std::string session;

  private:
    void decode() override {
        const bool events = head_.find("text/event-stream") != std::string::npos;
        std::string_view rest = in_;
        ended_ = chunks_.feed(rest, body_) == chunked_body::state::done;
        in_ = rest;
        const std::string_view mark = events ? "\n\n" : "\n";
        for (std::size_t end; (end = body_.find(mark)) != std::string::npos;
             body_.erase(0, end + mark.size())) {
            auto line = body_.substr(0, end);
            if (events) {
                EXPECT_TRUE(line.starts_with("data: ")) << line;
                line.erase(0, 6);
            }
            lines_.push_back(std::move(line));
        }
    }
    chunked_body chunks_{std::size_t{1} << 30};
    std::string body_;
    file_handle upstream_;
};

const std::string connect_line = R"({"id":1,"connect":{}})";
std::string percent(std::string_view text) {
    std::string result;
    char piece[4];
    for (const char c : text) {
        std::snprintf(piece, sizeof piece, "%%%02X", static_cast<unsigned char>(c));
        result += piece;
    }
    return result;
}
std::string http_stream(std::string_view commands = connect_line) {
    return post("/connection/http_stream", commands);
}
std::string sse(std::string_view commands = connect_line) {
    return get("/connection/sse?cf_connect=" + percent(commands));
}

TEST(ClientTransports, AWebSocketTalks) {
    serving_node node(2);
    socket_wire client(node.port);
    client.say(connect_line + "\n" + R"({"id":2,"rpc":{"data":[1]}})");
    EXPECT_EQ(client.next_json()["id"], 1);
    EXPECT_EQ(client.next_json(), json::parse(R"({"id":2,"rpc":{"data":[1]}})"));
    client.say(R"({"id":3,"rpc":{"method":"close"}})");
    EXPECT_EQ(client.next(), "close:3501");
    EXPECT_EQ(client.next(), "end");
}

TEST(ClientTransports, StreamsTalkThroughEmulation) {
    serving_node node(2);
    for (const auto& request : {http_stream(), sse()}) {
        stream_wire client(node.port, request);
        EXPECT_EQ(client.connect()["id"], 1);
        EXPECT_TRUE(client.head().starts_with("HTTP/1.1 200 OK\r\n")) << client.head();
        for (int i = 2; i < 20; ++i) {
            client.say(R"({"id":)" + std::to_string(i) + R"(,"rpc":{"data":"x"}})");
            EXPECT_EQ(client.next_json()["id"], i);
        }
        client.say(R"({"id":30,"rpc":{}})"
                   "\n"
                   R"({"id":31,"rpc":{}})");
        EXPECT_EQ(client.next_json()["id"], 30);
        EXPECT_EQ(client.next_json()["id"], 31);
        client.say(R"({"id":40,"rpc":{"method":"close"}})");
        EXPECT_EQ(client.next(), R"({"push":{"disconnect":{"code":3501,"reason":"bad request"}}})");
        EXPECT_EQ(client.next(), "end");
    }
    node.until([&] { return node.consumers == 0 && node.clients->emulated_sessions() == 0; });
}

TEST(ClientTransports, TheFirstRequestMayCarrySeveralCommands) {
    serving_node node(1);
    for (const auto& request : {http_stream(connect_line + "\n{\"id\":2,\"rpc\":{}}"),
                                sse(connect_line + "\n{\"id\":2,\"rpc\":{}}")}) {
        stream_wire client(node.port, request);
        EXPECT_EQ(client.next_json()["id"], 1);
        EXPECT_EQ(client.next_json()["id"], 2);
    }
}

TEST(ClientTransports, ALargeFirstRequestArrivesWhole) {
    serving_node node(1);
    const std::string data(60'000, 'x');
    stream_wire client(node.port,
                       http_stream(connect_line + "\n{\"id\":2,\"rpc\":{\"data\":\"" + data + "\"}}"));
    client.connect();
    EXPECT_EQ(client.next_json()["rpc"]["data"], data);
}

TEST(ClientTransports, UnidirectionalClientsGetBarePushes) {
    serving_node node(1);
    const auto asked = [](wire& client) {
        const auto push = client.next_json();
        EXPECT_FALSE(push.contains("push")) << push;
        return push["connect"]["asked"];
    };
    for (auto path : {"/connection/uni_sse", "/connection/uni_http_stream"}) {
        stream_wire with_query(node.port, get(path + ("?cf_connect=" + percent(R"({"a":1})"))));
        EXPECT_EQ(asked(with_query), json::parse(R"({"a":1})"));
        stream_wire with_body(node.port, post(path, R"({"b":2})"));
        EXPECT_EQ(asked(with_body), json::parse(R"({"b":2})"));
        stream_wire with_nothing(node.port, get(path));
        EXPECT_EQ(asked(with_nothing), json::object());
    }
    socket_wire socket(node.port, "/connection/uni_websocket");
    socket.say(R"({"c":3})");
    EXPECT_EQ(asked(socket), json::parse(R"({"c":3})"));
    socket_wire addressed(node.port, "/connection/uni_websocket?cf_connect=" + percent(R"({"d":4})"));
    EXPECT_EQ(asked(addressed), json::parse(R"({"d":4})"));
}

TEST(ClientTransports, EveryTransportSeesTheSameStream) {
    serving_node node(2);
    std::vector<std::unique_ptr<wire>> members;
    const std::string subscribe = R"({"id":2,"subscribe":{"channel":"news"}})";
    for (int i = 0; i < 2; ++i) {
        members.push_back(std::make_unique<socket_wire>(node.port));
        members.back()->say(connect_line + "\n" + subscribe);
        members.push_back(
            std::make_unique<stream_wire>(node.port, http_stream(connect_line + "\n" + subscribe)));
        members.push_back(std::make_unique<stream_wire>(node.port, sse(connect_line + "\n" + subscribe)));
    }
    for (auto& member : members) {
        EXPECT_EQ(member->next_json()["id"], 1);
        EXPECT_EQ(member->next_json()["id"], 2);
    }
    socket_wire publisher(node.port);
    // Joining is told to the group's home, so what is published now may precede it; its own member knows.
    constexpr int count = 2000;
    for (int i = 0; i < count; ++i)
        publisher.say(R"({"id":)" + std::to_string(i + 1) + R"(,"publish":{"channel":"news","data":")" +
                      std::string(static_cast<std::size_t>(i % 300), 'd') + R"("}})");
    std::vector<std::vector<std::string>> seen;
    for (auto& member : members) {
        auto& lines = seen.emplace_back();
        do lines.push_back(member->next());
        while (lines.back().find("\"offset\":" + std::to_string(count) + "}") == std::string::npos &&
               lines.back().starts_with("{"));
    }
    for (const auto& lines : seen) {
        ASSERT_FALSE(lines.empty());
        const auto first = json::parse(lines.front())["push"]["pub"]["offset"].get<int>();
        ASSERT_EQ(lines.size(), static_cast<std::size_t>(count - first + 1)) << lines.back();
        for (std::size_t i = 0; i < lines.size(); ++i)
            ASSERT_EQ(json::parse(lines[i])["push"]["pub"]["offset"], first + static_cast<int>(i));
        // Byte by byte the same, from where both are members.
        const auto both = std::min(lines.size(), seen.front().size());
        ASSERT_TRUE(std::equal(lines.end() - static_cast<std::ptrdiff_t>(both), lines.end(),
                               seen.front().end() - static_cast<std::ptrdiff_t>(both)));
    }
}

TEST(ClientTransports, AVanishedStreamIsALostConnection) {
    serving_node node(2);
    for (const auto& request : {http_stream(), sse(), get("/connection/uni_sse")}) {
        stream_wire client(node.port, request);
        client.next();
        EXPECT_EQ(node.consumers, 1);
        client.vanish();
        node.until([&] { return node.consumers == 0; });
        EXPECT_EQ(node.last_code, 1006);
    }
    EXPECT_EQ(node.clients->emulated_sessions(), 0u);
}

TEST(ClientTransports, AReaderThatDoesNotReadIsCutOffAndBounded) {
    serving_node node(1, 256 * 1024);
    stream_wire slow(node.port, sse(connect_line + "\n" + R"({"id":2,"subscribe":{"channel":"flood"}})"));
    slow.next();
    slow.next();
    socket_wire publisher(node.port);
    publisher.say(connect_line);
    publisher.next();
    const std::string data(50'000, 'x');
    for (int i = 0; i < 1000 && node.consumers > 1; ++i) {
        publisher.say(R"({"id":9,"publish":{"channel":"flood","data":")" + data + R"("}})");
        ASSERT_EQ(publisher.next_json()["id"], 9);
        EXPECT_LT(node.counts.total(gauge::outbox_bytes), 512 * 1024);
    }
    // It closes with 3008; its time to take that is the connection's.
    node.until([&] { return node.consumers == 1; });
    EXPECT_EQ(node.last_code, 3008);
}

TEST(ClientTransports, AStreamBehindOtherRequestsWaitsItsTurn) {
    serving_node node(1);
    auto fd = connect_to(node.port);
    send_all(fd, get("/healthz") + http_stream());
    auto got = receive_until(fd, "1}\n\r\n");
    const auto second = got.find("HTTP/1.1 200 OK", 10);
    ASSERT_NE(second, std::string::npos) << got;
    EXPECT_LT(got.find("alive"), second);
    EXPECT_NE(got.find("\"session\"", second), std::string::npos);
}

TEST(ClientTransports, ABodyMayBeAskedForFirst) {
    serving_node node(1);
    auto fd = connect_to(node.port);
    const auto request = post("/connection/http_stream", connect_line, "Expect: 100-continue\r\n");
    const auto body = request.size() - connect_line.size();
    send_all(fd, request.substr(0, body));
    EXPECT_EQ(receive_until(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    send_all(fd, request.substr(body));
    EXPECT_TRUE(receive_until(fd, "1}\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    auto chunked = connect_to(node.port);
    send_all(chunked,
             "POST /connection/http_stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_all(chunked, "15\r\n" + connect_line + "\r\n0\r\n\r\n");
    EXPECT_NE(receive_until(chunked, "1}\n\r\n").find("\"session\""), std::string::npos);
}

TEST(ClientTransports, EmulationKnowsNoOtherSession) {
    serving_node node(1);
    stream_wire client(node.port, sse());
    client.connect();
    auto fd = connect_to(node.port);
    const auto status = [&](std::string_view session, std::string_view where,
                            std::string_view end = "\r\n\r\n") {
        send_all(fd, post("/emulation", json{{"session", session}, {"node", where}, {"data", "{}"}}.dump()));
        const auto head = receive_until(fd, end);
        return head.substr(9, 3);
    };
    EXPECT_EQ(status("0123456789abcdef0123456789abcdef", "node1"), "204") << "told by its stream's end";
    EXPECT_EQ(status(client.session, "node1"), "204");
    EXPECT_EQ(status(client.session, "node2", "}\n"), "404");
}

// One poll: publications as "offset" of each, and the cursor.
struct polled {
    std::string status;
    json body;
};
polled poll(const file_handle& fd, const std::string& query) {
    send_all(fd, get("/connection/poll?" + query));
    const auto got = receive_until(fd, "}\n");
    const auto end = got.find("\r\n\r\n");
    return {got.substr(9, 3),
            end == std::string::npos ? json{} : json::parse(got.substr(end), nullptr, false)};
}

TEST(ClientTransports, PollsLoseNothingBetweenThem) {
    serving_node node(1);
    auto fd = connect_to(node.port);
    auto first = poll(fd, "group=a&group=b");
    EXPECT_EQ(first.status, "200");
    EXPECT_EQ(first.body["publications"], json::array()) << "after its time";
    std::string since = first.body["since"];
    EXPECT_EQ(since, "E:0,E:0");
    constexpr int count = 300;
    std::thread publisher([&] {
        socket_wire client(node.port);
        client.say(connect_line);
        client.next();
        for (int i = 1; i <= count; ++i) {
            const std::string group = i % 3 == 0 ? "b" : "a";
            client.say(R"({"id":2,"publish":{"channel":")" + group + R"(","data":)" + std::to_string(i) +
                       "}}");
            client.next();
        }
    });
    std::map<std::string, std::vector<int>> offsets, data;
    for (int polls = 0; polls < count && offsets["a"].size() + offsets["b"].size() < count; ++polls) {
        auto next = poll(fd, "group=a&group=b&since=" + since);
        ASSERT_EQ(next.status, "200");
        EXPECT_EQ(next.body["recovered"], true);
        for (const auto& one : next.body["publications"]) {
            offsets[one["group"]].push_back(one["offset"]);
            data[one["group"]].push_back(one["data"]);
        }
        since = next.body["since"];
    }
    publisher.join();
    for (const auto& [group, size] : {std::pair{"a", 200}, {"b", 100}}) {
        ASSERT_EQ(offsets[group].size(), static_cast<std::size_t>(size));
        for (int i = 0; i < size; ++i) ASSERT_EQ(offsets[group][static_cast<std::size_t>(i)], i + 1);
        EXPECT_TRUE(std::is_sorted(data[group].begin(), data[group].end()));
    }
    EXPECT_EQ(since, "E:200,E:100");
    node.until([&] { return node.consumers == 0; });
}

TEST(ClientTransports, ADrainTellsEveryTransport) {
    serving_node node(2, 64 << 20, std::chrono::hours{1});
    socket_wire socket(node.port);
    socket.say(connect_line);
    socket.next();
    stream_wire lines(node.port, http_stream()), events(node.port, sse()),
        bare(node.port, get("/connection/uni_sse"));
    lines.next();
    events.next();
    bare.next();
    auto polling = connect_to(node.port);
    send_all(polling, get("/connection/poll?group=a"));
    node.until([&] { return node.subscriptions == 1; });
    node.drain();
    EXPECT_EQ(socket.next(), "close:1001");
    for (auto* stream : {&lines, &events, &bare}) {
        const auto told = stream->next_json();
        EXPECT_EQ((stream == &bare ? told : told["push"])["disconnect"]["code"], 3001) << told;
        EXPECT_EQ(stream->next(), "end");
    }
    const auto answer = receive_until(polling, "}\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
    EXPECT_NE(answer.find(R"("since":"E:0")"), std::string::npos) << answer;
    node.until([&] { return node.consumers == 0; });
}

TEST(ClientTransports, APollTellsWhatTheSessionMayNot) {
    serving_node node(1);
    auto fd = connect_to(node.port);
    const auto no = poll(fd, "group=private");
    EXPECT_EQ(no.status, "403");
    EXPECT_EQ(no.body["error"]["code"], 103);
    EXPECT_EQ(poll(fd, "").status, "400") << "on the same connection";
}

}  // namespace
}  // namespace madang
