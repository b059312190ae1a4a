// No-op jobs through a worker and its children, against the least that a server must do: `worker_bench [JOBS
// [CHILDREN [PREFETCH]]]`. Everything runs on this machine's cores, the server's side too.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "broker/worker/frame_pipe.hpp"
#include "broker/worker/worker.hpp"
#include "plugins/host/plugin_host.hpp"

namespace {

using namespace madang;

[[noreturn]] void be_worker(const std::string& socket, std::uint32_t children, std::uint32_t prefetch) {
    namespace_table namespaces;
    child_ports ports(namespaces);
    plugin_host host({.layer = ports, .log = {}, .config_json = {}, .streams = &ports, .jobs = &ports});
    std::string why;
    if (!host.load(MADANG_TASKS_PLUGIN, why)) std::fprintf(stderr, "%s\n", why.c_str()), _exit(1);
    worker_settings settings;
    settings.socket = socket;
    settings.name = "bench";
    settings.limits = {.least = children, .most = children, .prefetch = prefetch};
    worker(settings, host.tasks(), ports).run();
    _exit(0);
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at, std::uint64_t otherwise) {
        return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
    };
    const auto jobs = number(1, 300'000);
    const auto children = static_cast<std::uint32_t>(number(2, 2));
    const auto prefetch = static_cast<std::uint32_t>(number(3, 4));

    const auto path = "/tmp/madang-worker-bench-" + std::to_string(getpid());
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener, 1) != 0)
        return std::perror(path.c_str()), 1;
    const auto process = fork();
    if (process == 0) be_worker(path, children, prefetch);
    frame_pipe<link::from_worker> worker(accept(listener, nullptr, nullptr));
    unlink(path.c_str());
    worker.add(link::welcome{1, "bench"});

    std::uint64_t given = 0, over = 0;
    const auto give = [&] {
        link::run job;
        job.token = ++given;
        job.id = "01234567-89ab-cdef-0123-" + std::to_string(100'000'000'000 + given);
        job.task = "t.noop";
        job.queue = "default";
        job.args = "[]";
        job.kwargs = "{}";
        job.root = job.id;
        worker.add(job);
    };
    std::string room(256 * 1024, '\0');
    std::chrono::steady_clock::time_point began;
    const auto take = [&](const link::from_worker& what) {
        if (std::holds_alternative<link::hello>(what)) {
            began = std::chrono::steady_clock::now();
            while (given < std::min<std::uint64_t>(jobs, children * prefetch)) give();
        }
        const auto* end = std::get_if<link::ended>(&what);
        if (!end) return;
        ++over;
        worker.add(link::told{end->token, false});
        if (given < jobs) give();
    };
    while (over < jobs) {
        worker.flush();
        pollfd one{worker.socket(), POLLIN, 0};
        poll(&one, 1, -1);
        if (worker.read(room) == decltype(worker)::got::end) return std::fprintf(stderr, "it ended\n"), 1;
        while (auto frame = worker.next()) {
            if (!*frame) break;
            take(**frame);
        }
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    worker.flush();
    kill(process, SIGTERM);
    waitpid(process, nullptr, 0);
    rusage theirs{}, ours{};
    getrusage(RUSAGE_CHILDREN, &theirs);
    getrusage(RUSAGE_SELF, &ours);
    const double cpu = seconds(theirs.ru_utime) + seconds(theirs.ru_stime);
    std::printf(
        "%llu jobs, %u children, prefetch %u: %.0f jobs/s; worker and children %.1f us CPU per job, server's "
        "side %.1f\n",
        static_cast<unsigned long long>(jobs), children, prefetch, static_cast<double>(jobs) / took,
        cpu / static_cast<double>(jobs) * 1e6,
        (seconds(ours.ru_utime) + seconds(ours.ru_stime)) / static_cast<double>(jobs) * 1e6);
}
