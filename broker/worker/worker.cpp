#include "broker/worker/worker.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "broker/core/log.hpp"
#include "broker/worker/call_book.hpp"
#include "broker/worker/frame_pipe.hpp"
#include "broker/worker/process.hpp"

namespace madang {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds first_retry{50}, longest_retry{1'000};
constexpr milliseconds welcome_within{5'000};
// Frames that the server has not taken: children are not read until it has.
constexpr std::size_t backlog_bytes = 8 * 1024 * 1024;

// Which descriptor woke us. Children's are their numbers above these.
constexpr std::uint64_t signals_key = 0, server_key = 1, first_child_key = 2;

std::system_error system_failure(const char* what) { return {errno, std::generic_category(), what}; }

}  // namespace

class worker::parts final : worker_port {
  public:
    parts(worker_settings settings, const task_table& tasks, child_ports& ports)
        : settings_(std::move(settings)), tasks_(tasks), ports_(ports), core_(settings_.limits, *this) {
        sigemptyset(&mask_);
        for (const int each : {SIGTERM, SIGINT, SIGQUIT, SIGCHLD}) sigaddset(&mask_, each);
        sigprocmask(SIG_BLOCK, &mask_, &mask_before_);
        signal(SIGPIPE, SIG_IGN);
        signals_ = signalfd(-1, &mask_, SFD_NONBLOCK | SFD_CLOEXEC);
        epoll_ = epoll_create1(EPOLL_CLOEXEC);
        if (signals_ < 0 || epoll_ < 0) throw system_failure("worker");
        watch(signals_, signals_key, EPOLLIN, EPOLL_CTL_ADD);
    }
    ~parts() {
        for (auto& [id, each] : children_) {
            kill_group(each.pid);
            while (!reap(each.pid)) sigwaitinfo(&mask_, nullptr);
        }
        ::close(epoll_);
        ::close(signals_);
        sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    }

    bool run() {
        core_.start(clock::now());
        while (!over()) turn();
        return core_.done();
    }
    bool retired() const noexcept { return retired_ && !told_by_signal_; }

  private:
    struct child {
        child(pid_t process, int socket) : pid(process), pipe(socket) {}
        pid_t pid;
        frame_pipe<link::from_worker> pipe;
        bool watched_out = false, watched_in = true;
    };

    // ---- What the core wants
    void fork(child_id id) override {
        const auto made =
            fork_child(inherited(), [&](int socket) { run_child(socket, tasks_, ports_, settings_.child); });
        if (made.pid < 0) return failed_forks_.push_back(id);
        auto& each = children_.try_emplace(id, made.pid, made.socket).first->second;
        each.watched_in = reading_;
        watch(made.socket, first_child_key + id, reading_ ? static_cast<std::uint32_t>(EPOLLIN) : 0U,
              EPOLL_CTL_ADD);
    }
    void give(child_id id, const link::run& job) override { say(id, job); }
    void stop(child_id id, std::uint64_t token, link::stop::how how) override {
        say(id, link::stop{token, how});
    }
    void call_back(child_id id, std::uint64_t token) override { say(id, link::told{token, true}); }
    void retire(child_id id) override { retiring_.insert(id); }
    void kill(child_id id) override {
        if (const auto found = children_.find(id); found != children_.end()) kill_group(found->second.pid);
    }
    void tell(const link::from_worker& what) override {
        if (server_) server_->add(what);
    }

    template <class What>
    void say(child_id id, const What& what) {
        const auto found = children_.find(id);
        if (found == children_.end()) return;
        found->second.pipe.add(what);
        touched_.insert(id);
    }

    std::vector<int> inherited() const {
        std::vector<int> list{epoll_, signals_};
        if (settings_.connects_by >= 0) list.push_back(settings_.connects_by);
        if (server_) list.push_back(server_->socket());
        for (const auto& [id, each] : children_) list.push_back(each.pipe.socket());
        return list;
    }

