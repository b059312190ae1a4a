// TLS on the public listener, with certificates made here.
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {
namespace {

namespace fs = std::filesystem;

class Tls : public testing::Test {
  protected:
    Tls() {
        std::string name = (fs::temp_directory_path() / "madang-tls-XXXXXX").string();
        folder_ = mkdtemp(name.data());
        make("first");
        use("first");
    }
    ~Tls() override { fs::remove_all(folder_); }

    // NAME.pem and NAME.key, for localhost; NAME is also its organisation.
    void make(const std::string& name) const {
        const auto made =
            run({.words = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                           "-nodes", "-keyout", folder_ / (name + ".key"), "-out", folder_ / (name + ".pem"),
                           "-days", "2", "-subj", "/CN=localhost/O=" + name, "-addext",
                           "subjectAltName=DNS:localhost"}});
        ASSERT_EQ(made.code, 0) << made.err;
    }
    void use(const std::string& name) const {
        for (const std::string kind : {".pem", ".key"})
            fs::copy_file(folder_ / (name + kind), folder_ / ("used" + kind),
                          fs::copy_options::overwrite_existing);
    }
    std::vector<std::string> flags() const {
        return {"--tls-certificate", folder_ / "used.pem", "--tls-key", folder_ / "used.key"};
    }
    // The organisation of the certificate that a client was shown after it echoed over wss.
    outcome echo(const server& node) const {
        std::vector<std::string> words{"node", std::string(MADANG_CLIENTS) + "/wss_client.mjs",
                                       std::to_string(node.port())};
        for (const auto& entry : fs::directory_iterator(folder_))
            if (entry.path().extension() == ".pem" && entry.path().stem() != "used" &&
                entry.path().stem() != "bad")
                words.push_back(entry.path());
        return run({.words = words});
    }
    // SIGHUP, and the log's word on it.
    static void reload(server& node, const std::string& event) {
        const auto told = [&] {
            std::size_t count = 0;
            const auto log = node.log();
            for (auto at = log.find(event); at != std::string::npos; at = log.find(event, at + 1)) ++count;
            return count;
        };
        const auto before = told();
        node.process().signal(SIGHUP);
        ASSERT_TRUE(eventually([&] { return told() > before; })) << node.log();
    }

    fs::path folder_;
};

TEST_F(Tls, EchoesOverWss) {
    server node(flags());
    EXPECT_THAT(node.process().out(), testing::HasSubstr("https://127.0.0.1:"));
    const auto got = echo(node);
    EXPECT_EQ(got.out, "first\n") << got.err;
    EXPECT_EQ(node.stop(), 0);
}

TEST_F(Tls, SighupServesTheNewCertificateAndABadOneKeepsTheOld) {
    server node(flags());
    make("second");
    use("second");
    reload(node, "config.reloaded");
    EXPECT_EQ(echo(node).out, "second\n");

    std::ofstream(folder_ / "used.pem") << "no certificate";
    reload(node, "config.reload_failed");
    EXPECT_EQ(echo(node).out, "second\n");

    use("first");
    fs::copy_file(folder_ / "second.key", folder_ / "used.key", fs::copy_options::overwrite_existing);
    reload(node, "config.reload_failed");  // the key of another
    EXPECT_EQ(echo(node).out, "second\n");
    fs::remove(folder_ / "used.pem");
    reload(node, "config.reload_failed");
    EXPECT_EQ(echo(node).out, "second\n");
    auto figures = node.metrics();
    EXPECT_EQ(figures["madang_reloads_total{outcome=\"ok\"}"], 1);
    EXPECT_EQ(figures["madang_reloads_total{outcome=\"failed\"}"], 3);
    EXPECT_GT(figures["madang_certificate_end_timestamp_seconds{listener=\"public\"}"],
              figures["process_start_time_seconds"]);
    EXPECT_EQ(node.stop(), 0);
}

TEST_F(Tls, ABadCertificateKeepsNothingElseFromBeingTakenUp) {
    const auto file = folder_ / "madang.toml";
    std::ofstream(file) << "api_keys = [\"ops:all:k1\"]\n";
    auto all = flags();
    all.insert(all.end(), {"--config", file});
    server node(all);
    std::ofstream(file) << "api_keys = [\"ops:all:k2\"]\n";
    std::ofstream(folder_ / "used.pem") << "no certificate";
    reload(node, "config.reload_failed");
    for (const auto& [key, status] : {std::pair{"k1", 401}, std::pair{"k2", 200}})
        EXPECT_EQ(
            fetch(node.internal_port(), "/api/info", "X-API-Key: " + std::string(key) + "\r\n", "POST", "{}")
                .status,
            status);
}

TEST_F(Tls, PlainTextOnATlsPortIsClosedAndHarmsNobody) {
    server node(flags());
    peer plain(node.port());
    plain.request("/healthz");
    EXPECT_TRUE(drive(plain, [&] { return plain.ended; }));
    EXPECT_EQ(echo(node).out, "first\n");
}

TEST_F(Tls, AHandshakeThatStallsIsCutOffInTime) {
    auto all = flags();
    all.insert(all.end(), {"--http-head-timeout", "300ms"});
    server node(all);
    peer silent(node.port());
    EXPECT_TRUE(drive(
        silent, [&] { return silent.ended; }, 9s));
}

TEST_F(Tls, TheServerDoesNotStartWithWrongFiles) {
    std::ofstream(folder_ / "bad.pem") << "no certificate";
    for (const std::string verb : {"serve", "check"}) {
        const auto got = run(
            {.words = {server_binary(), verb, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0",
                       "--tls-certificate", folder_ / "bad.pem", "--tls-key", folder_ / "first.key"}});
        EXPECT_EQ(got.code, 2);
        EXPECT_THAT(got.err, testing::HasSubstr("bad.pem"));
        make("other");
        const auto crossed = run(
            {.words = {server_binary(), verb, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0",
                       "--tls-certificate", folder_ / "first.pem", "--tls-key", folder_ / "other.key"}});
        EXPECT_EQ(crossed.code, 2);
        EXPECT_THAT(crossed.err, testing::HasSubstr("other.key"));
    }
}

}  // namespace
}  // namespace madang::test
