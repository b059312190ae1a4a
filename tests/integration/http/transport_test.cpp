// Transports over real sockets: plain, and TLS against OpenSSL's own client.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "broker/net/http_session.hpp"
#include "broker/net/socket_transport.hpp"
#include "broker/net/tls_context.hpp"
#include "tests/integration/http/client.hpp"
#include "tests/support/running_loop_impl.hpp"

namespace madang {
namespace {

namespace fs = std::filesystem;

struct hello final : http_dispatcher {
    http_answer handle(loop&, http_request& request, reply_function) override {
        http_response response;
        response.body = request.path == "/big" ? std::string(3'000'000, 'b') : request.body + "hello";
        return response;
    }
};

struct Transport : ::testing::Test {
    ~Transport() override {
        on.ask([&] {
            for (auto& weak : made) {
                if (auto session = weak.lock()) session->close();
            }
            return 0;
        });
        while (environment.sessions > 0) on.ask([] { return 0; });
        on.stop();
    }
    void serve(std::unique_ptr<transport> (*make)(Transport&, int)) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        client = file_handle(pair[0]);
        on.ask([&] {
            ::fcntl(pair[1], F_SETFL, O_NONBLOCK);
            auto session = std::make_shared<http_session>(on, environment, make(*this, pair[1]),
                                                          listener::peer{"127.0.0.1", 1, "127.0.0.1", 2},
                                                          connection_slot{});
            made.push_back(session);
            session->start();
            return 0;
        });
    }
    options settings;
    hello site;
    http_environment environment{settings, site};
    tls_context tls;
    std::vector<std::weak_ptr<http_session>> made;
    testing::running_loop on;
    file_handle client;
};

// A worker has the server's descriptors from its fork to its exec.
TEST(Loop, TellsNobodyOfAClosedDescriptorThatAnotherProcessStillHas) {
    struct watcher final : descriptor_watcher {
        void on_ready(readiness) override { ++told; }
        int told = 0;
    };
    const auto pair = [](file_handle& near, file_handle& far) {
        int both[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both), 0);
        near = file_handle(both[0]);
        far = file_handle(both[1]);
    };
    testing::running_loop on;
    watcher gone, there;
    file_handle near, far, other_near, other_far;
    pair(near, far);
    pair(other_near, other_far);
    const file_handle inherited(::dup(near.get()));
    on.ask([&] {
        EXPECT_TRUE(on.watch(near.get(), gone) && on.watch(other_near.get(), there));
        on.unwatch(near.get(), gone);
        near = {};
        return 0;
    });
    testing::send_all(far, "one");
    testing::send_all(other_far, "another");
    while (on.ask([&] { return there.told; }) == 0) {
    }
    EXPECT_EQ(on.ask([&] { return gone.told; }), 0);
    on.ask([&] {
        on.unwatch(other_near.get(), there);
        return 0;
    });
}

TEST_F(Transport, PlainIsSmall) { EXPECT_LE(plain_transport_bytes(), 120u); }

TEST_F(Transport, PlainCarriesMoreThanTheKernelBuffers) {
    serve([](Transport& t, int fd) { return make_plain_transport(t.on, fd); });
    testing::send_all(client, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    auto answer = testing::receive_until(client);
    EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 3'000'000u);
}

