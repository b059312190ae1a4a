#include "broker/net/rewriting_transport.hpp"

#include <gtest/gtest.h>

#include <random>

#include "broker/protocol/ws_decoder.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/memory_transport.hpp"
#include "tests/unit/protocol/ws_client.hpp"

namespace madang {
namespace {

using shape = frame_rewriter::shape;
using outcome = transport::outcome;

const std::string accepted = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
const std::string head = "HTTP/1.1 200 OK\r\n\r\n";

struct counting_waiter final : transport_waiter {
    void on_readable(bool alive) override {
        ++readable;
        last_alive = alive;
    }
    void on_writable(bool alive) override {
        ++writable;
        last_alive = alive;
    }
    int readable = 0;
    int writable = 0;
    bool last_alive = true;
};

struct RewritingTransport : ::testing::Test {
    ~RewritingTransport() override {
        io.reset();
        on.run();  // it lives until the socket's last call
    }
    void make(shape to = shape::lines, frame_rewriter::envelope pushes = frame_rewriter::envelope::kept) {
        registry = emulation_registry::make(1000);
        io = make_rewriting_transport(on, std::make_unique<testing::memory_transport>(peer),
                                      {to, pushes, false, head},
                                      to == shape::websocket ? emulation_registry::ticket{}
                                                             : emulation_registry::enter(registry, on, "s"));
    }
    outcome write(std::string_view bytes, std::size_t* taken = nullptr) {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        const auto got = io->write_some(&part, 1);
        if (taken != nullptr) *taken = got.bytes;
        return got.what;
    }
    // As a connection does: until all is taken, waiting where it would block.
    void write_all(std::string_view bytes) {
        while (!bytes.empty()) {
            std::size_t taken = 0;
            ASSERT_EQ(write(bytes, &taken), outcome::done);
            bytes.remove_prefix(taken);
        }
    }
    // What the connection reads until it would block, as ws_client's recorder writes it down.
    std::vector<std::string> read() {
        std::string got;
        char buffer[37];
        for (;;) {
            const auto part = io->read_some(buffer, sizeof buffer);
            ended = part.what;
            if (part.what != outcome::done) break;
            got.append(buffer, part.bytes);
        }
        return test::decode(got);
    }
    static std::string text(std::string_view lines) { return ws_frame(ws_opcode::text, lines); }
    static std::string close(std::uint16_t code) { return std::string(make_ws_close(code, "bye").bytes()); }

