#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "broker/net/socket.hpp"
#include "broker/net/socket_transport.hpp"

namespace madang {

namespace {

// Records that OpenSSL made and the kernel did not take yet. Kept here, not in OpenSSL, so that SSL_write
// never asks to be repeated with the same bytes: what it took is as good as written, and an outbox may drop
// the rest.
struct cipher_out {
    std::string bytes;
    std::size_t sent = 0;

    bool empty() const { return sent == bytes.size(); }
    // done: all is with the kernel.
    transport::outcome flush(shared_socket& socket) {
        while (!empty()) {
            iovec part{bytes.data() + sent, bytes.size() - sent};
            auto result = send(socket, &part, 1);
            if (result.what != transport::outcome::done) return result.what;
            sent += result.bytes;
        }
        bytes.clear();
        sent = 0;
        if (bytes.capacity() > 1024) bytes.shrink_to_fit();
        return transport::outcome::done;
    }
};

// A finished connection's last records, still to be sent, then FIN. Independent of the transport.
void finish(const socket_pointer& socket, std::shared_ptr<cipher_out> rest) {
    auto state = rest->flush(*socket);
    if (state == transport::outcome::done && !socket->closed) ::shutdown(socket->fd(), SHUT_WR);
    if (state != transport::outcome::would_block) return;
    socket->socket.async_wait(boost::asio::socket_base::wait_write,
                              [socket, rest](boost::system::error_code ec) {
                                  if (!ec && !socket->closed) finish(socket, rest);
                              });
}

class tls_transport final : public transport {
  public:
    tls_transport(socket_pointer socket, std::shared_ptr<SSL_CTX> settings)
        : socket_(std::move(socket)), settings_(std::move(settings)) {
        ssl_ = ::SSL_new(settings_.get());
        auto* bio = ssl_ ? ::BIO_new(methods()) : nullptr;
        if (!bio) {
            ::SSL_free(ssl_);
            throw std::bad_alloc();
        }
        ::BIO_set_data(bio, this);
        ::BIO_set_init(bio, 1);
        ::SSL_set_bio(ssl_, bio, bio);
        ::SSL_set_accept_state(ssl_);
    }
    ~tls_transport() override {
        socket_->close();
        ::SSL_free(ssl_);
    }

    result read_some(char* data, std::size_t size) override {
        if (socket_->closed) return {outcome::failed, 0};
        ::ERR_clear_error();
        auto n = ::SSL_read(ssl_, data, static_cast<int>(std::min<std::size_t>(size, 1u << 30)));
        auto error = n > 0 ? SSL_ERROR_NONE : ::SSL_get_error(ssl_, n);
        // Handshake messages and alerts that reading produced.
        if (out_.flush(*socket_) == outcome::failed) return {outcome::failed, 0};
        if (n > 0) {
            read_data_ = true;
            return {outcome::done, static_cast<std::size_t>(n)};
        }
        if (error == SSL_ERROR_WANT_READ) return {outcome::would_block, 0};
        broken_ = broken_ || error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
        return {error == SSL_ERROR_ZERO_RETURN || received_end_ ? outcome::closed : outcome::failed, 0};
    }

    result write_some(const iovec* parts, int count) override {
        if (socket_->closed || broken_) return {outcome::failed, 0};
        std::size_t written = 0;
        // One record per 16 KiB, however small the parts.
        static thread_local std::string gathered;
        int part = 0;
        std::size_t offset = 0;
        while (part < count) {
            if (auto state = out_.flush(*socket_); state != outcome::done) return finished(written, state);
            gathered.clear();
            while (part < count && gathered.size() < record_bytes) {
                auto take = std::min(parts[part].iov_len - offset, record_bytes - gathered.size());
                gathered.append(static_cast<const char*>(parts[part].iov_base) + offset, take);
                offset += take;
                if (offset == parts[part].iov_len) ++part, offset = 0;
            }
            if (gathered.empty()) break;
            ::ERR_clear_error();
            auto n = ::SSL_write(ssl_, gathered.data(), static_cast<int>(gathered.size()));
            if (n > 0) {
                written += static_cast<std::size_t>(n);
                if (static_cast<std::size_t>(n) < gathered.size()) break;
                continue;
            }
            if (::SSL_get_error(ssl_, n) == SSL_ERROR_WANT_READ) {  // still shaking hands
                write_wants_read_ = true;
                return finished(written, outcome::would_block);
            }
            broken_ = true;
            return finished(written, outcome::failed);
        }
        auto state = out_.flush(*socket_);
        return finished(written,
                        state == outcome::failed || state == outcome::closed ? state : outcome::would_block);
    }

