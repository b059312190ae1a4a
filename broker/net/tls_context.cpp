#include "broker/net/tls_context.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "broker/net/openssl_error.hpp"

namespace madang {

namespace {

// OpenSSL's own words for a file that cannot be opened say nothing.
std::string unreadable(const std::string& what, const std::string& file) {
    if (::access(file.c_str(), R_OK) == 0) return {};
    return "cannot read the TLS " + what + " " + file + ": " + std::strerror(errno) + "; name a PEM file";
}

int choose_http(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void*) {
    static constexpr unsigned char http[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    auto* chosen = const_cast<unsigned char**>(out);
    return ::SSL_select_next_proto(chosen, out_size, http, sizeof http, in, in_size) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

std::string tls_context::load(const std::string& certificate_file, const std::string& key_file) {
    if (auto why = unreadable("certificate", certificate_file); !why.empty()) return why;
    if (auto why = unreadable("key", key_file); !why.empty()) return why;
    ::ERR_clear_error();
    std::shared_ptr<SSL_CTX> made(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free);
    if (!made) return "cannot set up TLS: " + openssl_error();
    ::SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_options(made.get(),
                          SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    ::SSL_CTX_set_mode(made.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    // Tickets carry sessions: no memory per client.
    ::SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_alpn_select_cb(made.get(), choose_http, nullptr);
    if (::SSL_CTX_use_certificate_chain_file(made.get(), certificate_file.c_str()) != 1)
        return "cannot read the TLS certificate " + certificate_file + ": " + openssl_error();
    if (::SSL_CTX_use_PrivateKey_file(made.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1)
        return "cannot read the TLS key " + key_file + ": " + openssl_error();
    if (::SSL_CTX_check_private_key(made.get()) != 1)
        return "the TLS key " + key_file + " does not belong to " + certificate_file + ": " + openssl_error();
    std::lock_guard lock(mutex_);
    current_ = std::move(made);
    return {};
}

std::shared_ptr<SSL_CTX> tls_context::current() const {
    std::lock_guard lock(mutex_);
    return current_;
}

double certificate_end(const SSL_CTX& settings) {
    std::tm end{};
    ::ASN1_TIME_to_tm(::X509_get0_notAfter(::SSL_CTX_get0_certificate(&settings)), &end);
    return static_cast<double>(::timegm(&end));
}

}  // namespace madang