    testing::fake_loop on;
    testing::memory_peer peer{on};
    std::shared_ptr<emulation_registry> registry;
    std::unique_ptr<transport> io;
    counting_waiter waiter;
    outcome ended = outcome::done;
};

TEST_F(RewritingTransport, WritesTheRewritingAtOnce) {
    make();
    write_all(accepted + text("{}"));
    EXPECT_EQ(peer.output(), head + "{}\n");
    EXPECT_EQ(peer.writes(), 1u);
}

TEST_F(RewritingTransport, TakesNothingMoreWhileTheSocketIsFull) {
    make();
    write_all(accepted);
    peer.limit_writes(5);
    std::size_t taken = 0;
    EXPECT_EQ(write(text("0123456789"), &taken), outcome::done);
    EXPECT_EQ(taken, 12u);
    EXPECT_EQ(write(text("more"), &taken), outcome::would_block);
    io->wait_writable(waiter);
    on.run();
    EXPECT_EQ(waiter.writable, 0);
    peer.grant(3);
    on.run();
    EXPECT_EQ(waiter.writable, 0) << "not before everything that waits is sent";
    peer.grant(100);
    on.run();
    EXPECT_EQ(waiter.writable, 1);
    EXPECT_EQ(peer.take(), head + "0123456789\n");
    write_all(text("more"));
    EXPECT_EQ(peer.take(), "more\n");
}

// The connection has nothing more to write: the rest must go out by itself.
TEST_F(RewritingTransport, SendsWhatWaitsWithoutBeingAsked) {
    make();
    peer.limit_writes(0);
    write_all(accepted + text("{}"));
    EXPECT_EQ(peer.output(), "");
    peer.unlimit_writes();
    on.run();
    EXPECT_EQ(peer.output(), head + "{}\n");
}

TEST_F(RewritingTransport, SurvivesEveryPartialWrite) {
    const std::string sent =
        accepted + text("{\"id\":1}\n{\"id\":2}") + text(R"({"push":{"pub":{}}})") + close(3000);
    make(shape::event_stream);
    write_all(sent);
    const auto whole = peer.take();
    for (std::size_t room = 0; room <= whole.size(); ++room)
        for (std::size_t piece : {std::size_t{1}, std::size_t{7}, sent.size()}) {
            testing::memory_peer other(on);
            auto made =
                make_rewriting_transport(on, std::make_unique<testing::memory_transport>(other),
                                         {shape::event_stream, frame_rewriter::envelope::kept, false, head});
            other.limit_writes(room);
            counting_waiter wakes;
            for (std::string_view rest = sent; !rest.empty();) {
                const auto size = std::min(piece, rest.size());
                const iovec part{const_cast<char*>(rest.data()), size};
                const auto got = made->write_some(&part, 1);
                if (got.what == outcome::would_block) {
                    made->wait_writable(wakes);
                    on.run();
                    ASSERT_EQ(wakes.writable, 0);
                    other.unlimit_writes();
                    on.run();
                    ASSERT_EQ(wakes.writable, 1);
                    continue;
                }
                ASSERT_EQ(got.what, outcome::done);
                rest.remove_prefix(got.bytes);
            }
            other.unlimit_writes();
            on.run();
            ASSERT_EQ(other.output(), whole) << room << " " << piece;
        }
}

TEST_F(RewritingTransport, HoldsABoundedPieceOfALargeMessage) {
    make();
    peer.limit_writes(0);
    const auto large = accepted + text(std::string(1 << 20, 'x'));
    std::size_t taken = 0;
    EXPECT_EQ(write(large, &taken), outcome::done);
    EXPECT_LE(taken, 32u * 1024);
    EXPECT_EQ(write(std::string_view(large).substr(taken)), outcome::would_block);
    peer.unlimit_writes();
    on.run();
    write_all(std::string_view(large).substr(taken));
    EXPECT_EQ(peer.output().size(), head.size() + (1 << 20) + 1);
}

TEST_F(RewritingTransport, GathersPartsAndFramesIntoOneWrite) {
    make();
    const auto a = accepted, b = text("a") + text("b"), c = text("c");
    const iovec parts[] = {{const_cast<char*>(a.data()), a.size()},
                           {const_cast<char*>(b.data()), b.size()},
                           {const_cast<char*>(c.data()), c.size()}};
    const auto got = io->write_some(parts, 3);
    EXPECT_EQ(got.what, outcome::done);
    EXPECT_EQ(got.bytes, a.size() + b.size() + c.size());
    EXPECT_EQ(peer.output(), head + "a\nb\nc\n");
    EXPECT_EQ(peer.writes(), 1u);
}

TEST_F(RewritingTransport, ReadsEmulatedCommandsAsFrames) {
    make();
    io->wait_readable(waiter);
    on.run();
    EXPECT_EQ(waiter.readable, 0);
    EXPECT_EQ(registry->deliver("s", "{\"id\":1}"), emulation_registry::outcome::delivered);
    EXPECT_EQ(registry->deliver("s", std::string(300, 'y')), emulation_registry::outcome::delivered);
    EXPECT_EQ(waiter.readable, 0) << "only from the loop";
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), (std::vector<std::string>{"text:{\"id\":1}", "text:" + std::string(300, 'y')}));
    EXPECT_EQ(ended, outcome::would_block);
}

TEST_F(RewritingTransport, KeepsCommandsForAPausedConnectionUpToTheBound) {
    make();
    EXPECT_EQ(registry->deliver("s", std::string(600, 'a')), emulation_registry::outcome::delivered);
    EXPECT_EQ(registry->deliver("s", std::string(600, 'b')), emulation_registry::outcome::full);
    on.run();
    io->wait_readable(waiter);
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), std::vector<std::string>{"text:" + std::string(600, 'a')});
    EXPECT_EQ(registry->deliver("s", std::string(600, 'c')), emulation_registry::outcome::delivered);
}

TEST_F(RewritingTransport, TellsOncePerWait) {
    make();
    io->wait_readable(waiter);
    for (int i = 0; i < 5; ++i) registry->deliver("s", "a");
    peer.send_eof();
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    io->wait_readable(waiter);
    io->close();
    on.run();
    EXPECT_EQ(waiter.readable, 2);
}

TEST_F(RewritingTransport, DropsWhatTheClientSendsOnTheStream) {
    make();
    io->wait_readable(waiter);
    peer.send("GET /again HTTP/1.1\r\n\r\n");
    on.run();
    EXPECT_EQ(waiter.readable, 0);
    EXPECT_EQ(peer.unread(), 0u);
    EXPECT_TRUE(peer.reading()) << "for its FIN";
}

TEST_F(RewritingTransport, EndsAStreamWhoseClientDoesNotStopSending) {
    make();
    for (int i = 0; i < 70; ++i) {
        io->wait_readable(waiter);
        peer.send(std::string(1000, 'x'));
        on.run();
        if (i < 60) {
            EXPECT_EQ(waiter.readable, 0);
            EXPECT_EQ(peer.unread(), 0u);
        }
    }
    EXPECT_GE(waiter.readable, 1);
    read();
    EXPECT_EQ(ended, outcome::failed);
}

TEST_F(RewritingTransport, TakesTheClientsFinForItsLoss) {
    make();
    io->wait_readable(waiter);
    peer.send_eof();
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), std::vector<std::string>{});
    EXPECT_EQ(ended, outcome::closed);
    io->wait_readable(waiter);
    on.run();
    EXPECT_EQ(waiter.readable, 2) << "told again, not left waiting";
}

