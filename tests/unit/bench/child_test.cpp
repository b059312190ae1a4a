#include "broker/bench/child.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace madang::bench {
namespace {

TEST(Endpoint, IsReadWithAndWithoutScheme) {
    EXPECT_EQ(parse_endpoint("http://127.0.0.1:8000").host(), "127.0.0.1:8000");
    EXPECT_EQ(parse_endpoint("10.1.2.3:65535/").host(), "10.1.2.3:65535");
    EXPECT_THROW(parse_endpoint("http://127.0.0.1"), std::invalid_argument);
    EXPECT_THROW(parse_endpoint("somewhere:80"), std::invalid_argument);
    EXPECT_THROW(parse_endpoint("127.0.0.1:x"), std::invalid_argument);
}

TEST(ChildProcess, EndsWithItsObject) {
    pid_t pid = 0;
    {
        child_process child([] {
            for (;;) pause();
            return 0;
        });
        pid = child.pid();
        EXPECT_EQ(kill(pid, 0), 0);
        EXPECT_FALSE(child.ended());
    }
    EXPECT_EQ(kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(StartServer, TellsWhatTheServerSaidWhenItDoesNotStart) {
    server_command command{.binary = "/bin/ls", .plugin = {}, .jwt_secret = {}, .more = {}};
    try {
        start_server(command);
        FAIL() << "ls is no server";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("did not start"));
        EXPECT_THAT(error.what(), testing::HasSubstr("unrecognized option"));
    }
}

}  // namespace
}  // namespace madang::bench
