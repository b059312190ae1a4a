// The HTTP server over real sockets on loopback.
#include "broker/net/http_server.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <list>
#include <set>

#include "tests/integration/http/client.hpp"
#include "tests/support/running_loop_impl.hpp"
#include "tests/unit/net/hostile_heads.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using testing::connect_to;
using testing::receive_until;
using testing::send_all;

struct say_loop final : http_dispatcher {
    http_answer handle(loop& on, http_request& request, reply_function) override {
        http_response response;
        response.body = request.path == "/loop" ? "loop " + std::to_string(on.index()) : "hello";
        return response;
    }
};

struct HttpServer : ::testing::Test {
    ~HttpServer() override {
        if (server) server->close_all();
        do {
            for (auto& l : loops) l.ask([] { return 0; });
        } while (server && server->sessions() > 0);
        for (auto& l : loops) l.stop();
    }
    std::uint16_t start(connection_limits* limits = nullptr, std::string address = "127.0.0.1:0") {
        std::vector<loop*> pointers;
        for (auto& l : loops) pointers.push_back(&l);
        server.emplace(http_server::parts{.address = std::move(address),
                                          .loops = pointers,
                                          .settings = settings,
                                          .dispatcher = site,
                                          .trusted_proxies = {},
                                          .limits = limits,
                                          .tls = nullptr,
                                          .access_log = {}});
        auto port = server->start();
        if (!port) {
            error = port.error().detail;
            return 0;
        }
        for (auto& l : loops) l.ask([] { return 0; });  // every listener is there
        return *port;
    }
    static std::string get(std::string_view path, std::string_view headers = "") {
        return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n";
    }

    std::optional<connection_limits> limits;
    std::list<testing::running_loop> loops = [] {
        std::list<testing::running_loop> made;
        made.emplace_back(0);
        made.emplace_back(1);
        return made;
    }();
    options settings;
    say_loop site;
    std::optional<http_server> server;
    std::string error;
};

TEST_F(HttpServer, AnswersAndKeepsTheConnection) {
    auto client = connect_to(start());
    for (int i = 0; i < 3; ++i) {
        send_all(client, get("/"));
        EXPECT_TRUE(receive_until(client, "hello").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    send_all(client, get("/", "Connection: close\r\n"));
    EXPECT_TRUE(receive_until(client).ends_with("hello"));
}

TEST_F(HttpServer, SpreadsConnectionsOverItsLoops) {
    auto port = start();
    std::set<std::string> seen;
    for (int i = 0; i < 200 && seen.size() < 2; ++i) {
        auto client = connect_to(port);
        send_all(client, get("/loop", "Connection: close\r\n"));
        auto answer = receive_until(client);
        seen.insert(answer.substr(answer.size() - 6));
    }
    EXPECT_EQ(seen, (std::set<std::string>{"loop 0", "loop 1"}));
}

TEST_F(HttpServer, RefusesEveryHostileRequestAndCloses) {
    auto port = start();
    for (const auto& [name, bytes] : testing::hostile_requests()) {
        auto client = connect_to(port);
        send_all(client, bytes + get("/smuggled"));
        auto answer = receive_until(client);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505"))
            << name << ": " << answer;
        EXPECT_EQ(answer.find("hello"), std::string::npos) << name;
    }
}

TEST_F(HttpServer, NamesAPortInUseAndTheMend) {
    auto port = start();
    auto taken = "127.0.0.1:" + std::to_string(port);
    std::uint16_t read_back = 0;
    std::string why;
    EXPECT_TRUE(open_listeners(taken, "--listen", 1, read_back, why).empty());
    EXPECT_NE(why.find(taken), std::string::npos);
    EXPECT_NE(why.find("in use"), std::string::npos);
    EXPECT_NE(why.find("--listen"), std::string::npos);
    for (auto bad : {"nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "1.2.3:80", "::1:80"}) {
        EXPECT_TRUE(open_listeners(bad, "--listen", 1, read_back, why).empty()) << bad;
        EXPECT_NE(why.find(bad), std::string::npos);
    }
}

TEST_F(HttpServer, RefusesMoreConnectionsThanAllowed) {
    auto port = start(&limits.emplace(2, 0));
    auto a = connect_to(port), b = connect_to(port);
    send_all(a, get("/"));
    send_all(b, get("/"));
    receive_until(a, "hello");
    receive_until(b, "hello");
    auto c = connect_to(port);
    auto answer = receive_until(c);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503")) << answer;
    EXPECT_NE(answer.find("Retry-After: 5"), std::string::npos);
    const auto id = answer.find("X-Request-ID: ");
    ASSERT_NE(id, std::string::npos) << answer;
    EXPECT_NE(answer.find("\"request_id\":\"" + answer.substr(id + 14, 32)), std::string::npos) << answer;
    send_all(a, get("/"));
    EXPECT_TRUE(receive_until(a, "hello").starts_with("HTTP/1.1 200"));
}

TEST_F(HttpServer, RefusesMoreConnectionsOfOneAddressThanAllowed) {
    auto port = start(&limits.emplace(0, 1));
    auto a = connect_to(port);
    send_all(a, get("/"));
    receive_until(a, "hello");
    const auto answer = receive_until(connect_to(port));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 429")) << answer;
    EXPECT_NE(answer.find("too many connections from this address"), std::string::npos) << answer;
}

TEST_F(HttpServer, StopsAcceptingAndClosesTheIdleWhenItDrains) {
    auto port = start();
    auto client = connect_to(port);
    send_all(client, get("/"));
    receive_until(client, "hello");
    server->drain(10s);
    EXPECT_EQ(receive_until(client), "");
    for (auto& l : loops) l.ask([] { return 0; });  // the other loop's listener has stopped, too
    EXPECT_FALSE(connect_to(port));
}

// Out of descriptors: the connected go on, the new are told, and the loop sleeps.
TEST_F(HttpServer, LosesNobodyAndDoesNotSpinWithoutDescriptors) {
    loops.pop_back();  // with two, one may take the place that the other has just made, and serve a client
    auto port = start();
    auto before = connect_to(port);
    send_all(before, get("/"));
    receive_until(before, "hello");
    std::vector<file_handle> clients;
    for (int i = 0; i < 4; ++i) clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    auto lowered = old;
    lowered.rlim_cur = static_cast<rlim_t>(clients.back().get()) + 1;
    std::vector<file_handle> fill;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
    for (int fd; (fd = ::dup(0)) >= 0;) fill.emplace_back(fd);
    EXPECT_EQ(errno, EMFILE);

    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (auto& client : clients) {
        ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_TRUE(receive_until(client).starts_with("HTTP/1.1 503"));
    }
    std::size_t turns = 0;
    for (auto& l : loops) turns += l.turns();
    for (int i = 0; i < 50; ++i) {
        send_all(before, get("/"));
        EXPECT_TRUE(receive_until(before, "hello").starts_with("HTTP/1.1 200"));
    }
    for (auto& l : loops) turns -= l.turns();
    EXPECT_LT(std::size_t{0} - turns, 500u);

    fill.clear();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    auto after = connect_to(port);
    send_all(after, get("/"));
    EXPECT_TRUE(receive_until(after, "hello").starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace madang
