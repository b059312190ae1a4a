#include "broker/net/socket_transport.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "actors/loop.hpp"

namespace madang {

namespace {

transport::result failure() {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return {transport::outcome::would_block, 0};
    return {errno == ECONNRESET || errno == EPIPE ? transport::outcome::closed : transport::outcome::failed,
            0};
}

// A socket in its loop's epoll set. What the edges told is remembered until a read or write takes it back.
class plain_transport final : public transport, public descriptor_watcher {
  public:
    plain_transport(loop& on, int fd) : loop_(on), fd_(fd) {}
    ~plain_transport() override { close(); }

    result read_some(char* data, std::size_t size) override {
        if (fd_ < 0) return {outcome::failed, 0};
        const auto n = ::recv(fd_, data, size, 0);
        if (n > 0) {
            // epoll(7): a short read means that a stream socket is empty, and new bytes are a new edge.
            if (static_cast<std::size_t>(n) < size && !ended_) readable_ = false;
            return {outcome::done, static_cast<std::size_t>(n)};
        }
        if (n == 0) return {outcome::closed, 0};
        const auto why = failure();
        if (why.what == outcome::would_block) readable_ = false;
        return why;
    }

    result write_some(const iovec* parts, int count) override {
        if (fd_ < 0) return {outcome::failed, 0};
        ssize_t n;
        if (count == 1) {
            n = ::send(fd_, parts->iov_base, parts->iov_len, MSG_NOSIGNAL);
        } else {
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(parts);  // sendmsg(2) does not write to it
            message.msg_iovlen = static_cast<std::size_t>(std::min(count, IOV_MAX));
            n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
        }
        if (n > 0) return {outcome::done, static_cast<std::size_t>(n)};
        if (n == 0) return {outcome::would_block, 0};
        return failure();
    }

    void wait_readable(transport_waiter& waiter) override {
        reader_ = &waiter;
        if (fd_ < 0) return tell_closed();
        if (readable_ || ended_) loop_.look_again(*this);
    }

    void wait_writable(transport_waiter& waiter) override {
        writer_ = &waiter;
        if (fd_ < 0) return tell_closed();
        writable_ = false;
        // Registering is itself told, should it be writable by now.
        loop_.watch_writes(fd_, *this);
    }

    bool writes_are_sent() const noexcept override { return true; }

    void shutdown_send() override {
        if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
    }

    void close() override {
        if (fd_ < 0) return;
        loop_.unwatch(fd_, *this);
        ::close(std::exchange(fd_, -1));
        tell_closed();
    }

  private:
    void on_ready(readiness now) override {
        readable_ = readable_ || now.readable;
        writable_ = writable_ || now.writable;
        ended_ = ended_ || now.ended;
        auto* writer = writable_ || ended_ ? std::exchange(writer_, nullptr) : nullptr;
        auto* reader = readable_ || ended_ ? std::exchange(reader_, nullptr) : nullptr;
        // The last call may end *this.
        if (writer != nullptr && reader != nullptr) loop_.post([reader] { reader->on_readable(true); });
        if (writer != nullptr) return writer->on_writable(true);
        if (reader != nullptr) reader->on_readable(true);
    }

    // From the loop, soon, also when *this is gone by then.
    void tell_closed() {
        if (reader_ == nullptr && writer_ == nullptr) return;
        loop_.post([reader = std::exchange(reader_, nullptr), writer = std::exchange(writer_, nullptr)] {
            if (reader != nullptr) reader->on_readable(false);
            if (writer != nullptr) writer->on_writable(false);
        });
    }

    loop& loop_;
    transport_waiter* reader_ = nullptr;
    transport_waiter* writer_ = nullptr;
    int fd_;
    bool readable_ = false;
    bool writable_ = false;
    bool ended_ = false;
};

}  // namespace

std::unique_ptr<transport> make_plain_transport(loop& on, int fd) {
    auto made = std::make_unique<plain_transport>(on, fd);
    if (!on.watch(fd, *made)) return nullptr;
    return made;
}

std::size_t plain_transport_bytes() noexcept { return sizeof(plain_transport); }

}  // namespace madang