// A self-signed certificate, made for the test.
struct TlsTransport : Transport {
    TlsTransport() {
        char pattern[] = "/tmp/madang-tls-XXXXXX";
        folder = ::mkdtemp(pattern);
        certify("a.test");
        EXPECT_EQ(tls.load(certificate(), key()), "");
    }
    ~TlsTransport() override {
        ::SSL_free(ssl);
        ::SSL_CTX_free(context);
        fs::remove_all(folder);
    }
    std::string certificate() const { return (folder / "cert.pem").string(); }
    std::string key() const { return (folder / "key.pem").string(); }
    void certify(const char* name) {
        EVP_PKEY* pair = ::EVP_EC_gen("P-256");
        X509* x = ::X509_new();
        ::ASN1_INTEGER_set(::X509_get_serialNumber(x), 1);
        ::X509_gmtime_adj(::X509_getm_notBefore(x), -60);
        ::X509_gmtime_adj(::X509_getm_notAfter(x), 3600);
        ::X509_set_pubkey(x, pair);
        auto* subject = ::X509_get_subject_name(x);
        ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
        ::X509_set_issuer_name(x, subject);
        ::X509_sign(x, pair, ::EVP_sha256());
        auto* file = std::fopen(certificate().c_str(), "w");
        ::PEM_write_X509(file, x);
        std::fclose(file);
        file = std::fopen(key().c_str(), "w");
        ::PEM_write_PrivateKey(file, pair, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
        ::X509_free(x);
        ::EVP_PKEY_free(pair);
    }
    // The name in the certificate that the server showed; "" when the handshake failed.
    std::string shake(int most = TLS1_3_VERSION) {
        serve([](Transport& t, int fd) { return make_tls_transport(t.on.context(), fd, t.tls.current()); });
        ::SSL_free(ssl);
        ::SSL_CTX_free(context);
        context = ::SSL_CTX_new(::TLS_client_method());
        ::SSL_CTX_set_security_level(context, 0);
        ::SSL_CTX_set_max_proto_version(context, most);
        ssl = ::SSL_new(context);
        ::SSL_set_fd(ssl, client.get());
        if (::SSL_connect(ssl) != 1) return "";
        char name[64] = "";
        auto* shown = ::SSL_get1_peer_certificate(ssl);
        ::X509_NAME_get_text_by_NID(::X509_get_subject_name(shown), NID_commonName, name, sizeof name);
        ::X509_free(shown);
        return name;
    }
    std::string exchange(const std::string& request) {
        for (std::size_t sent = 0; sent < request.size();) {
            auto n = ::SSL_write(ssl, request.data() + sent, static_cast<int>(request.size() - sent));
            if (n <= 0) break;
            sent += static_cast<std::size_t>(n);
        }
        std::string got(4'000'000, '\0');
        std::size_t size = 0;
        for (int n; (n = ::SSL_read(ssl, got.data() + size, static_cast<int>(got.size() - size))) > 0;)
            size += static_cast<std::size_t>(n);
        got.resize(size);
        return got;
    }
    fs::path folder;
    SSL_CTX* context = nullptr;
    SSL* ssl = nullptr;
};

TEST_F(TlsTransport, CarriesRequestsInBothVersions) {
    for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        ASSERT_EQ(shake(version), "a.test");
        auto answer = exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        EXPECT_TRUE(answer.ends_with("hello")) << answer;
        EXPECT_EQ(::SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN,
                  SSL_RECEIVED_SHUTDOWN);  // close_notify came
    }
}

TEST_F(TlsTransport, CarriesMuchInBothDirections) {
    ASSERT_EQ(shake(), "a.test");
    auto answer =
        exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x') +
                 "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answer.find("xhello"), std::string::npos);
    EXPECT_TRUE(answer.ends_with(std::string(3'000'000, 'b')));
}

TEST_F(TlsTransport, RefusesOldVersionsAndPlainText) {
    EXPECT_EQ(shake(TLS1_1_VERSION), "");
    serve([](Transport& t, int fd) { return make_tls_transport(t.on.context(), fd, t.tls.current()); });
    testing::send_all(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(testing::receive_until(client).find("hello"), std::string::npos);
}

TEST_F(TlsTransport, EndsASilentHandshake) {
    settings.http_head_timeout = std::chrono::milliseconds(50);
    serve([](Transport& t, int fd) { return make_tls_transport(t.on.context(), fd, t.tls.current()); });
    EXPECT_EQ(testing::receive_until(client), "");
}

TEST_F(TlsTransport, ShowsAReloadedCertificateToNewConnections) {
    ASSERT_EQ(shake(), "a.test");
    certify("b.test");
    EXPECT_EQ(tls.load(certificate(), key()), "");
    EXPECT_TRUE(exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("hello"));
    EXPECT_EQ(shake(), "b.test");
}

TEST_F(TlsTransport, KeepsTheCertificateWhenTheNewOneIsBad) {
    EXPECT_NE(tls.load((folder / "none.pem").string(), key()).find("none.pem"), std::string::npos);
    auto other = folder / "other.pem";
    fs::copy_file(key(), other);
    certify("c.test");
    EXPECT_NE(tls.load(certificate(), other.string()), "");
    EXPECT_EQ(shake(), "a.test");
}

}  // namespace
}  // namespace madang
