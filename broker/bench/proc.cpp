#include "broker/bench/proc.hpp"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace madang::bench {

namespace {

std::string read_file(const std::string& path) {
    std::ifstream in(path);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.empty()) throw std::system_error(ESRCH, std::system_category(), path);
    return text;
}

std::string proc_path(pid_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

std::uint64_t kilobytes(const std::string& path, std::string_view name) {
    return parse_field(read_file(path), name).value_or(0) * 1024;
}

}  // namespace

std::optional<std::uint64_t> parse_field(std::string_view text, std::string_view name) {
    for (std::size_t line = 0; line < text.size();) {
        auto end = text.find('\n', line);
        if (end == std::string_view::npos) end = text.size();
        auto rest = text.substr(line, end - line);
        line = end + 1;
        if (!rest.starts_with(name) || rest.substr(name.size(), 1) != ":") continue;
        rest.remove_prefix(name.size() + 1);
        const auto digits = rest.find_first_not_of(" \t");
        if (digits == std::string_view::npos) return std::nullopt;
        std::uint64_t value = 0;
        const auto parsed = std::from_chars(rest.data() + digits, rest.data() + rest.size(), value);
        return parsed.ec == std::errc{} ? std::optional(value) : std::nullopt;
    }
    return std::nullopt;
}

std::uint64_t parse_context_switches(std::string_view status) {
    return parse_field(status, "voluntary_ctxt_switches").value_or(0) +
           parse_field(status, "nonvoluntary_ctxt_switches").value_or(0);
}

std::int64_t cpu_time(pid_t pid) {
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    if (const int error = pid ? clock_getcpuclockid(pid, &clock) : 0)
        throw std::system_error(error, std::system_category(), "CPU clock of process " + std::to_string(pid));
    timespec time{};
    if (clock_gettime(clock, &time) != 0)
        throw std::system_error(errno, std::system_category(), "CPU time of process " + std::to_string(pid));
    return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::uint64_t proportional_memory(pid_t pid) { return kilobytes(proc_path(pid, "smaps_rollup"), "Pss"); }
std::uint64_t peak_memory(pid_t pid) { return kilobytes(proc_path(pid, "status"), "VmHWM"); }
std::uint64_t resident_memory(pid_t pid) { return kilobytes(proc_path(pid, "status"), "VmRSS"); }

void reset_peak_memory(pid_t pid) { std::ofstream(proc_path(pid, "clear_refs")) << "5\n"; }

std::uint64_t context_switches(pid_t pid) {
    std::uint64_t sum = 0;
    for (const auto& task : std::filesystem::directory_iterator(proc_path(pid, "task"))) {
        std::ifstream in(task.path() / "status");
        sum += parse_context_switches(std::string{std::istreambuf_iterator<char>(in), {}});
    }
    return sum;
}

std::string machine() {
    utsname kernel{};
    uname(&kernel);
    std::ifstream cpus("/proc/cpuinfo");
    std::string model = "unknown CPU";
    for (std::string line; std::getline(cpus, line);) {
        if (!line.starts_with("model name")) continue;
        model = line.substr(line.find(':') + 2);
        break;
    }
    struct sysinfo memory {};
    sysinfo(&memory);
    const auto gib = (static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit + (1u << 29)) >> 30;
    return std::string(kernel.sysname) + " " + kernel.release + ", " +
           std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " x " + model + ", " + std::to_string(gib) +
           " GiB";
}

}  // namespace madang::bench
