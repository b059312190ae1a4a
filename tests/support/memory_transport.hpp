// A transport whose other end is the test: `peer` holds what was written and gives what is to be read.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "actors/loop.hpp"
#include "actors/transport.hpp"

namespace madang::testing {

// The test's end. Outlives the transport; on the loop's thread only.
class memory_peer {
  public:
    explicit memory_peer(loop& on) : loop_(on) {}

    // -- What the test does
    void send(std::string_view bytes) {  // as if received from the network
        input_ += bytes;
        wake_reader();
    }
    void send_eof() {
        input_ended_ = true;
        wake_reader();
    }
    void fail() {  // a reset connection
        broken_ = true;
        wake_reader();
        wake_writer();
    }
    std::string take() { return std::exchange(output_, {}); }  // what was written since the last take
    const std::string& output() const { return output_; }
    // How many more bytes the "kernel" takes before would_block; grows again with grant().
    void limit_writes(std::size_t bytes) { room_ = bytes; }
    void grant(std::size_t bytes) {
        room_ = room_ == unlimited ? unlimited : room_ + bytes;
        wake_writer();
    }
    void unlimit_writes() {
        room_ = unlimited;
        wake_writer();
    }

    // -- What it sees
    bool shut() const { return shut_; }                  // shutdown_send was called
    bool closed() const { return closed_; }              // close was called, or the transport destroyed
    bool reading() const { return reader_ != nullptr; }  // waits to be readable: "not paused"
    bool writing() const { return writer_ != nullptr; }
    std::size_t unread() const { return input_.size(); }
    std::size_t writes() const { return writes_; }  // calls of write_some that wrote something

  private:
    friend class memory_transport;
    static constexpr std::size_t unlimited = ~std::size_t{0};

    bool readable() const { return !input_.empty() || input_ended_ || broken_ || closed_; }
    bool writable() const { return room_ > 0 || broken_ || closed_; }
    void wake_reader() {
        if (!readable()) return;
        if (auto* waiter = std::exchange(reader_, nullptr))
            loop_.post([waiter, alive = !closed_] { waiter->on_readable(alive); });
    }
    void wake_writer() {
        if (!writable()) return;
        if (auto* waiter = std::exchange(writer_, nullptr))
            loop_.post([waiter, alive = !closed_] { waiter->on_writable(alive); });
    }

    loop& loop_;
    std::string input_;
    std::string output_;
    std::size_t room_ = unlimited;
    std::size_t writes_ = 0;
    transport_waiter* reader_ = nullptr;
    transport_waiter* writer_ = nullptr;
    bool input_ended_ = false;
    bool broken_ = false;
    bool shut_ = false;
    bool closed_ = false;
};

class memory_transport : public transport {
  public:
    explicit memory_transport(memory_peer& peer) : peer_(peer) {}
    ~memory_transport() override { close(); }

    result read_some(char* data, std::size_t size) override {
        if (peer_.closed_ || peer_.broken_) return {outcome::failed, 0};
        if (peer_.input_.empty()) return {peer_.input_ended_ ? outcome::closed : outcome::would_block, 0};
        auto n = std::min(size, peer_.input_.size());
        std::memcpy(data, peer_.input_.data(), n);
        peer_.input_.erase(0, n);
        return {outcome::done, n};
    }
    result write_some(const iovec* parts, int count) override {
        if (peer_.closed_ || peer_.broken_ || peer_.shut_) return {outcome::failed, 0};
        std::size_t total = 0;
        for (int i = 0; i < count && peer_.room_ > 0; ++i) {
            auto n = std::min(parts[i].iov_len, peer_.room_);
            peer_.output_.append(static_cast<const char*>(parts[i].iov_base), n);
            if (peer_.room_ != memory_peer::unlimited) peer_.room_ -= n;
            total += n;
        }
        if (total == 0) return {outcome::would_block, 0};
        ++peer_.writes_;
        return {outcome::done, total};
    }
    void wait_readable(transport_waiter& waiter) override {
        peer_.reader_ = &waiter;
        peer_.wake_reader();
    }
    void wait_writable(transport_waiter& waiter) override {
        peer_.writer_ = &waiter;
        peer_.wake_writer();
    }
    void shutdown_send() override { peer_.shut_ = true; }
    void close() override {
        if (std::exchange(peer_.closed_, true)) return;
        peer_.wake_reader();
        peer_.wake_writer();
    }

  private:
    memory_peer& peer_;
};

}  // namespace madang::testing
