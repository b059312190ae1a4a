#include "broker/net/http_fetch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "broker/auth/doorkeeper.hpp"
#include "tests/integration/auth/scripted_server.hpp"
#include "tests/support/token_maker.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using test::ok;
using test::scripted_server;
using testing::HasSubstr;
using testing::Not;

using answer = result<fetch_answer>;

fetch_request request_to(std::string url, std::string body = {}) {
    fetch_request what;
    what.method = body.empty() ? "GET" : "POST";
    what.url = std::move(url);
    what.body = std::move(body);
    what.timeout = 20s;
    return what;
}

struct HttpFetch : ::testing::Test {
    std::future<answer> start(fetch_request what) {
        auto promise = std::make_shared<std::promise<answer>>();
        auto future = promise->get_future();
        fetcher.fetch(std::move(what), [promise](answer a) { promise->set_value(std::move(a)); });
        return future;
    }
    answer fetch(fetch_request what) { return start(std::move(what)).get(); }
    errc failure_of(fetch_request what) {
        const auto got = fetch(std::move(what));
        return got ? errc::internal : got.error().code;
    }
    // Until the server has read so many requests.
    static void await_requests(const scripted_server& server, std::size_t n) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (server.requests() < n && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        ASSERT_EQ(server.requests(), n);
    }

    metrics_shard counts;
    curl_fetcher fetcher{{.connections = 3, .queue = 40}, counts};
};

TEST_F(HttpFetch, PostsAndGets) {
    std::string seen;
    scripted_server server([&](const std::string& request) {
        seen = request;
        return ok("{\"a\":1}", "X-Some-Thing:  two words \r\n");
    });
    auto what = request_to(server.url("/path?q=1"), "the body");
    what.headers = {{"Content-Type", "application/json"}, {"cookie", "a=b; c=d"}, {"X-Empty", ""}};
    const auto got = fetch(what);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->body, "{\"a\":1}");
    EXPECT_THAT(got->headers, testing::Contains(testing::Pair("x-some-thing", "two words")));
    EXPECT_THAT(seen, testing::StartsWith("POST /path?q=1 HTTP/1.1\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\ncookie: a=b; c=d\r\n"));
    EXPECT_THAT(seen, HasSubstr("\r\nX-Empty:"));
    EXPECT_THAT(seen, Not(HasSubstr("Expect")));
    EXPECT_THAT(seen, testing::EndsWith("\r\n\r\nthe body"));
    ASSERT_TRUE(fetch(request_to(server.url())));
    EXPECT_THAT(seen, testing::StartsWith("GET / HTTP/1.1\r\n"));
    EXPECT_THAT(seen, Not(HasSubstr("cookie"))) << "nothing of one request stays for the next";
    EXPECT_EQ(counts.count(histogram::fetch_seconds), 2u);
    EXPECT_EQ(counts.value(gauge::fetches), 0);
}

TEST_F(HttpFetch, AStatusIsAnAnswerAndARedirectIsNotFollowed) {
    scripted_server other([](const std::string&) { return ok("elsewhere"); });
    scripted_server server([&](const std::string& request) {
        if (request.starts_with("GET /gone"))
            return std::string("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno");
        return "HTTP/1.1 302 Found\r\nLocation: " + other.url() + "\r\nContent-Length: 0\r\n\r\n";
    });
    const auto gone = fetch(request_to(server.url("/gone")));
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->status, 404);
    EXPECT_EQ(gone->body, "no");
    const auto moved = fetch(request_to(server.url()));
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->status, 302);
    EXPECT_EQ(other.connections(), 0u);
}

TEST_F(HttpFetch, KeepsItsConnections) {
    scripted_server server([](const std::string&) { return ok("x"); });
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(fetch(request_to(server.url(), "body")));
    EXPECT_EQ(server.connections(), 1u);
}

TEST_F(HttpFetch, AsksAgainWhenAKeptConnectionWasClosed) {
    int closing = 0;
    scripted_server closer(
        [&](const std::string&) { return ok("x", ++closing % 2 ? "Connection: close\r\n" : ""); });
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(fetch(request_to(closer.url(), "body"))) << i;
    EXPECT_EQ(closer.requests(), 6u);
}

