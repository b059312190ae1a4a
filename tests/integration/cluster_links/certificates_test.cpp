#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "tests/integration/cluster_links/node.hpp"

namespace madang::test {
namespace {

std::string text_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::shared_ptr<X509> certificate(const std::string& pem) {
    const std::shared_ptr<BIO> bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free);
    return {::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), ::X509_free};
}

mode_t mode_of(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 0777 : 0;
}

TEST(ClusterCertificates, AreWrittenWithKeysThatOnlyTheirOwnerReads) {
    const folder files;
    ASSERT_EQ(*write_authority(files / "new/ca", "an authority", 30), files / "new/ca/ca.pem");
    ASSERT_EQ(*write_certificate(files / "new/ca", "alice", {"alice.example", "192.0.2.1", "2001:db8::1"}, 7),
              files / "new/ca/alice.pem");
    EXPECT_EQ(mode_of(files / "new/ca/ca.key"), 0600U);
    EXPECT_EQ(mode_of(files / "new/ca/alice.key"), 0600U);

    const auto own = certificate(text_of(files / "new/ca/alice.pem"));
    const auto issuer = certificate(text_of(files / "new/ca/ca.pem"));
    ASSERT_TRUE(own && issuer);
    EXPECT_EQ(::X509_check_host(own.get(), "alice", 0, 0, nullptr), 1);
    EXPECT_EQ(::X509_check_host(own.get(), "alice.example", 0, 0, nullptr), 1);
    EXPECT_EQ(::X509_check_host(own.get(), "bob", 0, 0, nullptr), 0);
    EXPECT_EQ(::X509_check_ip_asc(own.get(), "192.0.2.1", 0), 1);
    EXPECT_EQ(::X509_check_ip_asc(own.get(), "2001:db8::1", 0), 1);
    EXPECT_EQ(::X509_check_purpose(own.get(), X509_PURPOSE_SSL_CLIENT, 0), 1);
    EXPECT_EQ(::X509_check_purpose(own.get(), X509_PURPOSE_SSL_SERVER, 0), 1);
    EXPECT_EQ(::X509_check_ca(own.get()), 0);
    EXPECT_EQ(::X509_check_ca(issuer.get()), 1);
    EXPECT_EQ(::X509_verify(own.get(), ::X509_get0_pubkey(issuer.get())), 1);
    int days = 0, seconds = 0;
    EXPECT_EQ(::ASN1_TIME_diff(&days, &seconds, nullptr, ::X509_get0_notAfter(own.get())), 1);
    EXPECT_NEAR(days * 24 + seconds / 3600, 7 * 24, 1);
}

TEST(ClusterCertificates, AreNotOverwritten) {
    const folder files;
    ASSERT_TRUE(write_authority(files.path(), "ca", 30));
    ASSERT_TRUE(write_certificate(files.path(), "alice", {}, 30));
    const auto before =
        text_of(files / "ca.key") + text_of(files / "alice.key") + text_of(files / "alice.pem");
    EXPECT_NE(write_authority(files.path(), "ca", 30).error().detail.find("exists"), std::string::npos);
    EXPECT_NE(write_certificate(files.path(), "alice", {}, 30).error().detail.find("exists"),
              std::string::npos);
    EXPECT_EQ(text_of(files / "ca.key") + text_of(files / "alice.key") + text_of(files / "alice.pem"),
              before);
    // A certificate without its key is in the way, too; no key stays beside it.
    std::filesystem::remove(files / "alice.key");
    EXPECT_FALSE(write_certificate(files.path(), "alice", {}, 30));
    EXPECT_FALSE(std::filesystem::exists(files / "alice.key"));
}

TEST(ClusterCertificates, AskForNamesThatCanBe) {
    const folder files;
    EXPECT_NE(write_certificate(files.path(), "alice", {}, 30).error().detail.find("init-ca"),
              std::string::npos);
    ASSERT_TRUE(write_authority(files.path(), "ca", 30));
    EXPECT_FALSE(write_certificate(files.path(), "../alice", {}, 30));
    EXPECT_FALSE(write_certificate(files.path(), "ca", {}, 30));
    EXPECT_FALSE(write_certificate(files.path(), "alice", {"x,DNS:bob"}, 30));
    EXPECT_FALSE(write_certificate(files.path(), "alice", {""}, 30));
    write_text(files / "ca.key", make_authority(authority::wish("another"))->key);
    EXPECT_NE(write_certificate(files.path(), "alice", {}, 30).error().detail.find("does not belong"),
              std::string::npos);
}

}  // namespace
}  // namespace madang::test
