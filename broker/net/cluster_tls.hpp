// TLS between nodes: 1.3, both sides show a certificate of the cluster's own authority. Unlike tls_context it
// asks for certificates, and trusts no other authority.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "broker/cluster/link_handshake.hpp"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace madang {

// Thread-safe. Links made before a reload keep the settings they began with.
class cluster_tls {
  public:
    // PEM files: a chain, its key, the authority. On failure returns the reason, one line, and what was
    // loaded before stays in force. A certificate that the others would refuse is refused here. "" is
    // success.
    std::string load(const std::string& certificate, const std::string& key, const std::string& authority,
                     const std::string& node_name);
    std::shared_ptr<SSL_CTX> current() const;  // null: no TLS

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<SSL_CTX> current_;
};

// A connected, non-blocking socket that somebody else owns and waits for, with TLS or without.
class link_stream {
  public:
    enum class outcome { done, wants_read, wants_write, closed, failed };
    struct result {
        outcome what;
        std::size_t bytes;
    };

    // No settings: plain. `fd` outlives *this. SIGPIPE is the caller's matter.
    link_stream(int fd, const std::shared_ptr<SSL_CTX>& settings, bool dialed);
    ~link_stream();
    link_stream(const link_stream&) = delete;
    link_stream& operator=(const link_stream&) = delete;

    outcome shake();  // until done
    result read_some(char* data, std::size_t size);
    result write_some(const char* data, std::size_t size);
    void finish() noexcept;  // says that nothing more will be written
    bool secure() const noexcept { return ssl_ != nullptr; }
    // The DNS names of the peer's certificate; nothing without TLS.
    std::optional<std::vector<std::string>> certified() const;
    link_refusal refusal() const noexcept { return refusal_; }  // once something failed before the hello
    const std::string& detail() const noexcept { return detail_; }

  private:
    outcome judge(int returned);

    int fd_;
    SSL* ssl_ = nullptr;
    bool broken_ = false;
    link_refusal refusal_ = link_refusal::closed;
    std::string detail_;
};

}  // namespace madang
