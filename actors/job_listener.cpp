#include "actors/job_listener_impl.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "broker/core/log.hpp"

namespace madang {
namespace {

using boost::asio::local::stream_protocol;

error refused(const std::string& path, const std::string& why) {
    return fail(errc::invalid_option, "--worker-socket " + path + ": " + why);
}

// Somebody listens there.
bool answers(const sockaddr_un& at) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool yes = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0;
    if (fd >= 0) ::close(fd);
    return yes;
}

result<void> write_secret(const std::string& path, const std::string& secret) {
    ::unlink(path.c_str());
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    const bool written =
        fd >= 0 && ::write(fd, secret.data(), secret.size()) == static_cast<ssize_t>(secret.size());
    const int why = errno;
    if (fd >= 0) ::close(fd);
    if (written) return {};
    return refused(path, std::strerror(why));
}

}  // namespace

job_listener::~job_listener() {
    if (path_.empty()) return;
    ::unlink((path_ + ".cookie").c_str());
    ::unlink(path_.c_str());
}

result<void> job_listener::open_at(const std::string& path, const std::string& cookie) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    if (path.size() >= sizeof(at.sun_path))
        return refused(path, "a socket's path is at most " + std::to_string(sizeof(at.sun_path) - 1) +
                                 " bytes; name a shorter one");
    std::memcpy(at.sun_path, path.data(), path.size());
    struct stat there {};
    if (::lstat(path.c_str(), &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) return refused(path, "it is there, and no socket; name another");
        if (answers(at)) return refused(path, "another server listens there; name another");
        ::unlink(path.c_str());
    }
    if (auto good = write_secret(path + ".cookie", cookie); !good) return good;
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // Of a Unix socket the mode before bind() is the file's, without a moment of another.
    if (fd < 0 || ::fchmod(fd, 0600) != 0 ||
        ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0 || ::listen(fd, 128) != 0) {
        const int why = errno;
        if (fd >= 0) ::close(fd);
        ::unlink((path + ".cookie").c_str());
        return refused(path, std::strerror(why));
    }
    path_ = path;
    acceptor_.assign(stream_protocol{}, fd);
    return {};
}

void job_listener::start(job_room& room) {
    room_ = &room;
    accept();
}

void job_listener::close() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
}

void job_listener::accept() {
    acceptor_.async_accept([this](boost::system::error_code error, stream_protocol::socket socket) {
        if (!acceptor_.is_open()) return;
        if (error) {  // descriptors are used up, most likely
            log_warn("job.worker.accept", {{"error", error.message()}});
            on_.schedule(std::chrono::milliseconds(100), [this] {
                if (acceptor_.is_open()) accept();
            });
            return;
        }
        boost::system::error_code failed;
        const int fd = socket.release(failed);
        if (!failed) room_->came(fd);
        accept();
    });
}

}  // namespace madang
