// The server's certificate and key, and how to replace them while running.
#pragma once

#include <memory>
#include <mutex>
#include <string>

typedef struct ssl_ctx_st SSL_CTX;

namespace madang {

// Thread-safe. Connections made before a reload keep the settings they began with.
class tls_context {
  public:
    // Reads a PEM chain and its key: TLS 1.2 or newer, OpenSSL's default ciphers, ALPN http/1.1. On failure
    // returns the reason, one line, and what was loaded before stays in force. "" is success.
    std::string load(const std::string& certificate_file, const std::string& key_file);
    std::shared_ptr<SSL_CTX> current() const;

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<SSL_CTX> current_;
};

// When the certificate ends, in seconds since 1970. `settings` is not null and has one.
double certificate_end(const SSL_CTX& settings);

}  // namespace madang
