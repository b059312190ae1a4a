#include <gtest/gtest.h>

#include <madang/testing.hpp>

TEST(Echo, AnswersTextWithTextAndBinaryWithBinary) {
    madang::testing::Server server;
    server.load_file(MADANG_TEST_PLUGIN);
    {
        madang::testing::Communicator client(server, "/ws/echo/");
        ASSERT_TRUE(client.connect());
        for (const std::string& text :
             {std::string(), std::string("마당"), std::string(16 * 1024 * 1024, 'x')}) {
            client.send_text(text);
            EXPECT_EQ(client.receive_text(), text);
        }
        const std::string bytes("\0\xff\x80", 3);
        client.send_binary(bytes);
        EXPECT_EQ(client.receive_binary(), bytes);
        client.send_text(std::string(16 * 1024 * 1024 + 1, 'x'));
        EXPECT_EQ(client.receive_close(), 1009);
    }
    EXPECT_EQ(server.payloads_alive(), 0);
}