TEST_F(HttpFetch, NoMoreConnectionsPerHostThanAllowedAndTheRestWaits) {
    scripted_server server([](const std::string&) { return std::string(); });
    scripted_server free_one([](const std::string&) { return ok("y"); });
    std::vector<std::future<answer>> waiting;
    for (int i = 0; i < 12; ++i) waiting.push_back(start(request_to(server.url(), "body")));
    await_requests(server, 3);
    EXPECT_TRUE(fetch(request_to(free_one.url()))) << "another host is not held up";
    EXPECT_EQ(server.connections(), 3u);
    EXPECT_EQ(counts.value(gauge::fetches), 12);
    fetcher.stop();
    for (auto& each : waiting) EXPECT_EQ(each.get().error().code, errc::busy);
    EXPECT_EQ(server.connections(), 3u);
    EXPECT_EQ(counts.value(gauge::fetches), 0);
}

TEST_F(HttpFetch, TheTimeoutIsForAllOfItAlsoForWaiting) {
    scripted_server server([](const std::string&) { return std::string(); });
    auto what = request_to(server.url(), "body");
    what.timeout = 150ms;
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::future<answer>> waiting;
    for (int i = 0; i < 10; ++i) waiting.push_back(start(what));
    for (auto& each : waiting) EXPECT_EQ(each.get().error().code, errc::request_timeout);
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(took, 150ms);
    EXPECT_LT(took, 10s) << "ten of them, three at a time, one timeout";
}

TEST_F(HttpFetch, ADrippingAnswerIsCutOffByTheTimeout) {
    scripted_server server(
        [](const std::string&) { return std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"); });
    auto what = request_to(server.url());
    what.timeout = 100ms;
    EXPECT_EQ(failure_of(what), errc::request_timeout);
}

TEST_F(HttpFetch, AnswersHaveASize) {
    scripted_server server([](const std::string& request) {
        if (request.starts_with("GET /chunked")) {
            std::string body;
            for (int i = 0; i < 50; ++i) body += "64\r\n" + std::string(100, 'x') + "\r\n";
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "0\r\n\r\n";
        }
        if (request.starts_with("GET /long_header"))
            return ok("x", "X-Long: " + std::string(90'000, 'h') + "\r\n");
        if (request.starts_with("GET /many_headers")) {
            std::string many;
            for (int i = 0; i < 5000; ++i) many += "X-Header: some value\r\n";
            return ok("x", many);
        }
        return ok(std::string(1001, 'x'));
    });
    auto what = request_to(server.url());
    what.answer_bytes = 1001;
    EXPECT_TRUE(fetch(what));
    what.answer_bytes = 1000;
    EXPECT_EQ(failure_of(what), errc::too_large);
    what.url = server.url("/chunked");
    EXPECT_EQ(failure_of(what), errc::too_large);
    what.url = server.url("/many_headers");
    EXPECT_EQ(failure_of(what), errc::too_large);
    what.url = server.url("/long_header");
    EXPECT_EQ(failure_of(what), errc::too_large);
}

TEST_F(HttpFetch, AFullQueueIsBusyAtOnce) {
    scripted_server server([](const std::string&) { return std::string(); });
    std::vector<std::future<answer>> waiting;
    for (int i = 0; i < 40; ++i) waiting.push_back(start(request_to(server.url(), "body")));
    auto one_more = start(request_to(server.url(), "body"));
    ASSERT_EQ(one_more.wait_for(0s), std::future_status::ready);
    EXPECT_EQ(one_more.get().error().code, errc::busy);
    fetcher.stop();
    for (auto& each : waiting) EXPECT_EQ(each.get().error().code, errc::busy);
    auto late = start(request_to(server.url()));
    ASSERT_EQ(late.wait_for(0s), std::future_status::ready);
    EXPECT_EQ(late.get().error().code, errc::busy);
}

TEST_F(HttpFetch, WhatCannotBeReachedOrReadIsAFailureWithoutItsAddress) {
    std::uint16_t port = 0;
    {
        scripted_server gone([](const std::string&) { return std::string(); });
        port = gone.port();
    }
    const auto refused =
        fetch(request_to("http://user:pass-word@127.0.0.1:" + std::to_string(port) + "/?token=t0p"));
    EXPECT_EQ(refused.error().code, errc::system_failure);
    EXPECT_THAT(refused.error().text(), Not(testing::AnyOf(HasSubstr("pass-word"), HasSubstr("t0p"))));
    scripted_server babbler(
        [](const std::string&) { return std::string("this is no HTTP\r\nConnection: close\r\n\r\n"); });
    EXPECT_EQ(failure_of(request_to(babbler.url())), errc::system_failure);
}

TEST_F(HttpFetch, RefusesWhatWouldNotBeOneRequest) {
    scripted_server server([](const std::string&) { return ok("x"); });
    for (const auto& url :
         {std::string("file:///etc/passwd"), std::string("ftp://127.0.0.1/"), std::string(),
          std::string("127.0.0.1"), server.url("/a\r\nX: y"), std::string("gopher://127.0.0.1/")})
        EXPECT_EQ(failure_of(request_to(url)), errc::bad_request) << url;
    for (const auto& [name, value] : {std::pair{"X", "a\r\nHost: evil"}, std::pair{"X", "a\n"},
                                      std::pair{"X\r\nY", "a"}, std::pair{"X: y", "a"}, std::pair{"", "a"}}) {
        auto what = request_to(server.url());
        what.headers = {{name, value}};
        EXPECT_EQ(failure_of(what), errc::bad_request) << name << value;
    }
    EXPECT_EQ(server.connections(), 0u);
}

TEST_F(HttpFetch, ManyThreadsGetEachTheirOwnAnswer) {
    scripted_server server(
        [](const std::string& request) { return ok(request.substr(request.find("\r\n\r\n") + 4)); });
    std::atomic<int> right{0}, calls{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                const auto body = std::to_string(t) + "/" + std::to_string(i);
                std::promise<answer> got;
                fetcher.fetch(request_to(server.url(), body), [&](answer a) {
                    ++calls;
                    got.set_value(std::move(a));
                });
                const auto a = got.get_future().get();
                right += a && a->body == body;
            }
        });
    for (auto& each : threads) each.join();
    EXPECT_EQ(right, 200);
    EXPECT_EQ(calls, 200);
    EXPECT_LE(server.connections(), 3u);
}

// A peer with a certificate that nobody vouches for.
TEST_F(HttpFetch, RefusesACertificateThatNobodySigned) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                    &SSL_CTX_free);
    ASSERT_EQ(SSL_CTX_use_certificate(context.get(), certificate.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(context.get(), key.get()), 1);
    int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    address.ss_family = AF_INET;  // port 0 of any address; asked on loopback
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), 16), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto* bytes = reinterpret_cast<const unsigned char*>(&address);
    const auto port = std::to_string(bytes[2] * 256 + bytes[3]);
    std::string got;
    std::thread peer([&] {
        const int socket = ::accept(listener, nullptr, nullptr);
        const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
        SSL_set_fd(tls.get(), socket);
        char buffer[100];
        if (SSL_accept(tls.get()) == 1)
            if (const int n = SSL_read(tls.get(), buffer, sizeof buffer); n > 0)
                got.assign(buffer, static_cast<std::size_t>(n));
        ::close(socket);
    });
    const auto answer = fetch(request_to("https://127.0.0.1:" + port + "/"));
    peer.join();
    ::close(listener);
    EXPECT_EQ(answer.error().code, errc::system_failure);
    EXPECT_THAT(answer.error().detail, HasSubstr("SSL"));
    EXPECT_EQ(got, "") << "not a byte was said to it";
}

