#include "broker/net/cluster_tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "broker/net/openssl_error.hpp"

namespace madang {

namespace {

std::vector<std::string> dns_names(const X509* certificate) {
    std::vector<std::string> list;
    auto* names =
        static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const auto* each = sk_GENERAL_NAME_value(names, i);
        if (each->type != GEN_DNS) continue;
        const auto* bytes = ::ASN1_STRING_get0_data(each->d.dNSName);
        list.emplace_back(reinterpret_cast<const char*>(bytes),
                          static_cast<std::size_t>(::ASN1_STRING_length(each->d.dNSName)));
    }
    ::GENERAL_NAMES_free(names);
    return list;
}

// As the others will judge it. "" is well.
std::string own_certificate_wrong(SSL_CTX* settings, const std::string& file, const std::string& node_name) {
    auto* own = ::SSL_CTX_get0_certificate(settings);
    STACK_OF(X509)* chain = nullptr;
    ::SSL_CTX_get0_chain_certs(settings, &chain);
    auto* check = ::X509_STORE_CTX_new();
    if (!check || ::X509_STORE_CTX_init(check, ::SSL_CTX_get_cert_store(settings), own, chain) != 1) {
        ::X509_STORE_CTX_free(check);
        return "cannot check " + file + ": " + openssl_error();
    }
    const bool well = ::X509_verify_cert(check) == 1;
    const std::string why = well ? "" : ::X509_verify_cert_error_string(::X509_STORE_CTX_get_error(check));
    ::X509_STORE_CTX_free(check);
    ::ERR_clear_error();
    if (!well) return "the other nodes will refuse cluster-certificate " + file + ": " + why;
    const auto names = dns_names(own);
    if (std::ranges::find(names, node_name) == names.end())
        return "the certificate " + file + " is not this node's: it does not have the name " + node_name +
               " (node-name) among its DNS names; `madang cluster issue " + node_name + " DIR` makes one";
    return {};
}

}  // namespace

std::string cluster_tls::load(const std::string& certificate, const std::string& key,
                              const std::string& authority, const std::string& node_name) {
    for (const auto& [option, file] : {std::pair{"cluster-certificate", &certificate},
                                       std::pair{"cluster-key", &key}, std::pair{"cluster-ca", &authority}})
        if (::access(file->c_str(), R_OK) != 0)
            return "cannot read " + *file + ": " + std::strerror(errno) + "; name a PEM file with --" +
                   option;
    ::ERR_clear_error();
    const std::shared_ptr<SSL_CTX> made(::SSL_CTX_new(::TLS_method()), ::SSL_CTX_free);
    if (!made) return "cannot set up TLS: " + openssl_error();
    ::SSL_CTX_set_min_proto_version(made.get(), TLS1_3_VERSION);
    ::SSL_CTX_set_options(made.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    ::SSL_CTX_set_mode(made.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ::SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_num_tickets(made.get(), 0);  // every link begins with the certificates
    ::SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    ::SSL_CTX_set_read_ahead(made.get(), 1);  // several records with one read
    ::SSL_CTX_set_default_read_buffer_len(made.get(), 64 * 1024);
    if (::SSL_CTX_load_verify_file(made.get(), authority.c_str()) != 1)
        return "cannot read cluster-ca " + authority + ": " + openssl_error();
    if (::SSL_CTX_use_certificate_chain_file(made.get(), certificate.c_str()) != 1)
        return "cannot read cluster-certificate " + certificate + ": " + openssl_error();
    if (::SSL_CTX_use_PrivateKey_file(made.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
        return "cannot read cluster-key " + key + ": " + openssl_error();
    if (::SSL_CTX_check_private_key(made.get()) != 1)
        return "cluster-key " + key + " does not belong to " + certificate;
    if (auto why = own_certificate_wrong(made.get(), certificate, node_name); !why.empty()) return why;
    std::lock_guard lock(mutex_);
    current_ = made;
    return {};
}

std::shared_ptr<SSL_CTX> cluster_tls::current() const {
    std::lock_guard lock(mutex_);
    return current_;
}

link_stream::link_stream(int fd, const std::shared_ptr<SSL_CTX>& settings, bool dialed) : fd_(fd) {
    if (!settings) return;
    ssl_ = ::SSL_new(settings.get());
    if (!ssl_ || ::SSL_set_fd(ssl_, fd) != 1) {
        ::SSL_free(ssl_);
        throw std::bad_alloc();
    }
    if (dialed) {
        ::SSL_set_connect_state(ssl_);
    } else {
        ::SSL_set_accept_state(ssl_);
    }
}

link_stream::~link_stream() { ::SSL_free(ssl_); }

link_stream::outcome link_stream::judge(int returned) {
    switch (::SSL_get_error(ssl_, returned)) {
        case SSL_ERROR_NONE:
            return outcome::done;
        case SSL_ERROR_WANT_READ:
            return outcome::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return outcome::wants_write;
        case SSL_ERROR_ZERO_RETURN:
            return outcome::closed;
        case SSL_ERROR_SYSCALL:
            broken_ = true;
            return outcome::closed;
        default:
            break;
    }
    broken_ = true;
    const auto verdict = ::SSL_get_verify_result(ssl_);
    if (verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID) {
        refusal_ = link_refusal::expired;
    } else if (verdict != X509_V_OK ||
               ERR_GET_REASON(::ERR_peek_last_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        refusal_ = link_refusal::certificate;
    } else {
        refusal_ = link_refusal::tls;
    }
    detail_ = verdict == X509_V_OK ? openssl_error() : ::X509_verify_cert_error_string(verdict);
    return outcome::failed;
}

link_stream::outcome link_stream::shake() {
    if (!ssl_) return outcome::done;
    ::ERR_clear_error();
    return judge(::SSL_do_handshake(ssl_));
}

link_stream::result link_stream::read_some(char* data, std::size_t size) {
    if (ssl_) {
        ::ERR_clear_error();
        std::size_t got = 0;
        const auto what = judge(::SSL_read_ex(ssl_, data, size, &got));
        return {what, got};
    }
    for (;;) {
        const auto n = ::recv(fd_, data, size, 0);
        if (n > 0) return {outcome::done, static_cast<std::size_t>(n)};
        if (n == 0) return {outcome::closed, 0};
        if (errno == EAGAIN || errno == EWOULDBLOCK) return {outcome::wants_read, 0};
        if (errno != EINTR) return {outcome::closed, 0};
    }
}

link_stream::result link_stream::write_some(const char* data, std::size_t size) {
    if (ssl_) {
        ::ERR_clear_error();
        std::size_t put = 0;
        const auto what = judge(::SSL_write_ex(ssl_, data, size, &put));
        return {what, put};
    }
    for (;;) {
        const auto n = ::send(fd_, data, size, MSG_NOSIGNAL);
        if (n >= 0) return {outcome::done, static_cast<std::size_t>(n)};
        if (errno == EAGAIN || errno == EWOULDBLOCK) return {outcome::wants_write, 0};
        if (errno != EINTR) return {outcome::closed, 0};
    }
}

void link_stream::finish() noexcept {
    // SSL_shutdown may follow neither an error nor an unfinished handshake.
    if (ssl_ && !broken_ && ::SSL_is_init_finished(ssl_)) ::SSL_shutdown(ssl_);
    ::ERR_clear_error();
    ::shutdown(fd_, SHUT_WR);
}

std::optional<std::vector<std::string>> link_stream::certified() const {
    if (!ssl_) return std::nullopt;
    const auto* certificate = ::SSL_get0_peer_certificate(ssl_);
    return certificate ? dns_names(certificate) : std::vector<std::string>();
}

}  // namespace madang
