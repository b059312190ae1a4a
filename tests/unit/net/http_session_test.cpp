#include "broker/net/http_session.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/support/fake_loop.hpp"
#include "tests/support/memory_transport.hpp"
#include "tests/unit/net/hostile_heads.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

// Answers by path: /later is kept for the test to answer, /take is taken over, /throw throws, /big is a file.
struct scripted : http_dispatcher {
    http_answer handle(loop&, http_request& request, reply_function reply) override {
        seen.push_back(request);
        if (request.path == "/later") {
            replies.push_back(std::move(reply));
            return awaiting_reply{1s, [this] { ++given_up; }};
        }
        if (request.path == "/take" || request.path == "/connection/take") {
            return take_over{[this](taken_connection&& t) { taken = std::move(t); }};
        }
        if (request.path == "/throw") throw std::runtime_error("oh");
        http_response response;
        if (request.path == "/big") {
            file_handle file(::memfd_create("big", MFD_CLOEXEC));
            EXPECT_EQ(::ftruncate(file.get(), big), 0);
            response.file = file_range{std::move(file), 0, big};
            return response;
        }
        response.body = request.path + request.body;
        return response;
    }
    static constexpr std::size_t big = 5'000'000;
    std::vector<http_request> seen;
    std::vector<reply_function> replies;
    int given_up = 0;
    taken_connection taken;
};

struct HttpSession : ::testing::Test {
    HttpSession() {
        settings.http_body_bytes = 100;
        session = std::make_shared<http_session>(
            loop, environment, std::make_unique<testing::memory_transport>(peer),
            listener::peer{"192.0.2.1", 4000, "127.0.0.1", 8000}, connection_slot{});
        weak = session;
        session->start();
        session.reset();
    }
    ~HttpSession() override {
        peer.fail();  // every session ends with its connection
        loop.advance(1h);
        EXPECT_EQ(environment.sessions.load(), 0u);
    }
    std::string exchange(std::string_view bytes) {
        peer.send(bytes);
        loop.run();
        return peer.take();
    }
    static std::string get(std::string_view path, std::string_view headers = "") {
        return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n";
    }
    static std::size_t count(std::string_view text, std::string_view what) {
        std::size_t n = 0;
        for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
        return n;
    }

    testing::fake_loop loop;
    testing::memory_peer peer{loop};
    scripted site;
    options settings;
    http_environment environment{settings, site};
    std::shared_ptr<http_session> session;
    std::weak_ptr<http_session> weak;
};

TEST_F(HttpSession, AnswersAndKeepsTheConnection) {
    for (int i = 0; i < 3; ++i) {
        auto answer = exchange(get("/hi", "X-Request-ID: my-id\r\n"));
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        EXPECT_NE(answer.find("\r\nX-Request-ID: my-id\r\n"), std::string::npos);
        EXPECT_TRUE(answer.ends_with("\r\n\r\n/hi")) << answer;
    }
    EXPECT_FALSE(peer.closed());
    EXPECT_EQ(loop.metrics().value(counter::http_2xx), 3u);
}

TEST_F(HttpSession, AnswersPipelinedRequestsInOrderWithOneWrite) {
    auto answer = exchange(get("/1") + get("/2") + get("/3"));
    EXPECT_EQ(count(answer, "HTTP/1.1 200"), 3u);
    EXPECT_LT(answer.find("\r\n\r\n/1"), answer.find("\r\n\r\n/2"));
    EXPECT_LT(answer.find("\r\n\r\n/2"), answer.find("\r\n\r\n/3"));
    EXPECT_EQ(peer.writes(), 1u);
}

TEST_F(HttpSession, DoesNotLookAtTheNextRequestWhileOneIsAnswered) {
    EXPECT_EQ(exchange(get("/later") + get("/2")), "");
    EXPECT_EQ(site.seen.size(), 1u);
    EXPECT_FALSE(peer.reading());
    http_response response;
    response.body = "first";
    site.replies.front()(std::move(response));
    loop.run();
    auto answer = peer.take();
    EXPECT_LT(answer.find("\r\n\r\nfirst"), answer.find("\r\n\r\n/2"));
    EXPECT_TRUE(peer.reading());
}

TEST_F(HttpSession, AnswersALateView504AndDropsItsReply) {
    exchange(get("/later"));
    loop.advance(1s);
    EXPECT_TRUE(peer.take().starts_with("HTTP/1.1 504"));
    EXPECT_EQ(loop.metrics().value(counter::view_timeouts), 1u);
    EXPECT_EQ(site.given_up, 1);
    site.replies.front()({});
    loop.run();
    EXPECT_EQ(peer.take(), "");
    EXPECT_TRUE(exchange(get("/next")).starts_with("HTTP/1.1 200"));
    site.replies.front()({});
    loop.run();
    EXPECT_EQ(peer.take(), "");
}

