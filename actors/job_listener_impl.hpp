// The Unix socket on which workers reach the server, and the secret beside it.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>

#include "actors/job_room_impl.hpp"

namespace madang {

// open_at() and the destructor: while the loop does not run. The rest: the loop's thread.
class job_listener {
  public:
    explicit job_listener(asio_loop& on) : on_(on), acceptor_(on.context()) {}
    ~job_listener();  // removes both files

    // Makes both with mode 0600, in place of a socket that nobody listens on. Errors: invalid_option.
    result<void> open_at(const std::string& path, const std::string& cookie);
    void start(job_room& room);
    void close();

  private:
    void accept();

    asio_loop& on_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    job_room* room_ = nullptr;
    std::string path_;  // "": not open
};

}  // namespace madang
