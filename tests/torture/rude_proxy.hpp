// A TCP proxy on a thread of its own that cuts, stalls and half-opens what passes through it, by seed.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace madang::test {

class rude_proxy {
  public:
    // Between 127.0.0.1:port() and 127.0.0.1:to. A connection is left alone for about `peace` on average.
    // Throws std::system_error.
    rude_proxy(std::uint16_t to, double peace_seconds, std::uint64_t seed);
    rude_proxy(const rude_proxy&) = delete;
    ~rude_proxy();  // cuts what is left

    std::uint16_t port() const { return port_; }
    // Nothing more is done to anybody; what is half-open or stalled is cut.
    void be_kind() { kind_ = true; }

    struct figures {
        std::atomic<std::uint64_t> connections = 0, cut = 0, stalled = 0, half_open = 0;
    };
    const figures& counts() const { return counts_; }

  private:
    void run(std::uint16_t to, double peace_seconds, std::uint64_t seed);

    int listener_;
    std::uint16_t port_ = 0;
    std::atomic<bool> stop_ = false;
    std::atomic<bool> kind_ = false;
    figures counts_;
    std::thread thread_;
};

}  // namespace madang::test
