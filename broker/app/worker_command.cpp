#include "broker/app/worker_command.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <CLI/CLI.hpp>
#include <cstring>
#include <iostream>
#include <map>
#include <thread>

#include "actors/job_desk.hpp"
#include "broker/app/layout.hpp"
#include "broker/app/plugin_log.hpp"
#include "broker/app/terminal.hpp"
#include "broker/core/log.hpp"
#include "broker/core/node_name.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/jobs/enqueue_plan.hpp"
#include "broker/net/worker_dialer.hpp"
#include "broker/worker/worker.hpp"
#include "plugins/host/plugin_host.hpp"

namespace madang {
namespace {

using terminal::complain;

constexpr std::chrono::milliseconds rejoin_pause{500};  // a node that drains lets it in again, and retires it

// Lines go out on the thread that logs, since a process with a second thread cannot fork. One that the reader
// of our stderr has no room for is lost.
void write_line(std::string_view line) {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) return;
    char end = '\n';
    const iovec parts[] = {{const_cast<char*>(line.data()), line.size()}, {&end, 1}};
    [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, parts, 2);
}

std::string own_name() {
    const auto host = host_name();
    return (host.empty() ? "worker" : host) + ":" + std::to_string(getpid());
}

worker_limits children_of(const options& settings) {
    worker_limits limits;
    limits.most = limits.least =
        settings.workers != 0 ? settings.workers : std::max(1U, std::thread::hardware_concurrency());
    if (const auto given = parse_most_and_least(settings.worker_autoscale)) {  // checked when it was read
        limits.most = given->most;
        limits.least = given->least;
    }
    limits.prefetch = settings.worker_prefetch;
    limits.max_tasks = settings.worker_max_tasks;
    limits.max_memory = settings.worker_max_memory;
    return limits;
}

// The process that dials the cluster's nodes: made while there is but one thread, and nothing of plugins.
class joining {
  public:
    joining() = default;
    ~joining() {
        if (control_ < 0) return;
        ::close(control_);
        ::waitpid(pid_, nullptr, 0);
    }
    joining(const joining&) = delete;
    joining& operator=(const joining&) = delete;

    bool begin(const options& settings, const std::vector<std::string>& addresses) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(ends[0]);
            prctl(PR_SET_NAME, "madang-join");
            // It ends when the worker has, whatever the terminal or the service's manager tells all of them.
            for (const int each : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE}) signal(each, SIG_IGN);
            try {
                run_worker_dialer(settings, addresses, ends[1]);
            } catch (const std::exception& e) {
                log_error("cluster.links_failed", {{"why", e.what()}});
            }
            _exit(0);
        }
        ::close(ends[1]);
        control_ = ends[0];
        return pid_ > 0;
    }
    int control() const noexcept { return control_; }

  private:
    int control_ = -1;
    pid_t pid_ = -1;
};

std::string listed(const std::vector<std::string>& all) {
    std::string text;
    for (const auto& each : all) text += (text.empty() ? "" : ",") + each;
    return text;
}

// The plugins, and what they are given of the server.
struct plugin_side {
    explicit plugin_side(configuration& loaded)
        : ports(namespaces),
          host({.layer = ports,
                .log = log_for_plugin,
                .config_json = [&loaded](std::string_view id) { return loaded.plugin_config(id); },
                .streams = &ports,
                .namespaces = &namespaces,
                .jobs = &ports}) {}

    result<void> load(const configuration& loaded) {
        const auto files = plugin_files(loaded.settings);
        if (!files) return files.error();
        for (const auto& file : *files) {
            std::string why;
            if (host.load(file, why) == nullptr) return fail(errc::invalid_option, why);
        }
        return loaded.add_namespaces(namespaces);
    }

    namespace_table namespaces;
    child_ports ports;
    plugin_host host;
};

}  // namespace