    void watch(int descriptor, std::uint64_t key, std::uint32_t events, int how) {
        epoll_event event{};
        event.events = events;
        event.data.u64 = key;
        epoll_ctl(epoll_, how, descriptor, &event);
    }

    // ---- A turn: what is ready, then one write for each peer.
    void turn() {
        epoll_event ready[64];
        const int count = epoll_wait(epoll_, ready, std::size(ready), wait_ms());
        bool reap_some = false;
        for (int i = 0; i < count; ++i) {
            const auto key = ready[i].data.u64;
            if (key == signals_key)
                reap_some |= read_signals();
            else if (key == server_key)
                on_server(ready[i].events);
            else
                on_child(static_cast<child_id>(key - first_child_key), ready[i].events);
        }
        if (reap_some) reap_children();
        const auto now = clock::now();
        for (const auto id : std::exchange(failed_forks_, {})) {
            log_warn("worker.fork_failed", {{"message", std::strerror(errno)}});
            core_.gone(id, 0, "it could not be forked", now);
        }
        connect_when_due(now);
        core_.on_time(now);
        core_.flush();
        flush(now);
    }

    int wait_ms() const {
        if (!failed_forks_.empty()) return 0;
        auto until = server_ ? core_.next() : std::min(core_.next(), next_try_);
        if (server_ && !welcome_) until = std::min(until, welcome_until_);
        if (farewell_) until = std::min(until, *farewell_);
        const auto now = clock::now();
        if (until <= now) return 0;
        if (until - now > std::chrono::minutes(1)) return 60'000;
        return static_cast<int>(std::chrono::ceil<milliseconds>(until - now).count());
    }

    bool over() {
        if (core_.ending() == worker_core::stopping::no || !core_.no_children()) return false;
        if (core_.done() && (!server_ || server_->unsent() == 0)) return true;
        const auto now = clock::now();
        if (!farewell_) farewell_ = now + settings_.farewell;
        return now >= *farewell_;
    }

    void flush(clock::time_point now) {
        if (server_) {
            if (!server_->flush()) {
                lose_server("it closed the connection", now);
            } else if (const bool full = server_->unsent() != 0; full != server_watched_out_) {
                server_watched_out_ = full;
                watch(server_->socket(), server_key, EPOLLIN | (full ? EPOLLOUT : 0U), EPOLL_CTL_MOD);
            }
        }
        reading_ = (server_ ? server_->unsent() : 0) < backlog_bytes && calls_.held_bytes() < backlog_bytes;
        for (const auto id : std::exchange(touched_, {})) {
            const auto found = children_.find(id);
            if (found != children_.end()) found->second.pipe.flush();  // gone: its signal comes
        }
        for (const auto id : std::exchange(retiring_, {})) {
            const auto found = children_.find(id);
            if (found == children_.end()) continue;
            if (found->second.pipe.unsent() == 0)
                ::shutdown(found->second.pipe.socket(), SHUT_WR);
            else
                retiring_.insert(id);
        }
        for (auto& [id, each] : children_) watch_child(id, each);
    }

    void watch_child(child_id id, child& each) {
        const bool out = each.pipe.unsent() != 0;
        if (out == each.watched_out && reading_ == each.watched_in) return;
        each.watched_out = out;
        each.watched_in = reading_;
        watch(each.pipe.socket(), first_child_key + id,
              (reading_ ? static_cast<std::uint32_t>(EPOLLIN) : 0U) | (out ? EPOLLOUT : 0U), EPOLL_CTL_MOD);
    }

    // ---- Children
    void on_child(child_id id, std::uint32_t events) {
        const auto found = children_.find(id);
        if (found == children_.end()) return;
        if (events & EPOLLOUT) touched_.insert(id);
        if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
        if (read_child(id, found->second) != decltype(found->second.pipe)::got::end) return;
        // It closes its socket only by ending; a child without one is of no use.
        watch(found->second.pipe.socket(), 0, 0, EPOLL_CTL_DEL);
        if (!reap_child(id)) kill_group(found->second.pid);
    }

