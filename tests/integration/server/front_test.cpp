// The HTTP front of a running server: health, limits, proxies, deadlines.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

using testing::HasSubstr;

TEST(Front, InternalAddressesAreNeverOnThePublicListener) {
    server node;
    EXPECT_EQ(fetch(node.port(), "/metrics").status, 404);
    EXPECT_EQ(fetch(node.port(), "/%6detrics").status, 404);
    const auto metrics = fetch(node.internal_port(), "/metrics");
    EXPECT_EQ(metrics.status, 200);
    EXPECT_THAT(metrics.body, HasSubstr("madang_connections_open 0"));
    EXPECT_THAT(metrics.body, HasSubstr("madang_ready 1"));
    EXPECT_EQ(fetch(node.internal_port(), "/").status, 404);
    EXPECT_EQ(fetch(node.internal_port(), "/ws/echo/").status, 404);
}

TEST(Front, ReadinessEndsWhenTheDrainBeginsAndLivenessDoesNot) {
    server node({"--drain-spread", "1h", "--drain-timeout", "1h"});
    EXPECT_EQ(fetch(node.port(), "/readyz").status, 200);
    EXPECT_EQ(fetch(node.internal_port(), "/readyz").status, 200);
    // Two members on one loop: the second, whose turn is much later, keeps the drain going.
    peer first(node.port()), second(node.port()), third(node.port());
    peer* const all[] = {&first, &second, &third};
    for (peer* each : all) each->upgrade("/ws/echo/");
    peer kept(node.port());
    kept.request("/readyz");
    std::optional<http_answer> answer;
    ASSERT_TRUE(drive(kept, [&] { return (answer = kept.next_answer()).has_value(); }));
    ASSERT_TRUE(drive(all, [&] { return first.open() && second.open() && third.open(); }));
    node.process().signal(SIGTERM);
    ASSERT_TRUE(eventually([&] { return fetch(node.internal_port(), "/readyz").status == 503; }));
    EXPECT_EQ(fetch(node.internal_port(), "/readyz").body, "not ready\ndraining: the server stops\n");
    const auto url = "http://127.0.0.1:" + std::to_string(node.internal_port()) + "/readyz";
    const auto health = run({.words = {server_binary(), "health", "--url", url}});
    EXPECT_EQ(health.code, 1);
    EXPECT_EQ(health.err, "madang: health: " + url + ": not ready: draining: the server stops\n");
    EXPECT_EQ(fetch(node.internal_port(), "/healthz").status, 200);
    EXPECT_EQ(node.metrics()["madang_draining"], 1);
    EXPECT_EQ(node.metrics()["madang_ready"], 0);
    node.process().signal(SIGTERM);  // asked twice, it ends at once
    EXPECT_EQ(node.process().wait(30s), 0);
}

TEST(Front, ConnectionsBeyondTheTotalAreAnswered503AndThePlaceComesBack) {
    server node({"--max-connections", "2"});
    peer first(node.port()), second(node.port());
    peer* const both[] = {&first, &second};
    first.upgrade("/ws/echo/");
    second.upgrade("/ws/echo/");
    ASSERT_TRUE(drive(both, [&] { return first.open() && second.open(); }));
    const auto refused = fetch(node.port(), "/healthz");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.count("retry-after"), 1u);
    EXPECT_EQ(node.metrics()["madang_connections_refused_total{reason=\"limit\"}"], 1);
    first.hang_up();
    EXPECT_TRUE(eventually([&] { return fetch(node.port(), "/healthz").status == 200; }));
}

TEST(Front, ConnectionsBeyondAnAddressesShareAreAnswered429) {
    server node({"--max-connections-per-address", "1"});
    peer first(node.port(), "127.0.0.9");
    first.upgrade("/ws/echo/");
    ASSERT_TRUE(drive(first, [&] { return first.open(); }));
    EXPECT_EQ(fetch(node.port(), "/healthz", {}, "GET", {}, "127.0.0.9").status, 429);
    EXPECT_EQ(fetch(node.port(), "/healthz", {}, "GET", {}, "127.0.0.10").status, 200);
    EXPECT_EQ(node.metrics()["madang_connections_refused_total{reason=\"address_limit\"}"], 1);
    first.hang_up();
    EXPECT_TRUE(
        eventually([&] { return fetch(node.port(), "/healthz", {}, "GET", {}, "127.0.0.9").status == 200; }));
}

