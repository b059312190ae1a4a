#include "broker/bench/job_load.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

// One connection with one request at a time.
class asker {
  public:
    explicit asker(const endpoint& to)
        : host_(to.host()), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_port = htons(to.port);
        where.sin_addr.s_addr = htonl(to.address);
        const int on = 1;
        if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
            setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
            throw std::system_error(errno, std::system_category(), "connecting to " + host_);
    }
    asker(asker&& other) noexcept : host_(std::move(other.host_)), fd_(std::exchange(other.fd_, -1)) {}
    asker& operator=(asker&&) = delete;
    ~asker() {
        if (fd_ >= 0) close(fd_);
    }

    int fd() const { return fd_; }

    void send(const std::string& method, const std::string& path, const std::string& body) {
        const auto text =
            method + " " + path + " HTTP/1.1\r\nHost: " + host_ + "\r\nX-API-Key: " + bench_api_key +
            "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n\r\n" + body;
        for (std::size_t at = 0; at < text.size();) {
            const auto sent = ::send(fd_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) throw std::system_error(errno, std::system_category(), "asking " + host_);
            at += static_cast<std::size_t>(sent);
        }
        in_.clear();
        whole_ = 0;
    }

    // True when the answer is there.
    bool receive() {
        std::array<char, 65536> buffer;
        const auto got = recv(fd_, buffer.data(), buffer.size(), 0);
        if (got <= 0) throw std::runtime_error(host_ + " closed the connection");
        in_.append(buffer.data(), static_cast<std::size_t>(got));
        if (whole_ == 0) {
            const auto head = in_.find("\r\n\r\n");
            if (head == in_.npos) return false;
            const auto field = in_.find("Content-Length: ");
            std::size_t length = 0;
            if (field < head) std::from_chars(in_.data() + field + 16, in_.data() + head, length);
            body_ = head + 4;
            whole_ = body_ + length;
        }
        return in_.size() >= whole_;
    }
    std::string_view status() const { return std::string_view(in_).substr(9, 3); }
    std::string body() const { return in_.substr(body_); }

  private:
    std::string host_;
    int fd_;
    std::string in_;
    std::size_t body_ = 0, whole_ = 0;
};

}  // namespace

posting post_jobs(const endpoint& internal, std::uint32_t connections,
                  const std::function<std::string()>& body) {
    std::vector<asker> all;
    std::vector<pollfd> waiting;
    posting done;
    const auto began = now_ns();
    for (std::uint32_t i = 0; i < connections; ++i) {
        auto first = body();
        if (first.empty()) break;
        all.emplace_back(internal);
        all.back().send("POST", "/api/jobs", first);
        waiting.push_back({all.back().fd(), POLLIN, 0});
    }
    for (auto busy = all.size(); busy != 0;) {
        check_interrupted();
        poll(waiting.data(), waiting.size(), 100);
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (waiting[i].fd < 0 || waiting[i].revents == 0 || !all[i].receive()) continue;
            if (all[i].status() != "202") throw std::runtime_error("jobs were not taken: " + all[i].body());
            ++done.requests;
            if (auto next = body(); !next.empty()) {
                all[i].send("POST", "/api/jobs", next);
            } else {
                waiting[i].fd = -1;
                --busy;
            }
        }
    }
    done.seconds = static_cast<double>(now_ns() - began) * 1e-9;
    return done;
}

std::string ask(const endpoint& internal, const std::string& method, const std::string& path,
                const std::string& body) {
    asker one(internal);
    one.send(method, path, body);
    while (!one.receive()) check_interrupted();
    if (!one.status().starts_with('2')) throw std::runtime_error(path + " was answered: " + one.body());
    return one.body();
}

std::map<std::string, double> metrics_of(const endpoint& internal) {
    std::map<std::string, double> all;
    const auto text = ask(internal, "GET", "/metrics");
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = std::string_view(text).substr(at, end - at);
        at = end + 1;
        const auto space = line.rfind(' ');
        if (line.starts_with('#') || space == line.npos) continue;
        double value = 0;
        std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
        all.emplace(line.substr(0, space), value);
    }
    return all;
}

std::string repeated(const std::string& body, std::uint32_t count) {
    std::string text = "[";
    for (std::uint32_t i = 0; i < count; ++i) text.append(i == 0 ? "" : ",").append(body);
    return text + "]";
}

}  // namespace madang::bench
