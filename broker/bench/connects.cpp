#include "broker/bench/connects.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <system_error>

#include "broker/bench/frames.hpp"
#include "broker/bench/proc.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

constexpr std::int64_t patience = 5'000'000'000;
constexpr std::size_t most_at_once = 10'000;  // open loop: a server this far behind is past its rate

class churn {
  public:
    churn(const target& server, const connect_spec& spec)
        : server_(server), spec_(spec), poll_(epoll_create1(EPOLL_CLOEXEC)) {
        const auto host = server.where().host();
        for (const auto& token : spec.tokens) requests_.push_back(upgrade_request(spec.route, host, token));
        if (requests_.empty()) requests_.push_back(upgrade_request(spec.route, host));
    }
    ~churn() {
        for (const auto& one : attempts_)
            if (one.fd >= 0) close(one.fd);
        close(poll_);
    }
    churn(const churn&) = delete;

    connect_result run() {
        const auto begin = now_ns();
        const auto open = begin + static_cast<std::int64_t>(spec_.warmup * 1e9);
        const auto shut = open + static_cast<std::int64_t>(spec_.seconds * 1e9);
        std::int64_t started = 0, cpu = 0;
        heard_ = begin;
        next_due_ = begin;
        for (auto now = begin;; now = now_ns()) {
            check_interrupted();
            if (!started && now >= open) {
                started = now;
                cpu = cpu_time(server_.pid());
                result_ = {};
            }
            if (started && now >= shut) {
                result_.server_cpu = static_cast<double>(cpu_time(server_.pid()) - cpu) * 1e-9;
                result_.seconds = static_cast<double>(now - started) * 1e-9;
                return std::move(result_);
            }
            if (now - heard_ > patience) throw std::runtime_error("the server no longer answers handshakes");
            start_due(now);
            wait();
        }
    }

  private:
    struct attempt {
        int fd = -1;
        bool asked = false;
        std::int64_t due = 0;
    };

    void start_due(std::int64_t now) {
        if (spec_.rate <= 0) {
            while (under_way_ < spec_.at_once) start(now);
            return;
        }
        const auto interval = static_cast<std::int64_t>(1e9 / spec_.rate);
        for (; next_due_ <= now && under_way_ < most_at_once; next_due_ += interval) start(next_due_);
    }

    void start(std::int64_t due) {
        const int fd = start_connect(server_.where(), count_++);
        const auto slot = static_cast<std::size_t>(fd);
        if (attempts_.size() <= slot) attempts_.resize(slot + 1);
        attempts_[slot] = {fd, false, due};
        ++under_way_;
        epoll_event event{EPOLLOUT, {.fd = fd}};
        epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
    }

    void wait() {
        std::array<epoll_event, 256> events;
        const auto until = spec_.rate > 0 ? std::max<std::int64_t>(0, next_due_ - now_ns()) : 100'000'000;
        const timespec timeout{until / 1'000'000'000, until % 1'000'000'000};
        const int n = epoll_pwait2(poll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
        for (int i = 0; i < n; ++i)
            go_on(attempts_[static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.fd)]);
    }

    void go_on(attempt& one) {
        if (!one.asked) {
            const auto& request = requests_[count_ % requests_.size()];
            if (send(one.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
                static_cast<ssize_t>(request.size()))
                throw std::system_error(errno, std::system_category(),
                                        "connect to " + server_.where().host());
            one.asked = true;
            epoll_event event{EPOLLIN, {.fd = one.fd}};
            epoll_ctl(poll_, EPOLL_CTL_MOD, one.fd, &event);
            return;
        }
        // An answer of a few hundred bytes written at once arrives at once on loopback.
        std::array<char, 4096> answer;
        const auto n = recv(one.fd, answer.data(), answer.size(), 0);
        const std::string_view text(answer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
        if (!text.starts_with("HTTP/1.1 101"))
            throw std::runtime_error("a handshake was refused: " +
                                     std::string(text.substr(0, text.find("\r\n"))));
        heard_ = now_ns();
        result_.latency.record(heard_ - one.due);
        ++result_.handshakes;
        close(one.fd);
        one.fd = -1;
        --under_way_;
    }

    const target& server_;
    const connect_spec& spec_;
    int poll_;
    std::vector<std::string> requests_;
    std::vector<attempt> attempts_;  // by descriptor
    std::size_t count_ = 0;
    std::size_t under_way_ = 0;
    std::int64_t next_due_ = 0;
    std::int64_t heard_ = 0;
    connect_result result_;
};

}  // namespace

connect_result run_connects(const target& server, const connect_spec& spec) {
    return churn(server, spec).run();
}

}  // namespace madang::bench