    frame_pipe<link::from_worker>::got read_child(child_id id, child& from) {
        const auto got = from.pipe.read(room_);
        if (got != decltype(from.pipe)::got::bytes) return got;
        const auto now = clock::now();
        for (;;) {
            auto frame = from.pipe.next();
            if (!frame) {
                kill_group(from.pid);
                return got;
            }
            if (!*frame) return got;
            std::visit([&](auto& what) { said(id, from, what, now); }, **frame);
        }
    }

    void said(child_id id, child&, link::began& what, clock::time_point now) { core_.began(id, what, now); }
    void said(child_id id, child& from, link::ended& what, clock::time_point now) {
        const bool look = settings_.limits.max_memory != 0;
        core_.ended(id, std::move(what), look ? resident_bytes(from.pid) : 0, now);
    }
    void said(child_id, child&, link::progress& what, clock::time_point) { core_.progress(std::move(what)); }
    void said(child_id id, child&, link::checkpoint& what, clock::time_point) { ask(id, std::move(what)); }
    void said(child_id id, child&, link::call& what, clock::time_point) { ask(id, std::move(what)); }
    template <class Other>
    void said(child_id, child&, Other&, clock::time_point) {}

    void ask(child_id id, link::from_worker what) {
        core_.flush();  // that the job began comes first
        if (auto now = calls_.ask(id, std::move(what))) tell(*now);
    }

    // True when one ended.
    bool read_signals() {
        bool child_ended = false;
        signalfd_siginfo info{};
        while (::read(signals_, &info, sizeof info) == sizeof info) {
            const int number = static_cast<int>(info.ssi_signo);
            if (number == SIGCHLD) {
                child_ended = true;
            } else if (number == SIGQUIT || std::exchange(told_by_signal_, true)) {
                // The server's own wish to stop, which may have come before, is not a first signal.
                log_info("worker.stopping", {{"how", "cold"}});
                core_.cold_stop();
            } else {
                log_info("worker.stopping", {{"how", "warm"}});
                core_.warm_stop();
            }
        }
        return child_ended;
    }

    void reap_children() {
        std::vector<child_id> all;
        for (const auto& [id, each] : children_) all.push_back(id);
        for (const auto id : all) reap_child(id);
    }

    bool reap_child(child_id id) {
        const auto found = children_.find(id);
        if (found == children_.end()) return true;
        auto& each = found->second;
        const auto why = reap(each.pid);
        if (!why) return false;
        while (read_child(id, each) == decltype(each.pipe)::got::bytes) {
        }
        const auto pid = static_cast<std::uint32_t>(each.pid);
        log_info("worker.child_ended", {{"child", pid}, {"how", *why}});
        children_.erase(found);
        calls_.gone(id);
        retiring_.erase(id);
        core_.gone(id, pid, *why, clock::now());
        return true;
    }

    // ---- The server
    void connect_when_due(clock::time_point now) {
        if (server_ && !welcome_ && now >= welcome_until_) lose_server("it did not answer", now);
        if (server_ || now < next_try_) return;
        const int socket = settings_.connect ? settings_.connect() : connect_here(now);
        if (socket < 0) {
            if (!settings_.connect) return;
            log_error("worker.no_dialer", {{"message", "the process that dials ended"}});
            next_try_ = clock::time_point::max();
            return core_.warm_stop();
        }
        server_.emplace(socket);
        welcome_ = server_watched_out_ = false;
        welcome_until_ = now + welcome_within;
        watch(socket, server_key, EPOLLIN, EPOLL_CTL_ADD);
        server_->add(hello());
    }

    // To the server on this machine; -1: it is tried later.
    int connect_here(clock::time_point now) {
        const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (settings_.socket.size() >= sizeof address.sun_path) errno = ENAMETOOLONG;
        const bool fits = settings_.socket.size() < sizeof address.sun_path;
        if (fits) std::memcpy(address.sun_path, settings_.socket.data(), settings_.socket.size());
        if (socket < 0 || !fits ||
            ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            const std::string why = std::strerror(errno);
            if (socket >= 0) ::close(socket);
            try_later(why, now);
            return -1;
        }
        return socket;
    }

