#include "broker/net/cluster_certificates.hpp"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "broker/cluster/peer_hello.hpp"
#include "broker/core/ascii.hpp"
#include "broker/core/net_address.hpp"
#include "broker/net/file_handle.hpp"
#include "broker/net/openssl_error.hpp"

namespace madang {

namespace {

template <auto free_it>
struct freed_by {
    template <class T>
    void operator()(T* it) const {
        free_it(it);
    }
};
using key_pointer = std::unique_ptr<EVP_PKEY, freed_by<::EVP_PKEY_free>>;
using certificate_pointer = std::unique_ptr<X509, freed_by<::X509_free>>;
using bio_pointer = std::unique_ptr<BIO, freed_by<::BIO_free_all>>;
using extension_pointer = std::unique_ptr<X509_EXTENSION, freed_by<::X509_EXTENSION_free>>;

constexpr std::chrono::hours clocks_may_differ{1};

error openssl_failure(const std::string& what) {
    return fail(errc::system_failure, what + ": " + openssl_error());
}

bool extend(X509* certificate, X509* issuer, int what, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const extension_pointer made(::X509V3_EXT_conf_nid(nullptr, &context, what, value));
    return made && ::X509_add_ext(certificate, made.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
    unsigned char bytes[16];
    if (::RAND_bytes(bytes, sizeof bytes) != 1) return false;
    bytes[0] &= 0x7f;  // positive, and at most 20 octets: RFC 5280 4.1.2.2
    bytes[0] |= 0x40;
    const std::unique_ptr<BIGNUM, freed_by<::BN_free>> number(::BN_bin2bn(bytes, sizeof bytes, nullptr));
    return number && ::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(certificate));
}

// Name and dates; the key is a new one.
certificate_pointer begin(const certificate_wish& wish, EVP_PKEY* key) {
    certificate_pointer made(::X509_new());
    const auto from = std::chrono::system_clock::to_time_t(wish.from);
    const auto until = std::chrono::system_clock::to_time_t(wish.until);
    auto* subject = made ? ::X509_get_subject_name(made.get()) : nullptr;
    const bool well = made && ::X509_set_version(made.get(), X509_VERSION_3) == 1 && set_serial(made.get()) &&
                      ::ASN1_TIME_set(::X509_getm_notBefore(made.get()), from) &&
                      ::ASN1_TIME_set(::X509_getm_notAfter(made.get()), until) &&
                      ::X509_set_pubkey(made.get(), key) == 1 &&
                      ::X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                                   reinterpret_cast<const unsigned char*>(wish.name.data()),
                                                   static_cast<int>(wish.name.size()), -1, 0) == 1;
    return well ? std::move(made) : nullptr;
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

result<pem_pair> as_text(X509* certificate, EVP_PKEY* key) {
    const bio_pointer first(::BIO_new(::BIO_s_mem())), second(::BIO_new(::BIO_s_mem()));
    if (!first || !second || ::PEM_write_bio_X509(first.get(), certificate) != 1 ||
        ::PEM_write_bio_PrivateKey(second.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return openssl_failure("cannot write the certificate");
    return pem_pair{text_of(first.get()), text_of(second.get())};
}

// "DNS:a,IP:192.0.2.1"; a host may hold nothing that would end its entry.
result<std::string> alternative_names(const certificate_wish& wish) {
    std::string list = "DNS:" + wish.name;
    for (const auto& each : wish.hosts) {
        if (ip_address::parse(each)) {
            list += ",IP:" + each;
        } else if (each.size() <= 253 && !each.empty() && std::ranges::all_of(each, is_name_character)) {
            list += ",DNS:" + each;
        } else {
            return fail(errc::invalid_argument, "\"" + each + "\" is neither a host's name nor an address");
        }
    }
    return list;
}

int no_password(char*, int, int, void*) { return -1; }

result<std::string> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    if (!in || text.empty())
        return fail(errc::invalid_argument,
                    "cannot read " + path + ": make the authority first, with `madang cluster init-ca`");
    return text;
}

result<void> write_new(const std::string& path, const std::string& text, mode_t mode) {
    const file_handle fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd) {
        if (errno == EEXIST)
            return fail(errc::invalid_argument, path + " exists: it is not overwritten; move it away first");
        return fail(errc::system_failure, "cannot make " + path + ": " + std::strerror(errno));
    }
    const bool well = ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                      ::fsync(fd.get()) == 0;
    if (well) return {};
    const auto why = fail(errc::system_failure, "cannot write " + path + ": " + std::strerror(errno));
    ::unlink(path.c_str());
    return why;
}

result<std::string> write_pair(const std::string& stem, const pem_pair& pair) {
    if (const auto done = write_new(stem + ".key", pair.key, 0600); !done) return done.error();
    if (const auto done = write_new(stem + ".pem", pair.certificate, 0644); !done) {
        ::unlink((stem + ".key").c_str());
        return done.error();
    }
    return stem + ".pem";
}

certificate_wish wish_for(const std::string& name, const std::vector<std::string>& hosts, unsigned days) {
    const auto now = std::chrono::system_clock::now();
    return {name, hosts, now - clocks_may_differ, now + std::chrono::hours(24) * days};
}

}  // namespace

result<pem_pair> make_authority(const certificate_wish& wish) {
    if (wish.name.empty() || wish.name.size() > 64)
        return fail(errc::invalid_argument, "an authority's name has 1 to 64 bytes");
    const key_pointer key(EVP_EC_gen("P-256"));
    if (!key) return openssl_failure("cannot make a key");
    const auto made = begin(wish, key.get());
    if (!made || ::X509_set_issuer_name(made.get(), ::X509_get_subject_name(made.get())) != 1 ||
        !extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !extend(made.get(), made.get(), NID_subject_key_identifier, "hash") ||
        ::X509_sign(made.get(), key.get(), ::EVP_sha256()) == 0)
        return openssl_failure("cannot make the authority's certificate");
    return as_text(made.get(), key.get());
}

result<pem_pair> issue_certificate(const pem_pair& authority, const certificate_wish& wish) {
    if (!is_node_name(wish.name))
        return fail(errc::invalid_argument,
                    "\"" + wish.name + "\" is no node's name: 1 to 64 letters, digits, dots, dashes");
    const auto names = alternative_names(wish);
    if (!names) return names.error();
    const bio_pointer first(
        ::BIO_new_mem_buf(authority.certificate.data(), static_cast<int>(authority.certificate.size())));
    const bio_pointer second(::BIO_new_mem_buf(authority.key.data(), static_cast<int>(authority.key.size())));
    const certificate_pointer issuer(::PEM_read_bio_X509(first.get(), nullptr, no_password, nullptr));
    const key_pointer signer(::PEM_read_bio_PrivateKey(second.get(), nullptr, no_password, nullptr));
    if (!issuer || !signer) return openssl_failure("cannot read the authority");
    if (::X509_check_private_key(issuer.get(), signer.get()) != 1)
        return fail(errc::invalid_argument, "the authority's key does not belong to its certificate");
    const key_pointer key(EVP_EC_gen("P-256"));
    if (!key) return openssl_failure("cannot make a key");
    const auto made = begin(wish, key.get());
    if (!made || ::X509_set_issuer_name(made.get(), ::X509_get_subject_name(issuer.get())) != 1 ||
        !extend(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
        !extend(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") ||
        !extend(made.get(), issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
        !extend(made.get(), issuer.get(), NID_subject_key_identifier, "hash") ||
        !extend(made.get(), issuer.get(), NID_authority_key_identifier, "keyid") ||
        !extend(made.get(), issuer.get(), NID_subject_alt_name, names->c_str()) ||
        ::X509_sign(made.get(), signer.get(), ::EVP_sha256()) == 0)
        return openssl_failure("cannot make the certificate");
    return as_text(made.get(), key.get());
}

result<std::string> write_authority(const std::string& folder, const std::string& name, unsigned days) {
    const auto made = make_authority(wish_for(name, {}, days));
    if (!made) return made.error();
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) return fail(errc::system_failure, "cannot make " + folder + ": " + failed.message());
    return write_pair(folder + "/ca", *made);
}

result<std::string> write_certificate(const std::string& folder, const std::string& name,
                                      const std::vector<std::string>& hosts, unsigned days) {
    if (name == "ca")
        return fail(errc::invalid_argument, "\"ca\" is the authority's: name the node otherwise");
    const auto certificate = read_file(folder + "/ca.pem");
    if (!certificate) return certificate.error();
    const auto key = read_file(folder + "/ca.key");
    if (!key) return key.error();
    const auto made = issue_certificate({*certificate, *key}, wish_for(name, hosts, days));
    if (!made) return made.error();
    return write_pair(folder + "/" + name, *made);
}

}  // namespace madang
