#include "broker/bench/mesh.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>

namespace madang::bench {
namespace {

TEST(Stopped, HoldsAProcessForAsLongAsItLives) {
    const child_process child([] {
        for (;;) pause();
        return 0;
    });
    const target server(child.pid(), {});
    int status = 0;
    {
        const stopped held(server);
        ASSERT_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
        EXPECT_TRUE(WIFSTOPPED(status));
    }
    ASSERT_EQ(waitpid(child.pid(), &status, WCONTINUED), child.pid());
    EXPECT_TRUE(WIFCONTINUED(status));
}

TEST(Mesh, EndsWithAReasonWhenItsNodesAreNoServers) {
    EXPECT_THROW(mesh([](auto) { return start_floor(); }), std::exception);
}

}  // namespace
}  // namespace madang::bench