TEST_F(HttpSession, DropsTheReplyOfAConnectionThatIsGone) {
    exchange(get("/later"));
    weak.lock()->close();
    loop.run();
    EXPECT_TRUE(weak.expired());
    site.replies.front()({});
    EXPECT_NO_THROW(loop.run());
}

TEST_F(HttpSession, StopsReadingWhileTheClientDoesNotTakeItsAnswers) {
    peer.limit_writes(0);
    settings.http_body_bytes = 1'000'000;
    std::string post =
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x');
    for (int i = 0; i < 10; ++i) peer.send(post);
    loop.run();
    EXPECT_LE(site.seen.size(), 4u);
    EXPECT_FALSE(peer.reading());
    EXPECT_GT(peer.unread(), 400'000u);
    peer.unlimit_writes();
    loop.run();
    EXPECT_EQ(site.seen.size(), 10u);
    EXPECT_EQ(count(peer.take(), "HTTP/1.1 200"), 10u);
}

TEST_F(HttpSession, ClosesAClientThatNeverTakesItsAnswer) {
    peer.limit_writes(10);
    exchange(get("/x"));
    EXPECT_FALSE(peer.closed());
    loop.advance(settings.http_idle_timeout);
    EXPECT_TRUE(peer.closed());
}

TEST_F(HttpSession, SendsAFileInPieces) {
    auto answer = exchange(get("/big") + get("/after"));
    auto head = answer.find("\r\n\r\n") + 4;
    EXPECT_NE(answer.find("Content-Length: 5000000\r\n"), std::string::npos);
    ASSERT_GT(answer.size(), head + scripted::big);
    EXPECT_EQ(answer.find_first_not_of('\0', head), head + scripted::big);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n/after"));
}

TEST_F(HttpSession, SendsAFileOnlyAsFastAsTheClientTakesIt) {
    peer.limit_writes(1000);
    exchange(get("/big"));
    EXPECT_TRUE(peer.writing());
    for (int i = 0; i < 10; ++i) {
        peer.grant(100'000);
        loop.run();
    }
    EXPECT_EQ(peer.take().size(), 1'000'000u);
    EXPECT_TRUE(peer.writing());
}

TEST_F(HttpSession, AnswersHeadWithoutABody) {
    auto answer = exchange("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" + get("/2"));
    EXPECT_NE(answer.find("Content-Length: 6\r\n"), std::string::npos);
    EXPECT_EQ(answer.find("/hello"), std::string::npos);
    EXPECT_TRUE(answer.ends_with("\r\n\r\n/2"));
}

TEST_F(HttpSession, TellsAWaitingClientToContinue) {
    EXPECT_EQ(exchange("POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
              "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_TRUE(exchange("hi").ends_with("\r\n\r\n/bhi"));
}

TEST_F(HttpSession, RefusesALargeBodyWithoutReadingIt) {
    auto answer =
        exchange("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413")) << answer;
    EXPECT_NE(answer.find("the body is too large (--http-body-bytes: 100)"), std::string::npos) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(peer.shut());
}

TEST_F(HttpSession, ContainsWhatADispatcherThrows) {
    EXPECT_TRUE(exchange(get("/throw")).starts_with("HTTP/1.1 500"));
    EXPECT_TRUE(exchange(get("/next")).starts_with("HTTP/1.1 200"));
}

TEST_F(HttpSession, ClosesASilentClientWithoutAWord) {
    loop.advance(settings.http_head_timeout);
    EXPECT_TRUE(peer.closed());
    EXPECT_EQ(peer.output(), "");
    EXPECT_EQ(loop.metrics().value(counter::http_timeouts), 1u);
}

TEST_F(HttpSession, Answers408ToAHeadThatDripsIn) {
    for (char c : std::string_view("GET / HTT")) {
        exchange(std::string_view(&c, 1));
        loop.advance(1s);
    }
    EXPECT_FALSE(peer.shut());
    loop.advance(2s);
    EXPECT_TRUE(peer.take().starts_with("HTTP/1.1 408"));
    EXPECT_TRUE(peer.shut());
}

TEST_F(HttpSession, Answers408ToABodyThatDripsIn) {
    exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    for (int i = 0; i < 29; ++i) {
        exchange("x");
        loop.advance(1s);
    }
    EXPECT_FALSE(peer.shut());
    loop.advance(2s);
    EXPECT_TRUE(peer.take().starts_with("HTTP/1.1 408"));
}

TEST_F(HttpSession, ClosesAnIdleConnectionInItsTime) {
    exchange(get("/"));
    loop.advance(settings.http_idle_timeout - 1s);
    EXPECT_FALSE(peer.closed());
    exchange(get("/"));
    loop.advance(settings.http_idle_timeout - 1s);
    EXPECT_FALSE(peer.closed());
    loop.advance(2s);
    EXPECT_TRUE(peer.closed());
}

TEST_F(HttpSession, LingersSoThatTheClientCanReadItsLastAnswer) {
    exchange(get("/", "Connection: close\r\n"));
    EXPECT_TRUE(peer.shut());
    EXPECT_FALSE(peer.closed());
    exchange("more that nobody reads");
    EXPECT_EQ(peer.unread(), 0u);
    EXPECT_EQ(site.seen.size(), 1u);
    peer.send_eof();
    loop.run();
    EXPECT_TRUE(peer.closed());
}

TEST_F(HttpSession, DoesNotLingerForEver) {
    exchange(get("/", "Connection: close\r\n"));
    loop.advance(2s);
    EXPECT_TRUE(peer.closed());
    EXPECT_TRUE(weak.expired());
}

TEST_F(HttpSession, AnswersAHalfClosedClient) {
    peer.send(get("/later"));
    loop.run();
    peer.send_eof();
    site.replies.front()({});
    loop.run();
    EXPECT_TRUE(peer.take().starts_with("HTTP/1.1 200"));
    loop.run();
    EXPECT_TRUE(peer.closed());
}

TEST_F(HttpSession, HandsOverTheTransportWithWhatCameBehind) {
    exchange(get("/take", "Upgrade: websocket\r\n") + "frames");
    ASSERT_TRUE(site.taken.io);
    EXPECT_EQ(site.taken.leftover, "frames");
    EXPECT_TRUE(weak.expired());
    EXPECT_FALSE(peer.closed());
    EXPECT_EQ(loop.timers(), 0u);
    site.taken.io.reset();
}

TEST_F(HttpSession, HandsOverOnlyAfterEarlierAnswersWereSent) {
    peer.limit_writes(10);
    exchange(get("/1") + get("/take", "Upgrade: websocket\r\n"));
    EXPECT_FALSE(site.taken.io);
    peer.unlimit_writes();
    loop.run();
    EXPECT_TRUE(site.taken.io);
    EXPECT_TRUE(weak.expired());
    site.taken.io.reset();
}

TEST_F(HttpSession, HandsOverAfterABodyToo) {
    const std::string post = "POST /connection/take HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n";
    exchange(post + "\r\nhel");
    EXPECT_FALSE(site.taken.io);
    exchange("loleft");
    ASSERT_TRUE(site.taken.io);
    EXPECT_EQ(site.seen.back().body, "hello");
    EXPECT_EQ(site.taken.leftover, "left");
    EXPECT_TRUE(weak.expired());
    EXPECT_EQ(loop.timers(), 0u);
    site.taken.io.reset();
}

TEST_F(HttpSession, HandsOverAfterABodyOnlyWhenEarlierAnswersWereSent) {
    peer.limit_writes(10);
    exchange(get("/1") + "POST /connection/take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    exchange("2\r\nab\r\n0\r\n\r\n");
    EXPECT_FALSE(site.taken.io);
    peer.unlimit_writes();
    loop.run();
    ASSERT_TRUE(site.taken.io);
    EXPECT_EQ(site.seen.back().body, "ab");
    EXPECT_TRUE(weak.expired());
    site.taken.io.reset();
}

TEST_F(HttpSession, ClosesIdleConnectionsSoonWhenDraining) {
    exchange(get("/"));
    environment.draining = true;
    weak.lock()->drain();
    loop.advance(50ms);
    EXPECT_TRUE(peer.closed());
}

TEST_F(HttpSession, AnswersARequestThatMeetsTheDrain) {
    exchange(get("/"));
    environment.draining = true;
    weak.lock()->drain();
    EXPECT_NE(exchange(get("/")).find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(HttpSession, FinishesItsAnswerWhenDraining) {
    exchange(get("/later"));
    environment.draining = true;
    weak.lock()->drain();
    loop.run();
    EXPECT_FALSE(peer.closed());
    site.replies.front()({});
    loop.run();
    auto answer = peer.take();
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(peer.shut());
}

TEST_F(HttpSession, TellsTheAccessLog) {
    std::vector<std::string> lines;
    environment.access_log = [&](const access_entry& e) {
        lines.push_back(std::string(e.method) + " " + std::string(e.path) + " " + std::to_string(e.status) +
                        " " + std::to_string(e.bytes) + " " + std::string(e.client) + " " +
                        std::string(e.request_id));
    };
    exchange(get("/abc", "X-Request-ID: r1\r\n"));
    EXPECT_EQ(lines, std::vector<std::string>{"GET /abc 200 4 192.0.2.1 r1"});
}

class HostileRequests : public HttpSession, public ::testing::WithParamInterface<testing::hostile_request> {};

TEST_P(HostileRequests, AreRefusedAndClosed) {
    auto answer = exchange(GetParam().bytes + get("/smuggled"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505")) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    EXPECT_EQ(count(answer, "\r\nDate: "), 1u);
    EXPECT_TRUE(peer.shut());
    EXPECT_TRUE(site.seen.empty());
}

INSTANTIATE_TEST_SUITE_P(All, HostileRequests, ::testing::ValuesIn(testing::hostile_requests()),
                         [](const auto& row) {
                             std::string name;
                             for (char c : row.param.name)
                                 name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                             return name;
                         });

}  // namespace
}  // namespace madang
