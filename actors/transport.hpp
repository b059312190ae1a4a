// The seam between a connection and its socket. broker/net implements it over plain TCP and over TLS; tests
// over memory.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace madang {

// Whom a transport tells that waiting is over. Must stay alive until `ready` was called, which happens
// exactly once per wait, also when the transport is closed meanwhile (alive = false).
class transport_waiter {
  public:
    virtual void on_readable(bool alive) = 0;
    virtual void on_writable(bool alive) = 0;

  protected:
    ~transport_waiter() = default;
};

// One connected byte stream. Non-blocking. Used on its loop's thread only; destroyed there.
class transport {
  public:
    enum class outcome : std::uint8_t { done, would_block, closed, failed };
    struct result {
        outcome what;
        std::size_t bytes;  // > 0 when done
    };

    virtual ~transport() = default;
    virtual result read_some(char* data, std::size_t size) = 0;
    // Gathers. May write less than asked. Never raises SIGPIPE.
    virtual result write_some(const iovec* parts, int count) = 0;
    // One wait of each kind at a time. Never calls back from within.
    virtual void wait_readable(transport_waiter& waiter) = 0;
    virtual void wait_writable(transport_waiter& waiter) = 0;
    // What write_some took is the kernel's, so that close() lets it arrive (TLS may hold back records).
    virtual bool writes_are_sent() const noexcept { return false; }
    // Half-close after everything was written: FIN (TLS: close_notify before it).
    virtual void shutdown_send() = 0;
    // Ends both directions at once; pending waits are told alive = false, from the loop, soon.
    virtual void close() = 0;
};

}  // namespace madang