    link::hello hello() const {
        link::hello what;
        if (!settings_.connect) {
            std::ifstream cookie(settings_.socket + ".cookie", std::ios::binary);
            what.cookie.assign(std::istreambuf_iterator<char>(cookie), {});
        }
        what.name = settings_.name;
        what.queues = settings_.queues;
        for (const auto& each : tasks_.all()) what.tasks.push_back(each.name);
        what.concurrency = core_.target();
        what.prefetch = core_.prefetch();
        what.holds = core_.holds();
        return what;
    }

    void try_later(std::string_view why, clock::time_point now) {
        if (retry_.count() == 0)
            log_warn("worker.no_server", {{"socket", settings_.socket}, {"message", why}});
        retry_ = retry_.count() == 0 ? first_retry : std::min(2 * retry_, longest_retry);
        next_try_ = now + retry_;
    }

    void lose_server(std::string_view why, clock::time_point now) {
        server_.reset();
        core_.disconnected();
        for (auto& [id, answer] : calls_.disconnected()) say(id, answer);
        if (welcome_) retry_ = {};
        welcome_ = false;
        try_later(why, now);
    }

    void on_server(std::uint32_t events) {
        if (!server_ || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
        const auto now = clock::now();
        if (server_->read(room_) == decltype(server_)::value_type::got::end)
            return lose_server("it closed the connection", now);
        while (server_) {
            auto frame = server_->next();
            if (!frame) return lose_server(frame.error().detail, now);
            if (!*frame) return;
            std::visit([&](auto& what) { heard(what, now); }, **frame);
        }
    }

    void heard(link::welcome& what, clock::time_point) {
        if (std::exchange(welcome_, true)) return;
        retry_ = {};
        log_info("worker.connected", {{"worker", what.worker_id}, {"node", what.node}});
        core_.connected();
        core_.flush();
        for (const auto& each : calls_.connected()) tell(each);
    }
    void heard(link::refused& what, clock::time_point now) {
        log_error("worker.refused", {{"message", what.why}});
        lose_server(what.why, now);
    }
    void heard(link::run& what, clock::time_point now) { core_.run(std::move(what), now); }
    void heard(link::stop& what, clock::time_point now) { core_.stop(what, now); }
    void heard(link::told& what, clock::time_point) { core_.told(what); }
    void heard(link::answer& what, clock::time_point) {
        if (const auto to = calls_.answered(std::move(what))) say(to->first, to->second);
    }
    void heard(link::warm_stop&, clock::time_point) {
        retired_ = true;
        core_.warm_stop();
    }
    void heard(link::alive&, clock::time_point) { tell(link::alive{}); }

    const worker_settings settings_;
    const task_table& tasks_;
    child_ports& ports_;
    worker_core core_;
    call_book calls_;
    sigset_t mask_{}, mask_before_{};
    bool told_by_signal_ = false;  // to stop: the second is cold
    bool retired_ = false;         // the server told it to
    int signals_ = -1, epoll_ = -1;
    std::map<child_id, child> children_;
    std::set<child_id> touched_, retiring_;
    std::vector<child_id> failed_forks_;
    std::string room_ = std::string(256 * 1024, '\0');
    bool reading_ = true;

    std::optional<frame_pipe<link::from_server>> server_;
    bool welcome_ = false, server_watched_out_ = false;
    clock::time_point welcome_until_{}, next_try_{};
    milliseconds retry_{0};
    std::optional<clock::time_point> farewell_;
};

worker::worker(worker_settings settings, const task_table& tasks, child_ports& ports)
    : parts_(std::make_unique<parts>(std::move(settings), tasks, ports)) {}
worker::~worker() = default;
bool worker::run() { return parts_->run(); }
bool worker::retired() const noexcept { return parts_->retired(); }

}  // namespace madang
