#include "broker/app/own_worker.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "actors/job_desk.hpp"
#include "actors/restart_policy.hpp"
#include "broker/core/log.hpp"
#include "broker/core/options_table.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds longest_pause{1'000};  // its jobs wait meanwhile
constexpr std::chrono::seconds quiet{10};

// Ours without its MADANG_ variables, and each option that is not a secret.
std::vector<std::string> environment_for(const own_worker_settings& what) {
    std::vector<std::string> list;
    for (char** each = environ; *each != nullptr; ++each)
        if (!std::string_view(*each).starts_with("MADANG_")) list.emplace_back(*each);
    auto settings = what.settings;
    settings.worker_socket = what.socket;
    for (const auto& row : option_table())
        if (row.rules.form != option_form::secret)
            list.push_back(row.environment_name() + "=" + show_option(settings, row));
    if (!what.config.empty()) list.push_back("MADANG_CONFIG=" + what.config);
    return list;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (auto& each : texts) list.push_back(each.data());
    list.push_back(nullptr);
    return list;
}

}  // namespace

class own_worker::parts {
  public:
    explicit parts(own_worker_settings what) : what_(std::move(what)) {}
    ~parts() {
        end(SIGKILL);
        if (keeper_.joinable()) keeper_.join();
    }

    // The worker ends with the thread that made it, so that one stays.
    void start() {
        keeper_ = std::thread([this] { keep(); });
    }
    void end(int signal) {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        if (pid_ > 0) ::kill(pid_, signal);
        changed_.notify_all();
    }
    bool ended() const {
        const std::lock_guard lock(mutex_);
        return !keeper_.joinable() || over_;
    }
    int pid() const {
        const std::lock_guard lock(mutex_);
        return std::max(pid_, 0);
    }

  private:
    void keep() {
        restart_policy restarts(longest_pause, quiet);
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            pid_ = make();
            lock.unlock();
            const auto how = wait();
            lock.lock();
            if (stopping_) break;
            const auto pause = restarts.next_delay(restart_policy::clock::now());
            log_warn("worker.lost",
                     {{"status", how}, {"again_ms", static_cast<std::int64_t>(pause.count())}});
            changed_.wait_for(lock, pause, [&] { return stopping_; });
        }
        over_ = true;
    }

    // -1: it could not be made.
    pid_t make() {
        std::vector<std::string> words{
            "madang", "worker", "--parent", std::to_string(getpid()), "--name", std::string(own_worker_name)};
        auto variables = environment_for(what_);
        posix_spawnattr_t how;
        posix_spawnattr_init(&how);
        sigset_t none, ours;
        sigemptyset(&none);
        sigemptyset(&ours);
        sigaddset(&ours, SIGPIPE);
        posix_spawnattr_setsigmask(&how, &none);
        posix_spawnattr_setsigdefault(&how, &ours);
        posix_spawnattr_setpgroup(&how, 0);  // a terminal's Ctrl-C is for us: we tell it
        posix_spawnattr_setflags(&how,
                                 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        pid_t made = -1;
        const int error = posix_spawn(&made, what_.binary.c_str(), nullptr, &how, pointers(words).data(),
                                      pointers(variables).data());
        posix_spawnattr_destroy(&how);
        if (error == 0) return made;
        log_error("worker.not_started", {{"message", std::strerror(error)}});
        return -1;
    }

    // Until it has ended; what waitpid says of it.
    int wait() {
        if (pid_ < 0) return -1;
        siginfo_t seen;
        while (waitid(P_PID, static_cast<id_t>(pid_), &seen, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
        }
        const std::lock_guard lock(mutex_);  // its number is nobody's from here on
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }

    const own_worker_settings what_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    pid_t pid_ = -1;
    bool stopping_ = false;
    bool over_ = false;
    std::thread keeper_;
};

own_worker::own_worker(own_worker_settings settings) : parts_(std::make_unique<parts>(std::move(settings))) {}
own_worker::~own_worker() = default;
void own_worker::start() { parts_->start(); }
void own_worker::begin_stop() { parts_->end(SIGTERM); }
bool own_worker::ended() const { return parts_->ended(); }
int own_worker::pid() const { return parts_->pid(); }

}  // namespace madang
