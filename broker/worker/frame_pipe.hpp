// One end of a stream socket that carries frames: what is to be written waits until `flush`, so that a round
// of the worker costs one write per peer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "broker/jobs/worker_codec.hpp"

namespace madang {

// Owns the descriptor, which need not be non-blocking. One thread.
template <class Message>
class frame_pipe {
  public:
    explicit frame_pipe(int socket) : socket_(socket) {}
    ~frame_pipe();
    frame_pipe(const frame_pipe&) = delete;
    frame_pipe& operator=(const frame_pipe&) = delete;

    int socket() const noexcept { return socket_; }
    template <class What>
    void add(const What& what) {
        link::append(out_, what);
    }
    std::size_t unsent() const noexcept { return out_.size() - at_; }
    // Writes what can be written at once. False: the other end is gone.
    bool flush();

    enum class got : unsigned char { bytes, nothing, end };
    // Reads what is there, up to the size of `room`.
    got read(std::string& room);
    result<std::optional<Message>> next() { return reader_.next(); }

  private:
    int socket_;
    std::string out_;
    std::size_t at_ = 0;
    link::decoder<Message> reader_;
};

}  // namespace madang
