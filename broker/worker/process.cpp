#include "broker/worker/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace madang {
namespace {

void become_child(std::span<const int> inherited, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);  // it ended before the kernel knew
    setpgid(0, 0);
    prctl(PR_SET_NAME, "madang-child");
    for (const int each : inherited) ::close(each);
    for (const int each : {SIGTERM, SIGINT, SIGQUIT, SIGCHLD}) signal(each, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

forked_child fork_child(std::span<const int> inherited, const std::function<void(int socket)>& body) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return {};
    std::fflush(nullptr);  // what is buffered is written once
    const auto parent = getpid();
    const auto pid = fork();
    if (pid == 0) {
        ::close(ends[0]);
        become_child(inherited, parent);
        body(ends[1]);
        _exit(0);
    }
    ::close(ends[1]);
    if (pid < 0) {
        ::close(ends[0]);
        return {};
    }
    setpgid(pid, pid);  // as the child does: whoever is first
    return {pid, ends[0]};
}

std::optional<std::string> reap(pid_t child) {
    siginfo_t how{};
    while (waitid(P_PID, static_cast<id_t>(child), &how, WEXITED | WNOHANG | WNOWAIT) != 0)
        if (errno != EINTR) return "it cannot be waited for";
    if (how.si_pid == 0) return std::nullopt;
    ::kill(-child, SIGKILL);  // what it started; its number is taken until it is reaped
    while (waitid(P_PID, static_cast<id_t>(child), &how, WEXITED) != 0 && errno == EINTR) {
    }
    if (how.si_code == CLD_EXITED) return "exit code " + std::to_string(how.si_status);
    const char* name = sigabbrev_np(how.si_status);
    return name ? "SIG" + std::string(name) : "signal " + std::to_string(how.si_status);
}

void kill_group(pid_t child) {
    ::kill(-child, SIGKILL);
    ::kill(child, SIGKILL);
}

std::size_t resident_bytes(pid_t process) {
    const auto path = "/proc/" + std::to_string(process) + "/statm";  // proc(5): size resident …, in pages
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char text[128];
    const auto size = ::read(file, text, sizeof text);
    ::close(file);
    if (size <= 0) return 0;
    const std::string_view line(text, static_cast<std::size_t>(size));
    const auto space = line.find(' ');
    std::size_t pages = 0;
    if (space != line.npos) std::from_chars(line.data() + space + 1, line.data() + line.size(), pages);
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace madang