CLI::App* add_worker_command(CLI::App& app, worker_command& into) {
    auto* worker =
        app.add_subcommand("worker", "Run jobs of a server on this machine, or of a cluster (--join)");
    worker->add_option("--queues", into.queues, "queues to serve, as in reports,default [all]")
        ->delimiter(',')
        ->group("Worker");
    worker->add_option("--concurrency", into.concurrency, "child processes [one per core]")->group("Worker");
    worker->add_option("--autoscale", into.autoscale, "MAX,MIN child processes, as jobs need them")
        ->group("Worker");
    worker->add_option("--name", into.name, "what people call it [HOST:PID]")->group("Worker");
    worker->add_option("--parent", into.parent, "end with the process of that number, which started it")
        ->group("Worker");
    add_option_flags(*worker, into.values);
    return worker;
}

int run_worker(worker_command what) {
    if (what.parent != 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != what.parent) return 0;  // it ended before the kernel knew
    }
    if (what.parent == 0 && (what.name == in_process_name || what.name == own_worker_name))
        return complain(
            fail(errc::invalid_option, "--name: " + what.name + " is what the server calls its own"));
    if (!what.queues.empty()) what.values.flags["worker-queue"] = what.queues;
    if (!what.concurrency.empty()) what.values.flags["workers"] = {what.concurrency};
    if (!what.autoscale.empty()) what.values.flags["worker-autoscale"] = {what.autoscale};
    auto loaded = resolve_options(what.values, process_environment());
    if (!loaded) return complain(loaded.error());
    const auto& settings = loaded->settings;
    if (auto good = check_worker_queues(settings.worker_queues); !good) return complain(good.error());
    const log_capture logging(settings.format, parse_log_level(settings.log_level), write_line);
    for (const auto& warning : loaded->warnings) log_warn("config.warning", {{"message", warning}});

    const auto limits = children_of(settings);
    worker_settings mine{.socket = worker_socket(settings),
                         .name = what.name.empty() ? own_name() : what.name,
                         .queues = settings.worker_queues,
                         .limits = limits,
                         .child = {settings.job_result_bytes, settings.job_checkpoint_bytes},
                         .farewell = settings.drain_timeout};
    // Of the command line only: the server's file, which the worker may share, has the server's own.
    std::vector<std::string> nodes;
    if (const auto given = what.values.flags.find("join"); given != what.values.flags.end())
        for (const auto& each : given->second)
            for (auto& node : split_list(each)) nodes.push_back(std::move(node));
    joining joins;
    if (!nodes.empty()) {
        auto how = settings;
        how.node_name = node_name(settings);
        if (const auto why = check_worker_join(how, nodes); !why.empty())
            return complain(fail(errc::invalid_option, why));
        if (!joins.begin(how, nodes)) return complain(fail(errc::system_failure, std::strerror(errno)));
        mine.socket = listed(nodes);
        mine.connects_by = joins.control();
        mine.connect = [control = joins.control()] { return ask_worker_dialer(control); };
    }
    if (mine.socket.empty())
        return complain(fail(errc::invalid_option,
                             "--data-dir is none: name the server's --worker-socket, or a node to --join"));

    plugin_side plugins(*loaded);
    if (auto good = plugins.load(*loaded); !good) return complain(good.error());
    log_info("worker.started", {{"name", mine.name},
                                {"children", limits.most},
                                {"tasks", plugins.host.tasks().all().size()},
                                {"socket", mine.socket}});
    bool told = false;
    for (bool again = true; again;) {
        worker one(mine, plugins.host.tasks(), plugins.ports);
        told = one.run();
        // Its node goes: another has jobs, or that one when it is back.
        again = told && !nodes.empty() && one.retired();
        if (again) log_info("worker.joins_again", {{"nodes", mine.socket}});
        if (again) std::this_thread::sleep_for(rejoin_pause);
    }
    log_info("worker.stopped", {{"told", told}});
    plugins.host.shut_down();
    return told ? 0 : 1;
}

}  // namespace madang