TEST_F(RewritingTransport, TakesAResetForItsLoss) {
    make();
    io->wait_readable(waiter);
    peer.fail();
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    read();
    EXPECT_EQ(ended, outcome::failed);
    EXPECT_EQ(write(accepted), outcome::failed);
}

TEST_F(RewritingTransport, AnswersACloseFrameInTheClientsPlace) {
    make();
    io->wait_readable(waiter);
    write_all(accepted + close(3501));
    EXPECT_EQ(waiter.readable, 0);
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), std::vector<std::string>{"close:3501:"});
    EXPECT_FALSE(io->writes_are_sent()) << "so that the connection ends with a FIN, not with a reset";
    io->shutdown_send();
    EXPECT_TRUE(peer.shut());
}

TEST_F(RewritingTransport, EndsOnlyBehindWhatWaits) {
    make();
    peer.limit_writes(3);
    write_all(accepted + close(3501));
    io->shutdown_send();
    on.run();
    EXPECT_FALSE(peer.shut());
    peer.unlimit_writes();
    on.run();
    EXPECT_TRUE(peer.shut());
    EXPECT_TRUE(peer.output().ends_with("{\"push\":{\"disconnect\":{\"code\":3501,\"reason\":\"bye\"}}}\n"));
}

TEST_F(RewritingTransport, ClosedWhileBlockedTellsBothWaits) {
    make();
    peer.limit_writes(3);
    write_all(accepted + text("a"));
    EXPECT_EQ(write(text("b")), outcome::would_block);
    io->wait_writable(waiter);
    io->wait_readable(waiter);
    io->close();
    EXPECT_EQ(waiter.writable + waiter.readable, 0) << "never from within";
    on.run();
    EXPECT_EQ(waiter.writable, 1);
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_FALSE(waiter.last_alive);
    EXPECT_TRUE(peer.closed());
    EXPECT_EQ(write(text("c")), outcome::failed);
    io->wait_readable(waiter);
    on.run();
    EXPECT_EQ(waiter.readable, 2);
}

TEST_F(RewritingTransport, DestroyedWhileTheSocketWaitsIsNotCalled) {
    make();
    peer.limit_writes(3);
    write_all(accepted + text("a"));
    io->wait_readable(waiter);
    io->wait_writable(waiter);
    registry->deliver("s", "late");
    io.reset();
    on.run();
    EXPECT_EQ(waiter.writable, 1);
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(registry->sessions(), 0u);
    EXPECT_EQ(registry->deliver("s", "later"), emulation_registry::outcome::unknown);
}

TEST_F(RewritingTransport, LeavesAWebSocketsInputAlone) {
    make(shape::websocket, frame_rewriter::envelope::stripped);
    io->wait_readable(waiter);
    peer.send(test::text("{}"));
    on.run();
    EXPECT_EQ(waiter.readable, 1);
    EXPECT_EQ(read(), std::vector<std::string>{"text:{}"});
    write_all(accepted + text("{\"push\":{\"a\":1}}"));
    EXPECT_EQ(peer.output(), accepted + text("{\"a\":1}"));
    io->wait_readable(waiter);
    peer.send_eof();
    on.run();
    EXPECT_EQ(waiter.readable, 2);
    read();
    EXPECT_EQ(ended, outcome::closed);
}

TEST_F(RewritingTransport, CarriesARandomConversationThroughARandomSocket) {
    std::mt19937 random(7);
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    for (int round = 0; round < 200; ++round) {
        testing::memory_peer other(on);
        auto made = make_rewriting_transport(on, std::make_unique<testing::memory_transport>(other),
                                             {shape::lines, frame_rewriter::envelope::kept, false, head});
        std::string in = accepted, expected = head;
        for (std::size_t i = pick(20); i > 0; --i) {
            const std::string line(1 + pick(pick(5) == 0 ? 100'000 : 50), static_cast<char>('a' + pick(26)));
            in += text(line);
            expected += line + "\n";
        }
        other.limit_writes(pick(100));
        counting_waiter wakes;
        int waits = 0;
        for (std::string_view rest = in; !rest.empty();) {
            const auto first = 1 + pick(rest.size()), second = pick(rest.size() - first + 1);
            const iovec parts[] = {{const_cast<char*>(rest.data()), first},
                                   {const_cast<char*>(rest.data()) + first, second}};
            const auto got = made->write_some(parts, 2);
            if (got.what == outcome::would_block) {
                made->wait_writable(wakes);
                ++waits;
                while (wakes.writable < waits) {
                    other.grant(1 + pick(60'000));
                    on.run();
                }
            } else {
                ASSERT_EQ(got.what, outcome::done);
                rest.remove_prefix(got.bytes);
                if (pick(3) == 0) other.grant(pick(2'000));
            }
        }
        other.unlimit_writes();
        on.run();
        ASSERT_EQ(other.output(), expected);
        ASSERT_EQ(wakes.writable, waits);
    }
}

}  // namespace
}  // namespace madang
