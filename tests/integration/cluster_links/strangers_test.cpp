// Whoever is no node of this cluster, or does not behave as one: closed, counted, and nothing of it is kept.
#include <fcntl.h>
#include <openssl/err.h>

#include <random>

#include "broker/bench/proc.hpp"
#include "tests/integration/cluster_links/node.hpp"

namespace madang::test {
namespace {

std::size_t open_files() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// A TLS client of its own, as far as the handshake; then frames.
class tls_peer {
  public:
    tls_peer(std::uint16_t port, const std::string& certificate, const std::string& key)
        : fd_(connect_to(port)) {
        const timeval limit{15, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        settings_.reset(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free);
        if (!certificate.empty()) {
            EXPECT_EQ(::SSL_CTX_use_certificate_chain_file(settings_.get(), certificate.c_str()), 1);
            EXPECT_EQ(::SSL_CTX_use_PrivateKey_file(settings_.get(), key.c_str(), SSL_FILETYPE_PEM), 1);
        }
        ssl_.reset(::SSL_new(settings_.get()), ::SSL_free);
        ::SSL_set_fd(ssl_.get(), fd_.get());
    }
    void most(int version) { ::SSL_set_max_proto_version(ssl_.get(), version); }
    bool shake() { return ::SSL_connect(ssl_.get()) == 1; }
    void send(const std::string& bytes) {
        ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    }
    std::string receive() {
        char bytes[4096];
        const auto n = ::SSL_read(ssl_.get(), bytes, sizeof bytes);
        return n > 0 ? std::string(bytes, static_cast<std::size_t>(n)) : std::string();
    }
    std::string serial() const {  // of the other's certificate
        auto* certificate = ::SSL_get1_peer_certificate(ssl_.get());
        if (!certificate) return {};
        auto* number = ::ASN1_INTEGER_to_BN(::X509_get_serialNumber(certificate), nullptr);
        auto* text = ::BN_bn2hex(number);
        std::string hex = text;
        ::OPENSSL_free(text);
        ::BN_free(number);
        ::X509_free(certificate);
        return hex;
    }

  private:
    file_handle fd_;
    std::shared_ptr<SSL_CTX> settings_;
    std::shared_ptr<SSL> ssl_;
};

std::string hello_frame(const peer_hello& what) {
    auto hello = what;
    if (hello.nonce.empty()) hello.nonce.assign(hello_nonce_bytes, 's');
    std::string out;
    append_frame(out, link_frame_kind::hello, encode(hello));
    return out;
}

// ---- Over TLS

struct ClusterStrangers : ::testing::Test {
    ClusterStrangers() {
        for (const auto* name : {"alice", "bob"}) ca.issue(name);
        alice = std::make_unique<node>(with_tls(quick(), ca, "alice"), "alice");
        EXPECT_EQ(alice->error, "");
        auto joining = with_tls(quick(), ca, "bob");
        joining.cluster_join = {alice->links.address()};
        bob = std::make_unique<node>(joining, "bob");
        EXPECT_TRUE(alice->linked("bob"));
        EXPECT_TRUE(bob->linked("alice"));
    }
    ~ClusterStrangers() override {
        // Whatever the stranger did: the link between nodes lives.
        bob->beat("still here");
        EXPECT_TRUE(alice->until([&] { return alice->last_beat["bob"] == "still here"; }));
        EXPECT_EQ(alice->now([&] { return alice->ups; }), 1);
        EXPECT_EQ(alice->now([&] { return alice->downs.size(); }), 0U);
    }
    tls_peer peer(const std::string& certificate) {
        return {alice->links.port(), certificate.empty() ? "" : files / (certificate + ".pem"),
                files / (certificate + ".key")};
    }
    // TLS 1.3: the client is done before the server has judged its certificate.
    void refused_by_tls(tls_peer it, const std::string& reason) {
        it.shake();
        EXPECT_EQ(it.receive(), "");
        EXPECT_TRUE(alice->refused(reason));
    }

