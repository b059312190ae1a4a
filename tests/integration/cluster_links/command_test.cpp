// madang cluster init-ca | issue, as its users meet it.
#include "tests/integration/cluster_links/node.hpp"
#include "tests/integration/server/harness/child.hpp"

namespace madang::test {
namespace {

outcome madang(std::vector<std::string> words) {
    command what;
    what.words = std::move(words);
    what.words.insert(what.words.begin(), {MADANG_BINARY, "cluster"});
    return run(what);
}

void refused(const outcome& it, int code, const std::string& words) {
    EXPECT_EQ(it.code, code) << it.err;
    EXPECT_NE(it.err.find(words), std::string::npos) << it.err;
    EXPECT_EQ(std::ranges::count(it.err, '\n'), 1) << it.err;
    EXPECT_EQ(it.out, "");
}

TEST(ClusterCommand, ThreeCommandsMakeTwoNodesThatLink) {
    const folder files;
    const auto dir = files / "ca";
    EXPECT_EQ(madang({"init-ca", dir, "--name", "yard"}).out, dir + "/ca.pem\n");
    EXPECT_EQ(madang({"issue", "alice", dir}).out, dir + "/alice.pem\n");
    EXPECT_EQ(
        madang({"issue", "bob", dir, "--host", "bob.example", "--host", "192.0.2.1", "--days", "2"}).code, 0);
    const auto how = [&](const std::string& name) {
        auto it = quick();
        it.cluster_certificate = dir + "/" + name + ".pem";
        it.cluster_key = dir + "/" + name + ".key";
        it.cluster_ca = dir + "/ca.pem";
        return it;
    };
    node alice(how("alice"), "alice");
    ASSERT_EQ(alice.error, "");
    auto joining = how("bob");
    joining.cluster_join = {alice.links.address()};
    node bob(joining, "bob");
    ASSERT_EQ(bob.error, "");
    EXPECT_TRUE(bob.linked("alice"));
}

TEST(ClusterCommand, SaysInOneLineWhatIsWrong) {
    const folder files;
    refused(madang({"issue", "alice", files.path()}), 2, "init-ca");
    ASSERT_EQ(madang({"init-ca", files.path()}).code, 0);
    refused(madang({"init-ca", files.path()}), 2, "not overwritten");
    refused(madang({"issue", "no name", files.path()}), 2, "no node's name");
    refused(madang({"issue", "alice", files.path(), "--days", "0"}), 2, "--days");
    refused(madang({"issue", "alice", files.path(), "--host", "a b"}), 2, "neither");
    refused(madang({"issue", "alice"}), 2, "dir");
    refused(madang({"init-ca", "/proc/none"}), 1, "cannot make");
    refused(madang({}), 2, "subcommand");
}

TEST(ClusterCommand, HelpSaysWhatIsMade) {
    const auto help = madang({"issue", "--help"});
    EXPECT_EQ(help.code, 0);
    for (const auto* word : {"NAME.pem", "NAME.key", "--host", "--days", "--node-name"})
        EXPECT_NE(help.out.find(word), std::string::npos) << word;
    EXPECT_NE(madang({"--help"}).out.find("init-ca"), std::string::npos);
}

TEST(ClusterCommand, SaysWhatIsWrongWithWhatAnOperatorAsks) {
    refused(madang({"remove"}), 2, "node is required");
    refused(madang({"drain", "--undo", "--clients"}), 2, "--undo");
    refused(madang({"drain", "--undo", "--no-wait"}), 2, "--undo");
    for (const auto& words : {std::vector<std::string>{"drain"},
                              {"drain", "--undo"},
                              {"remove", "b"},
                              {"remove", "b", "--force"}}) {
        auto asked = words;
        asked.insert(asked.end(), {"--url", "http://127.0.0.1:1"});
        refused(madang(asked), 1, "cluster " + words.front() + ": http://127.0.0.1:1");
    }
}

}  // namespace
}  // namespace madang::test
