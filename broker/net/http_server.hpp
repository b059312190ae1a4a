// A listener on every loop, and the sessions they made.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/result.hpp"
#include "broker/net/connection_limits.hpp"
#include "broker/net/http_session.hpp"
#include "broker/net/tls_context.hpp"

namespace madang {

// Everything referred to outlives the server, and the server outlives its loops' running: before destroying
// it, close and let the loops run until sessions() is 0, then stop them.
class http_server {
  public:
    struct parts {
        std::string address;              // "127.0.0.1:8000"; port 0: any free one
        std::string option = "--listen";  // named in the error
        // Listening already, in place of `address`: each of them on every loop.
        std::vector<file_handle> sockets{};
        std::vector<loop*> loops;  // a listener each
        const options& settings;
        http_dispatcher& dispatcher;
        address_list trusted_proxies;
        connection_limits* limits = nullptr;  // null: unlimited
        const tls_context* tls = nullptr;     // null: plain
        bool counted = true;                  // in the metrics: the public listener
        std::function<void(const access_entry&)> access_log = log_access;  // on the loops' threads
    };

    explicit http_server(parts p);
    ~http_server();

    // Listens; returns the port. The error's detail is one line that names the address and the mend.
    result<std::uint16_t> start();

    // -- Any thread, while the loops run
    void stop_accepting();
    // Stops accepting, closes idle sessions, lets the others finish their answer, and closes them at the
    // deadline.
    void drain(std::chrono::milliseconds deadline);
    void close_all();
    std::size_t sessions() const;  // HTTP only: who was handed over is the connections'

  private:
    struct on_loop;
    void listen(const std::shared_ptr<on_loop>& here, file_handle socket, last_in_queue last);
    parts parts_;
    http_environment environment_;
    std::vector<std::shared_ptr<on_loop>> loops_;
};

}  // namespace madang
