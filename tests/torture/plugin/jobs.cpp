// Tasks that write down each of their runs, so that a test can tell what happened whatever was killed.
#include "jobs.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <chrono>
#include <madang/jobs.hpp>
#include <stdexcept>
#include <string>

namespace {

using madang::json;

// One line, whole also when the process is killed (O_APPEND, one write).
void write_down(const std::string& ledger, const char* what, const madang::Job& job,
                const std::string& nonce) {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    const std::string line = std::string(what) + " " + std::string(job.id()) + " " + nonce + " " +
                             std::to_string(now) + " " + std::to_string(getpid()) + "\n";
    const int fd = open(ledger.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) throw std::runtime_error("the ledger cannot be opened");
    const auto written = write(fd, line.data(), line.size());
    close(fd);
    if (written != static_cast<ssize_t>(line.size()))
        throw std::runtime_error("the ledger cannot be written");
}

std::string new_nonce() {
    std::uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits) throw std::runtime_error("no random bytes");
    return std::to_string(bits);
}

// kwargs: ledger, its path; ms, how long it takes; fails, how many attempts do; got, results of the steps
// before are in args. The result: this run's nonce, and what it got.
json step(madang::Job& job) {
    const auto how = job.kwargs();
    const auto ledger = how.at("ledger").get<std::string>();
    const auto nonce = new_nonce();
    write_down(ledger, "begin", job, nonce);
    if (const auto ms = how.value("ms", 0); ms > 0) job.wait(std::chrono::milliseconds(ms));
    if (how.value("dies", false)) raise(SIGKILL);
    if (job.retries() < how.value("fails", 0)) {
        write_down(ledger, "fail", job, nonce);
        throw std::runtime_error("failed on purpose");
    }
    write_down(ledger, "end", job, nonce);
    return {{"id", job.id()}, {"nonce", nonce}, {"got", job.args()}};
}

}  // namespace

void add_torture_tasks(madang::Plugin& plugin) {
    plugin.task(
        "torture.step", step,
        {.queue = "torture", .max_retries = 20, .default_retry_delay = std::chrono::milliseconds(50)});
    plugin.task("torture.inline", step,
                {.queue = "torture",
                 .max_retries = 20,
                 .default_retry_delay = std::chrono::milliseconds(50),
                 .in_process = true});
}
