// Workers that join a node by its cluster listener: who is let in, and what of the others' bytes gets
// further.
#include "broker/net/worker_dialer.hpp"

#include <fcntl.h>

#include <thread>

#include "tests/integration/cluster_links/node.hpp"

namespace madang::test {
namespace {

const worker_hello good{.cluster = "yard", .name = "w"};

std::string read_some(int fd) {
    pollfd ready{fd, POLLIN, 0};
    char bytes[4096];
    if (::poll(&ready, 1, 15'000) != 1) return "nothing came";
    const auto n = ::recv(fd, bytes, sizeof bytes, 0);
    return n > 0 ? std::string(bytes, static_cast<std::size_t>(n)) : std::string();
}

struct ClusterWorkers : ::testing::Test {
    ClusterWorkers() { EXPECT_EQ(alice.error, ""); }
    // With bytes of a worker behind it, which nobody is to see.
    void refused(link_frame_kind kind, const std::string& hello, const std::string& reason) {
        raw_peer it(alice.links.port(), hello_of(quick(), "bob"));
        std::string all;
        append_frame(all, kind, hello);
        append_frame(all, link_frame_kind::data, "of a stranger");
        it.send(all);
        EXPECT_TRUE(it.closed());
        EXPECT_TRUE(alice.refused(reason)) << reason;
        EXPECT_EQ(alice.now([&] { return alice.workers.size(); }), 0u) << reason;
    }
    node alice{quick(), "alice"};
};

TEST_F(ClusterWorkers, JoinWithOneFrameAndSpeakBothWays) {
    raw_peer it(alice.links.port(), hello_of(quick(), "bob"));
    ASSERT_TRUE(it.join(good));
    ASSERT_TRUE(alice.until([&] { return !alice.workers.empty(); }));
    EXPECT_EQ(alice.workers[0].first, "w");
    it.send(link_frame_kind::data, "from the worker");
    EXPECT_EQ(read_some(alice.workers[0].second.get()), "from the worker");
    ASSERT_EQ(::send(alice.workers[0].second.get(), "to it", 5, MSG_NOSIGNAL), 5);
    for (auto frame = it.next();; frame = it.next()) {
        ASSERT_TRUE(frame);
        if (frame->first != link_frame_kind::data) continue;  // pings
        EXPECT_EQ(frame->second, "to it");
        break;
    }
    EXPECT_TRUE(alice.status().empty()) << "it is no node";
    it.fd.reset();
    EXPECT_EQ(read_some(alice.workers[0].second.get()), "");
}

TEST_F(ClusterWorkers, ThatDoNotFitAreRefusedWithAReason) {
    auto it = good;
    it.cluster = "field";
    refused(link_frame_kind::worker, encode(it), "cluster");
    it = good;
    it.least = it.most = 9;
    refused(link_frame_kind::worker, encode(it), "version");
    it = good;
    it.name = "no name";
    refused(link_frame_kind::worker, encode(it), "hello");
    refused(link_frame_kind::worker, "garbage", "hello");
    refused(link_frame_kind::worker, encode(hello_of(quick(), "bob")), "hello");
}

TEST_F(ClusterWorkers, SayNothingBeforeTheyAreLetIn) {
    refused(link_frame_kind::data, "first", "protocol");
    refused(link_frame_kind::welcome, "", "protocol");
}

TEST_F(ClusterWorkers, AreNotNodesToo) {
    raw_peer node_first(alice.links.port(), hello_of(quick(), "bob"));
    node_first.send(link_frame_kind::hello, encode(node_first.shaker.mine()));
    ASSERT_TRUE(node_first.next());
    node_first.send(link_frame_kind::worker, encode(good));
    EXPECT_TRUE(node_first.closed());
    EXPECT_TRUE(alice.refused("protocol"));

    raw_peer beats(alice.links.port(), hello_of(quick(), "bob"));
    ASSERT_TRUE(beats.join(good));
    ASSERT_TRUE(alice.until([&] { return !alice.workers.empty(); }));
    beats.send(link_frame_kind::beat, "a beat");
    EXPECT_EQ(read_some(alice.workers[0].second.get()), "");
    EXPECT_EQ(alice.now([&] { return alice.beats + alice.ups; }), 0);
}

TEST(ClusterWorkerLimits, MoreThanMayBeAreRefused) {
    auto how = quick();
    how.worker_connections = 1;
    node alice(how, "alice");
    raw_peer first(alice.links.port(), hello_of(how, "bob")),
        second(alice.links.port(), hello_of(how, "bob"));
    EXPECT_TRUE(first.join(good));
    EXPECT_FALSE(second.join(good));
    EXPECT_TRUE(alice.refused("workers"));
    raw_peer bob(alice.links.port(), hello_of(how, "bob"));
    EXPECT_TRUE(bob.link()) << "nodes are none of them";
}

TEST(ClusterWorkerLimits, ASilentOneIsGone) {
    auto how = quick();
    how.cluster_timeout = 300ms;
    node alice(how, "alice");
    raw_peer it(alice.links.port(), hello_of(how, "bob"));
    ASSERT_TRUE(it.join(good));
    ASSERT_TRUE(alice.until([&] { return !alice.workers.empty(); }));
    EXPECT_EQ(read_some(alice.workers[0].second.get()), "");
}

// ---- The worker's own side

// A dialer on a thread of its own.
class joined {
  public:
    joined(const options& how, std::vector<std::string> nodes) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        control_ = file_handle(ends[0]);
        thread_ = std::thread(
            [how, nodes = std::move(nodes), its = ends[1]] { run_worker_dialer(how, nodes, its); });
    }
    ~joined() {
        control_.reset();
        thread_.join();
    }
    // A connection; "hello" goes over it. Again while it is refused.
    file_handle connected(node& at) {
        for (int i = 0; i < 100; ++i) {
            const auto before = at.now([&] { return at.workers.size(); });
            file_handle mine(ask_worker_dialer(control_.get()));
            ::send(mine.get(), "hello", 5, MSG_NOSIGNAL);
            pollfd ends{mine.get(), POLLIN, 0};
            while (::poll(&ends, 1, 20) == 0)
                if (at.now([&] { return at.workers.size() > before; })) return mine;
        }
        return {};
    }

  private:
    file_handle control_;
    std::thread thread_;
};

options worker_options() {
    auto how = quick();
    how.node_name = "w";
    return how;
}

TEST(WorkerDialer, DialsTheNextAddressWhenOneDoesNotAnswer) {
    node alice(quick(), "alice");
    joined worker(worker_options(), {"127.0.0.1:1", "localhost:" + std::to_string(alice.links.port())});
    const auto mine = worker.connected(alice);
    ASSERT_TRUE(mine);
    EXPECT_EQ(read_some(alice.workers.back().second.get()), "hello");
    ASSERT_EQ(::send(alice.workers.back().second.get(), "run", 3, MSG_NOSIGNAL), 3);
    EXPECT_EQ(read_some(mine.get()), "run");
    alice.now([&] {
        alice.workers.back().second.reset();
        return 0;
    });
    EXPECT_EQ(read_some(mine.get()), "") << "the node closed it";
    EXPECT_TRUE(worker.connected(alice)) << "and lets it in again";
}

TEST(WorkerDialer, ShowsItsCertificateAndAsksForTheNodes) {
    folder files;
    authority ours(files), others(files, "other");
    ours.issue("alice");
    ours.issue("w");
    node alice(with_tls(quick(), ours, "alice"), "alice");
    ASSERT_EQ(alice.error, "");
    const auto how = with_tls(worker_options(), ours, "w");
    EXPECT_EQ(check_worker_join(how, {alice.links.address()}), "");
    joined worker(how, {alice.links.address()});
    ASSERT_TRUE(worker.connected(alice));
    others.issue("w");
    joined stranger(with_tls(worker_options(), others, "w"), {alice.links.address()});
    EXPECT_FALSE(stranger.connected(alice));
    EXPECT_TRUE(alice.until([&] {
        const auto& counts = alice.counts;
        return counts.total(labelled_counter::cluster_refused, "certificate") +
                   counts.total(labelled_counter::cluster_refused, "tls") >
               0;
    }));
    EXPECT_EQ(alice.now([&] { return alice.workers.size(); }), 1u);
}

TEST(WorkerDialer, SaysInOneLineWhatIsWrong) {
    const auto how = worker_options();
    EXPECT_EQ(check_worker_join(how, {"127.0.0.1:7000", "[::1]:7000", "some.host:7000"}), "");
    EXPECT_NE(check_worker_join(how, {"10.0.0.1:7000"}).find("no certificates"), std::string::npos);
    EXPECT_NE(check_worker_join(how, {"7000"}).find("HOST:PORT"), std::string::npos);
    EXPECT_NE(check_worker_join(how, {}).find("HOST:PORT"), std::string::npos);
    auto half = how;
    half.cluster_ca = "ca.pem";
    EXPECT_NE(check_worker_join(half, {"127.0.0.1:7000"}).find("all three or none"), std::string::npos);
    auto nameless = how;
    nameless.node_name = "two words";
    EXPECT_NE(check_worker_join(nameless, {"127.0.0.1:7000"}).find("--node-name"), std::string::npos);
}

}  // namespace
}  // namespace madang::test
