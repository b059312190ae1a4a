// An HTTP server on loopback that answers what the test says, good HTTP or not.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace madang::test {

class scripted_server {
  public:
    // Called on the server's thread with a request's head and body; "" leaves the client waiting.
    using script = std::function<std::string(const std::string& request)>;
    explicit scripted_server(script says);
    ~scripted_server();
    scripted_server(const scripted_server&) = delete;
    scripted_server& operator=(const scripted_server&) = delete;

    std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    std::uint16_t port() const noexcept { return port_; }
    std::size_t connections() const noexcept { return connections_; }  // accepted so far
    std::size_t requests() const noexcept { return requests_; }        // read so far

  private:
    void run();
    bool serve(int socket, std::string& buffer);  // false: the connection is over

    script says_;
    int listener_ = -1;
    int wake_[2] = {-1, -1};
    std::uint16_t port_ = 0;
    std::atomic<std::size_t> connections_{0};
    std::atomic<std::size_t> requests_{0};
    std::thread thread_;
};

// 200 with that body.
std::string ok(const std::string& body, const std::string& more_headers = {});

}  // namespace madang::test
