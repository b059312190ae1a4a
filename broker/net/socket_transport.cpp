#include "broker/net/socket_transport.hpp"

#include "broker/net/socket.hpp"

namespace madang {

namespace {

class plain_transport final : public transport {
  public:
    explicit plain_transport(socket_pointer socket) : socket_(std::move(socket)) {}
    ~plain_transport() override { socket_->close(); }

    result read_some(char* data, std::size_t size) override { return receive(*socket_, data, size); }
    result write_some(const iovec* parts, int count) override { return send(*socket_, parts, count); }
    void wait_readable(transport_waiter& waiter) override {
        wait_on(socket_, boost::asio::socket_base::wait_read, waiter, waiting_for::read);
    }
    void wait_writable(transport_waiter& waiter) override {
        wait_on(socket_, boost::asio::socket_base::wait_write, waiter, waiting_for::write);
    }
    void shutdown_send() override {
        if (!socket_->closed) ::shutdown(socket_->fd(), SHUT_WR);
    }
    void close() override { socket_->close(); }

  private:
    socket_pointer socket_;
};

}  // namespace

std::unique_ptr<transport> make_plain_transport(boost::asio::io_context& context, int fd) {
    auto socket = adopt_socket(context, fd);
    if (!socket) return nullptr;
    return std::make_unique<plain_transport>(std::move(socket));
}

std::size_t plain_transport_bytes() noexcept { return sizeof(plain_transport) + sizeof(shared_socket); }

}  // namespace madang