    folder files;
    authority ca{files};
    std::unique_ptr<node> alice, bob;
};

TEST_F(ClusterStrangers, ACertificateOfAnotherAuthorityIsRefused) {
    const authority other(files, "other");
    other.issue("mallory");
    refused_by_tls(peer("mallory"), "certificate");
}

TEST_F(ClusterStrangers, NoCertificateIsRefused) { refused_by_tls(peer(""), "certificate"); }

TEST_F(ClusterStrangers, ACertificateWhoseTimeIsOverIsRefused) {
    auto wish = authority::wish("carol");
    wish.until = std::chrono::system_clock::now() - 1min;
    ca.issue("carol", wish);
    refused_by_tls(peer("carol"), "expired");
}

TEST_F(ClusterStrangers, ACertificateWhoseTimeHasNotComeIsRefused) {
    auto wish = authority::wish("carol");
    wish.from = std::chrono::system_clock::now() + 1h;
    ca.issue("carol", wish);
    refused_by_tls(peer("carol"), "expired");
}

TEST_F(ClusterStrangers, OlderTlsIsRefused) {
    auto it = peer("bob");
    it.most(TLS1_2_VERSION);
    EXPECT_FALSE(it.shake());
    EXPECT_TRUE(alice->refused("tls"));
}

TEST_F(ClusterStrangers, PlainBytesAreNoTls) {
    raw_peer it(alice->links.port(), hello_of(quick(), "carol"));
    it.send(hello_frame(hello_of(quick(), "carol")));
    EXPECT_TRUE(it.closed());
    EXPECT_TRUE(alice->refused("tls"));
}

TEST_F(ClusterStrangers, ANameThatTheCertificateHasNotIsRefused) {
    ca.issue("carol");
    auto it = peer("carol");
    ASSERT_TRUE(it.shake());
    it.send(hello_frame(hello_of(quick(), "dave")));
    EXPECT_NE(it.receive().find("name"), std::string::npos) << "it is told why";
    EXPECT_EQ(it.receive(), "");
    EXPECT_TRUE(alice->refused("name"));
}

TEST_F(ClusterStrangers, FramesBeforeTheHelloAreRefused) {
    auto it = peer("bob");
    ASSERT_TRUE(it.shake());
    std::string out;
    append_frame(out, link_frame_kind::data, "BASP");
    it.send(out);
    EXPECT_TRUE(alice->refused("protocol"));
}

TEST_F(ClusterStrangers, LinksOfBeforeLiveOnWhenCertificatesAreReloaded) {
    auto before = peer("bob");
    ASSERT_TRUE(before.shake());
    ca.issue("alice");
    ASSERT_EQ(alice->links.reload(), "");
    auto after = peer("bob");
    ASSERT_TRUE(after.shake());
    EXPECT_NE(before.serial(), after.serial());
    before.send(hello_frame(hello_of(quick(), "dave")));
    EXPECT_NE(before.receive().find("name"), std::string::npos) << "the one from before is heard as ever";
    // What the others would refuse is not taken.
    auto wish = authority::wish("alice");
    wish.until = std::chrono::system_clock::now() - 1min;
    ca.issue("alice", wish);
    EXPECT_NE(alice->links.reload().find("expired"), std::string::npos);
    auto still = peer("bob");
    ASSERT_TRUE(still.shake());
    EXPECT_EQ(still.serial(), after.serial());
}

TEST_F(ClusterStrangers, ANodeOfAnotherAuthorityIsRefusedByBoth) {
    const authority other(files, "other");
    other.issue("carol");
    auto joining = with_tls(quick(), other, "carol");
    joining.cluster_join = {alice->links.address()};
    node carol(joining, "carol");
    EXPECT_TRUE(carol.refused("certificate", 2));
    EXPECT_TRUE(carol.now([&] { return carol.up.empty(); }));
    EXPECT_TRUE(alice->refused("tls", 2));
}

// ---- Without TLS: what comes after it

struct ClusterHellos : ::testing::Test {
    ClusterHellos() { EXPECT_EQ(alice.error, ""); }
    void refused(const peer_hello& hello, const std::string& reason) {
        raw_peer it(alice.links.port(), hello);
        EXPECT_FALSE(it.link());
        EXPECT_TRUE(it.closed());
        EXPECT_TRUE(alice.refused(reason)) << reason;
        EXPECT_EQ(alice.now([&] { return alice.ups; }), 0);
    }
    node alice{quick(), "alice"};
};

TEST_F(ClusterHellos, ThatDoNotFitAreRefusedWithAReason) {
    auto hello = hello_of(quick(), "bob");
    hello.cluster = "field";
    refused(hello, "cluster");
    hello = hello_of(quick(), "bob");
    hello.shards = 3;
    refused(hello, "shards");
    hello = hello_of(quick(), "bob");
    hello.least = hello.most = 9;
    refused(hello, "version");
    refused(hello_of(quick(), "alice", 2), "self");
    refused(hello_of(quick(), ""), "hello");
}

TEST_F(ClusterHellos, ThatWereRecordedAreRefused) {
    const auto hello = hello_of(quick(), "bob");
    std::string recorded;
    {
        raw_peer it(alice.links.port(), hello);
        const auto first = encode(it.shaker.mine());
        it.send(link_frame_kind::hello, first);
        const auto answer = it.next();
        ASSERT_TRUE(answer);
        link_book book(hello.from, 8);
        append_frame(recorded, link_frame_kind::hello, first);
        const auto sent = recorded.size();
        append_frame(recorded, link_frame_kind::hello,
                     encode(*it.shaker.heard(*decode_hello(answer->second), {}, book).say));
        it.send(std::string_view(recorded).substr(sent));
        ASSERT_TRUE(alice.linked("bob"));
    }
    ASSERT_TRUE(alice.until([&] { return alice.up.empty(); }));
    raw_peer again(alice.links.port(), hello);
    again.send(recorded);
    EXPECT_TRUE(again.closed());
    EXPECT_TRUE(alice.refused("replay"));
    EXPECT_EQ(alice.now([&] { return alice.ups; }), 1);
}

TEST_F(ClusterHellos, OfANodeOfAnotherClusterEndNothing) {
    auto how = quick();
    how.cluster_name = "field";
    how.cluster_join = {alice.links.address()};
    node bob(how, "bob");
    EXPECT_TRUE(alice.refused("cluster", 2)) << "it is dialed again";
    EXPECT_TRUE(bob.now([&] { return bob.up.empty(); }));
}

TEST(ClusterLimits, MoreNodesThanMayBeAreRefused) {
    auto how = quick();
    how.cluster_nodes = 1;
    node alice(how, "alice");
    raw_peer first(alice.links.port(), hello_of(how, "bob")),
        second(alice.links.port(), hello_of(how, "carol"));
    EXPECT_TRUE(first.link());
    EXPECT_FALSE(second.link());
    EXPECT_TRUE(alice.refused("nodes"));
}

TEST(ClusterLimits, WhoSaysNothingIsClosed) {
    auto how = quick();
    how.cluster_handshake_timeout = 200ms;
    node alice(how, "alice");
    raw_peer it(alice.links.port(), hello_of(how, "bob"));
    EXPECT_TRUE(it.closed());
    EXPECT_TRUE(alice.refused("timeout"));
}

TEST(ClusterLimits, OfManyThatSayNothingTheOldestGoes) {
    auto how = quick();
    how.cluster_handshakes = 4;
    node alice(how, "alice");
    std::vector<file_handle> silent;
    for (int i = 0; i < 20; ++i) silent.push_back(connect_to(alice.links.port()));
    EXPECT_TRUE(alice.refused("handshakes", 16));
    raw_peer it(alice.links.port(), hello_of(how, "bob"));
    EXPECT_TRUE(it.link());
    char bytes[64];
    ssize_t n = 0;
    while ((n = ::recv(silent[0].get(), bytes, sizeof bytes, 0)) > 0) {
    }
    EXPECT_EQ(n, 0);
    ::fcntl(silent[19].get(), F_SETFL, O_NONBLOCK);
    EXPECT_EQ(::recv(silent[19].get(), bytes, 1, 0), -1) << "the youngest waits still";
}

TEST(ClusterLimits, WhoHasACertificateMayWaitLonger) {
    const folder files;
    const authority ca(files);
    for (const auto* name : {"alice", "bob"}) ca.issue(name);
    auto how = with_tls(quick(), ca, "alice");
    how.cluster_handshakes = 4;
    node alice(how, "alice");
    tls_peer bob(alice.links.port(), files / "bob.pem", files / "bob.key");
    ASSERT_TRUE(bob.shake());
    bob.send(hello_frame(hello_of(how, "bob")));
    EXPECT_NE(bob.receive(), "");  // half of the way
    std::vector<file_handle> silent;
    for (int i = 0; i < 20; ++i) silent.push_back(connect_to(alice.links.port()));
    EXPECT_TRUE(alice.refused("handshakes", 17));
    bob.send("not a frame");
    EXPECT_TRUE(alice.refused("protocol")) << "it was there still";
}

TEST(ClusterLimits, ASilentNodeIsDown) {
    auto how = quick();
    how.cluster_timeout = 1'000ms;
    node alice(how, "alice");
    raw_peer bob(alice.links.port(), hello_of(how, "bob"));
    ASSERT_TRUE(bob.link());
    const auto since = std::chrono::steady_clock::now();
    ASSERT_TRUE(alice.ended("silent"));
    const auto took = std::chrono::steady_clock::now() - since;
    EXPECT_GE(took, 900ms);
    EXPECT_TRUE(alice.until([&] { return alice.downs.size() == 1; }));
    EXPECT_TRUE(bob.closed());
}

// It speaks, and takes nothing: what is for it stays in bounds, and it is noticed.
TEST(ClusterLimits, ANodeThatReadsNothingIsDown) {
    auto how = quick();
    how.cluster_timeout = 1'000ms;
    node alice(how, "alice");
    raw_peer bob(alice.links.port(), hello_of(how, "bob"), 4096);
    ASSERT_TRUE(bob.link());
    ASSERT_TRUE(alice.linked("bob"));
    const auto end = alice.to("bob");
    ::fcntl(end->end.get(), F_SETFL, O_NONBLOCK);
    const std::string bytes(64 * 1024, 'x');
    std::size_t taken = 0;
    bool down = false;
    while (!down) {
        for (ssize_t n; (n = ::send(end->end.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)) > 0;)
            taken += static_cast<std::size_t>(n);
        bob.send(link_frame_kind::beat, "I am well");
        const int before = alice.now([&] { return alice.ticks; });
        ASSERT_TRUE(alice.until([&] { return alice.ticks > before; }));
        down = alice.now([&] { return !alice.downs.empty(); });
    }
    EXPECT_LE(taken, link_window + (1U << 20));
    EXPECT_TRUE(alice.ended("stalled"));
}

TEST(ClusterLimits, DataBeyondTheCreditEndsTheLink) {
    node alice(quick(), "alice");
    raw_peer bob(alice.links.port(), hello_of(quick(), "bob"));
    ASSERT_TRUE(bob.link());
    const std::string bytes(link_data_limit, 'x');
    for (std::size_t sent = 0; sent <= link_window + (1U << 20); sent += bytes.size())
        bob.send(link_frame_kind::data, bytes);
    EXPECT_TRUE(alice.ended("protocol"));
    EXPECT_EQ(alice.now([&] { return alice.ups; }), 1);
}

TEST(ClusterLimits, CreditThatCannotBeEndsTheLink) {
    node alice(quick(), "alice");
    raw_peer bob(alice.links.port(), hello_of(quick(), "bob"));
    ASSERT_TRUE(bob.link());
    std::string out;
    append_frame_u32(out, link_frame_kind::credit, 1);
    bob.send(out);
    EXPECT_TRUE(alice.ended("protocol"));
}

// Silent, and half-way through TLS: they cost nothing while they wait.
TEST(ClusterLimits, WaitingStrangersTakeNoTime) {
    const folder files;
    const authority ca(files);
    ca.issue("alice");
    auto how = with_tls(quick(), ca, "alice");
    node alice(how, "alice");
    std::vector<file_handle> silent;
    for (int i = 0; i < 60; ++i) {
        silent.push_back(connect_to(alice.links.port()));
        // The head of a TLS record that does not come.
        if (i % 2) ::send(silent.back().get(), "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL);
    }
    const int before = alice.now([&] { return alice.ticks; });
    ASSERT_TRUE(alice.until([&] { return alice.ticks >= before + 5; }));
    const auto cpu = bench::cpu_time(0);
    const auto since = std::chrono::steady_clock::now();
    ASSERT_TRUE(alice.until([&] { return alice.ticks >= before + 25; }));
    const auto took = std::chrono::steady_clock::now() - since;
    EXPECT_LE(std::chrono::nanoseconds(bench::cpu_time(0) - cpu), took / 10);
    EXPECT_EQ(alice.counts.total(labelled_counter::cluster_refused, "handshakes"), 0U);
}

// Thousands of connections of noise and of spoiled handshakes, from a seed; beside them a link that goes on.
TEST(ClusterLimits, GarbageLeavesNothingBehind) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 dice(seed);
    const folder files;
    const authority ca(files);
    for (const auto* name : {"alice", "bob"}) ca.issue(name);
    for (const bool tls : {false, true}) {
        auto how = quick();
        how.cluster_timeout = 3'000ms;
        how.cluster_handshake_timeout = 1'000ms;
        how.cluster_handshakes = 16;
        node alice(tls ? with_tls(how, ca, "alice") : how, "alice");
        how.cluster_join = {alice.links.address()};
        node bob(tls ? with_tls(how, ca, "bob") : how, "bob");
        ASSERT_TRUE(alice.linked("bob"));
        ASSERT_TRUE(bob.linked("alice"));
        const auto frame = hello_frame(hello_of(how, "carol"));
        const auto attack = [&](int times) {
            for (int i = 0; i < times; ++i) {
                const auto fd = connect_to(alice.links.port());
                std::string bytes = dice() % 2 ? frame : std::string(dice() % 2'000, '\0');
                if (bytes[0] == '\0' || dice() % 2)
                    for (auto& each : bytes) each = static_cast<char>(dice());
                for (auto n = dice() % 4; n > 0 && !bytes.empty(); --n)
                    bytes[dice() % bytes.size()] = static_cast<char>(dice());
                if (tls && dice() % 2) bytes.insert(0, "\x16\x03\x01", 3);
                ::send(fd.get(), bytes.data(), dice() % (bytes.size() + 1), MSG_NOSIGNAL);
                if (dice() % 8 == 0) {
                    char answer[64];
                    const timeval limit{0, 10'000};
                    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
                    ::recv(fd.get(), answer, sizeof answer, 0);
                }
            }
        };
        const auto settled = [&] {
            std::uint64_t known = 0;
            const auto all = [&] {
                std::uint64_t sum = 0;
                for (int i = 0; i <= static_cast<int>(link_refusal::closed); ++i)
                    sum += alice.counts.total(labelled_counter::cluster_refused,
                                              to_string(static_cast<link_refusal>(i)));
                return sum;
            };
            do {
                known = all();
                const int before = alice.now([&] { return alice.ticks; });
                ASSERT_TRUE(
                    alice.until([&] { return alice.ticks >= before + 12; }));  // more than the deadline
            } while (known != all());
        };
        attack(300);
        settled();
        const auto files_before = open_files();
        [[maybe_unused]] const auto memory_before = bench::resident_memory(::getpid());
        attack(1'500);
        settled();
        EXPECT_EQ(open_files(), files_before);
#ifndef MADANG_SANITIZED  // which keeps what was freed
        EXPECT_LE(bench::resident_memory(::getpid()), memory_before + (4U << 20));
#endif
        EXPECT_EQ(alice.now([&] { return alice.ups; }), 1);
        EXPECT_EQ(alice.now([&] { return alice.downs.size(); }), 0U);
        bob.beat("after it all");
        EXPECT_TRUE(alice.until([&] { return alice.last_beat["bob"] == "after it all"; }));
    }
}

// ---- What is wrong before it begins

std::string opened(const options& how, const std::string& name = "alice") { return node(how, name).error; }

TEST(ClusterListener, WithoutCertificatesIsForLoopbackOnly) {
    auto how = quick();
    how.cluster_listen = "0.0.0.0:0";
    EXPECT_NE(opened(how).find("not on loopback"), std::string::npos);
    how = quick();
    how.cluster_join = {"192.0.2.1:7000"};
    EXPECT_NE(opened(how).find("join 192.0.2.1:7000"), std::string::npos);
    how = quick();
    how.cluster_listen = "[::1]:0";
    EXPECT_EQ(opened(how), "");
}

TEST(ClusterListener, SaysWhatIsWrongInOneLine) {
    const folder files;
    const authority ca(files), other(files, "other");
    ca.issue("alice");
    ca.issue("bob");
    const auto says = [](const options& how, const std::string& words, const std::string& name = "alice") {
        const auto line = opened(how, name);
        EXPECT_NE(line.find(words), std::string::npos) << line;
        EXPECT_EQ(line.find('\n'), std::string::npos);
    };
    auto how = with_tls(quick(), ca, "alice");
    EXPECT_EQ(opened(how), "");
    how.cluster_key.clear();
    says(how, "give all three or none");
    says(with_tls(quick(), ca, "nobody"), "cannot read");
    says(with_tls(quick(), ca, "bob"), "does not have the name alice");
    how = with_tls(quick(), ca, "alice");
    how.cluster_key = files / "bob.key";
    says(how, "cluster-key");
    how.cluster_key = files / "alice.key";
    how.cluster_ca = files / "other.pem";
    says(how, "the other nodes will refuse");
    how = with_tls(quick(), ca, "alice");
    how.cluster_listen = "0.0.0.0:0";
    says(how, "--cluster-advertise");
    how.cluster_advertise = "node.example:7000";
    EXPECT_EQ(opened(how), "");
    how = quick();
    how.cluster_listen = "nowhere";
    says(how, "not an address");
    says(quick(), "node-name", "a node");
    how = quick();
    how.cluster_name = "my yard";
    says(how, "cluster-name");
    how = quick();
    how.cluster_join = {"there"};
    says(how, "join");
    how = quick();
    how.cluster_advertise = "there:http";
    says(how, "cluster-advertise");
    how = quick();
    how.cluster_timeout = 150ms;
    says(how, "cluster-timeout");
    const node first(quick(), "alice");
    how = quick();
    how.cluster_listen = first.links.address();
    says(how, "the port is in use");
}

}  // namespace
}  // namespace madang::test