    void wait_readable(transport_waiter& waiter) override {
        if (::SSL_has_pending(ssl_) && ::SSL_pending(ssl_) > 0)
            return tell_soon(socket_, waiter, waiting_for::read);
        if (!out_.empty() && !read_data_) {  // shaking hands: the peer cannot answer what it did not get
            wait_on(socket_, boost::asio::socket_base::wait_write, waiter, waiting_for::read);
        } else {
            wait_on(socket_, boost::asio::socket_base::wait_read, waiter, waiting_for::read);
        }
    }
    void wait_writable(transport_waiter& waiter) override {
        bool for_read = std::exchange(write_wants_read_, false) && out_.empty();
        wait_on(socket_,
                for_read ? boost::asio::socket_base::wait_read : boost::asio::socket_base::wait_write, waiter,
                waiting_for::write);
    }
    void shutdown_send() override {
        if (socket_->closed) return;
        if (!broken_ && ::SSL_is_init_finished(ssl_)) ::SSL_shutdown(ssl_);  // close_notify into out_
        ::ERR_clear_error();
        broken_ = true;
        finish(socket_, std::make_shared<cipher_out>(std::exchange(out_, {})));
    }
    void close() override { socket_->close(); }

  private:
    static constexpr std::size_t record_bytes = 16 * 1024;  // RFC 8446 5.1
    // More than this waiting and the peer is not reading what the handshake tells it.
    static constexpr std::size_t out_limit = 256 * 1024;

    static result finished(std::size_t written, outcome otherwise) {
        if (written > 0) return {outcome::done, written};
        return {otherwise, 0};
    }

    // Between OpenSSL and the descriptor: writes into out_, reads with recv(2), so that no SIGPIPE is raised.
    static const BIO_METHOD* methods() {
        static const BIO_METHOD* made = [] {
            auto* method = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "madang");
            ::BIO_meth_set_write(method, [](BIO* bio, const char* data, int size) {
                auto& self = *static_cast<tls_transport*>(::BIO_get_data(bio));
                ::BIO_clear_retry_flags(bio);
                if (self.out_.bytes.size() > out_limit) return -1;
                self.out_.bytes.append(data, static_cast<std::size_t>(size));
                return size;
            });
            ::BIO_meth_set_read(method, [](BIO* bio, char* data, int size) {
                auto& self = *static_cast<tls_transport*>(::BIO_get_data(bio));
                ::BIO_clear_retry_flags(bio);
                auto got = receive(*self.socket_, data, static_cast<std::size_t>(size));
                if (got.what == outcome::done) return static_cast<int>(got.bytes);
                if (got.what == outcome::would_block) {
                    ::BIO_set_retry_read(bio);
                    return -1;
                }
                self.received_end_ = got.what == outcome::closed;
                return 0;
            });
            ::BIO_meth_set_ctrl(method, [](BIO* bio, int command, long, void*) -> long {
                if (command == BIO_CTRL_EOF)
                    return static_cast<tls_transport*>(::BIO_get_data(bio))->received_end_;
                return command == BIO_CTRL_FLUSH ? 1 : 0;
            });
            return method;
        }();
        return made;
    }

    socket_pointer socket_;
    std::shared_ptr<SSL_CTX> settings_;
    SSL* ssl_ = nullptr;
    cipher_out out_;
    bool write_wants_read_ = false;
    bool read_data_ = false;
    bool received_end_ = false;
    bool broken_ = false;
};

}  // namespace

std::unique_ptr<transport> make_tls_transport(boost::asio::io_context& context, int fd,
                                              std::shared_ptr<SSL_CTX> settings) {
    auto socket = adopt_socket(context, fd);
    if (!socket) return nullptr;
    return std::make_unique<tls_transport>(std::move(socket), std::move(settings));
}

}  // namespace madang