TEST_F(HttpFetch, CarriesTheDoorkeepersQuestionsAndKeySets) {
    const auto key = test::signing_key::ed25519();
    scripted_server backend([&](const std::string& request) {
        if (request.starts_with("GET /jwks")) return ok(R"({"keys":[)" + key.jwk("a") + "]}");
        return ok(R"({"result":{"data":{"cookie":)" +
                  std::string(request.find("cookie: sessionid=7") != std::string::npos ? "true" : "false") +
                  "}}}");
    });
    options settings;
    settings.proxy_rpc = backend.url("/rpc");
    settings.proxy_timeout = 20s;
    reloadable<namespace_table> namespaces;
    system_clock_source clock;
    metrics_shard labelled;
    jwks_cache keys(backend.url("/jwks"), jwks_limits{.age = 1h}, fetcher, clock, labelled);
    keys.prefetch();
    const jwt_verifier tokens(jwt_settings{}, clock, &keys);
    doorkeeper door({settings, namespaces, tokens, fetcher, clock, labelled});

    std::promise<std::string> connected, answered;
    connect_question what;
    what.token = key.sign(R"({"alg":"EdDSA","kid":"a"})", R"({"sub":"u"})", nullptr);
    door.connect(what, [&](verdict<connect_grant> v) { connected.set_value(v.yes ? v.yes->user : "no"); });
    EXPECT_EQ(connected.get_future().get(), "u");
    scope_builder builder;
    builder.add(scope_list::headers, "Cookie", "sessionid=7");
    known_client who;
    who.known = std::make_shared<const scope>(builder.build());
    door.rpc(who, "m", "1", [&](verdict<rpc_answer> v) { answered.set_value(v.yes ? v.yes->data : "no"); });
    EXPECT_EQ(answered.get_future().get(), R"({"cookie":true})");
    fetcher.stop();
}

}  // namespace
}  // namespace madang
