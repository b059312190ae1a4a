#include "broker/worker/frame_pipe.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace madang {

template <class Message>
frame_pipe<Message>::~frame_pipe() {
    ::close(socket_);
}

template <class Message>
bool frame_pipe<Message>::flush() {
    while (at_ < out_.size()) {
        const auto sent = ::send(socket_, out_.data() + at_, out_.size() - at_, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
        at_ += static_cast<std::size_t>(sent);
    }
    if (out_.capacity() > 1024 * 1024)
        out_ = {};  // of something large
    else
        out_.clear();
    at_ = 0;
    return true;
}

template <class Message>
typename frame_pipe<Message>::got frame_pipe<Message>::read(std::string& room) {
    for (;;) {
        const auto size = ::recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
        if (size > 0) return reader_.add({room.data(), static_cast<std::size_t>(size)}), got::bytes;
        if (size == 0) return got::end;
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EWOULDBLOCK ? got::nothing : got::end;
    }
}

template class frame_pipe<link::from_server>;
template class frame_pipe<link::from_worker>;

}  // namespace madang