TEST(Front, ForwardedHeadersAreBelievedFromTrustedProxiesOnly) {
    server node({"--trusted-proxy", "127.0.0.7", "--max-connections-per-address", "1"});
    // The same client through the proxy twice: refused. A stranger claiming to be somebody else: not
    // believed.
    peer first(node.port(), "127.0.0.7");
    first.upgrade("/ws/echo/", "X-Forwarded-For: 203.0.113.5\r\n");
    ASSERT_TRUE(drive(first, [&] { return first.open(); }));
    const auto from = [&](const std::string& address, const std::string& claimed) {
        return fetch(node.port(), "/healthz", "X-Forwarded-For: " + claimed + "\r\n", "GET", {}, address)
            .status;
    };
    EXPECT_EQ(from("127.0.0.7", "203.0.113.5"), 429);
    EXPECT_EQ(from("127.0.0.7", "203.0.113.6"), 200);
    EXPECT_EQ(from("127.0.0.8", "203.0.113.5"), 200);
}

TEST(Front, TheProxysSchemeDecidesWhatTheSameOriginIs) {
    server node({"--trusted-proxy", "127.0.0.7"});
    const auto status = [&](const std::string& from) {
        peer client(node.port(), from);
        client.upgrade("/ws/echo/", "Origin: https://127.0.0.1\r\nX-Forwarded-Proto: https\r\n");
        drive(client, [&] { return client.answer.has_value(); });
        return client.answer ? client.answer->status : 0;
    };
    EXPECT_EQ(status("127.0.0.7"), 101);
    EXPECT_EQ(status("127.0.0.8"), 403);
}

TEST(Front, AHeadThatComesByteByByteIsCutOffInTime) {
    server node({"--http-head-timeout", "300ms"});
    peer slow(node.port());
    const std::string head = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ";
    std::size_t sent = 0;
    const auto began = steady::now();
    ASSERT_TRUE(drive(slow, [&] {
        slow.raw(sent < head.size() ? head.substr(sent, 1) : "a");
        ++sent;
        return slow.ended;
    }));
    EXPECT_LT(steady::now() - began, 9s);  // the default is 10 s
    EXPECT_GT(steady::now() - began, 250ms);
    peer silent(node.port());
    EXPECT_TRUE(drive(
        silent, [&] { return silent.ended; }, 9s));
    EXPECT_EQ(node.metrics()["madang_http_timeouts_total"], 2);
}

TEST(Front, ABodyThatDoesNotComeIsCutOffInTime) {
    server node({"--http-body-timeout", "300ms"});
    peer slow(node.port());
    slow.raw("POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf");
    std::optional<http_answer> answer;
    ASSERT_TRUE(drive(
        slow, [&] { return (answer = slow.next_answer()) || slow.ended; }, 25s));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 408);
}

TEST(Front, AnIdleConnectionIsClosedSilently) {
    server node({"--http-idle-timeout", "200ms"});
    peer idle(node.port());
    idle.request("/healthz");
    std::optional<http_answer> answer;
    ASSERT_TRUE(drive(idle, [&] { return (answer = idle.next_answer()).has_value(); }));
    EXPECT_TRUE(drive(
        idle, [&] { return idle.ended; }, 30s));
    EXPECT_FALSE(idle.next_answer());
}

TEST(Front, HeadsAndBodiesOverTheirLimitAreRefused) {
    server node({"--http-head-bytes", "1k", "--http-body-bytes", "10"});
    EXPECT_EQ(fetch(node.port(), "/", "X-Long: " + std::string(2000, 'a') + "\r\n").status, 431);
    EXPECT_EQ(fetch(node.port(), "/", {}, "POST", "more than ten").status, 413);
}

TEST(Front, PipelinedRequestsAreAnsweredInOrder) {
    server node;
    peer client(node.port());
    for (int i = 0; i < 50; ++i) client.request("/healthz", "X-Request-ID: " + std::to_string(i) + "\r\n");
    int answered = 0;
    EXPECT_TRUE(drive(client, [&] {
        while (auto answer = client.next_answer()) {
            EXPECT_EQ(answer->headers["x-request-id"], std::to_string(answered));
            ++answered;
        }
        return answered == 50;
    }));
}

}  // namespace
}  // namespace madang::test
