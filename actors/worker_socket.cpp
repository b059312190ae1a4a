#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "actors/worker_socket_impl.hpp"

namespace madang {
namespace {

constexpr std::size_t read_bytes = 64 * 1024;
constexpr int reads_per_turn = 16;  // then the others have their turn

}  // namespace

worker_socket::worker_socket(asio_loop& on, int fd) : on_(on), fd_(fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

worker_socket::~worker_socket() {
    if (fd_ >= 0) ::close(fd_);
}

bool worker_socket::begin(reader& to) {
    to_ = &to;
    if (!on_.watch(fd_, *this)) return false;
    on_.look_again(*this);  // what was there already
    return true;
}

void worker_socket::close() {
    if (fd_ < 0) return;
    if (to_ != nullptr) on_.unwatch(fd_, *this);
    ::close(std::exchange(fd_, -1));
}

void worker_socket::hold(bool held) {
    if (std::exchange(held_, held) && !held && fd_ >= 0) on_.look_again(*this);
}

void worker_socket::on_ready(readiness) {
    if (fd_ >= 0 && !read()) to_->ended();
    if (fd_ >= 0) to_->may_write();
}

bool worker_socket::read() {
    std::array<char, read_bytes> bytes;
    for (int i = 0; i < reads_per_turn; ++i) {
        if (held_) return true;
        const auto count = ::recv(fd_, bytes.data(), bytes.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
        if (count == 0 || !to_->bytes_came({bytes.data(), static_cast<std::size_t>(count)})) return false;
        if (fd_ < 0) return true;
    }
    on_.look_again(*this);
    return true;
}

std::optional<std::size_t> worker_socket::write(std::string_view bytes) {
    std::size_t written = 0;
    while (written < bytes.size()) {
        const auto count = ::send(fd_, bytes.data() + written, bytes.size() - written, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return std::nullopt;
        if (count < 0) {
            if (!std::exchange(watching_writes_, true)) on_.watch_writes(fd_, *this);
            break;
        }
        written += static_cast<std::size_t>(count);
    }
    return written;
}

}  // namespace madang
