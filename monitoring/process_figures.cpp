#include "monitoring/process_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace madang {

namespace {

// proc(5): the fields of /proc/self/stat from the third on; the second, the name in parentheses, may hold
// anything.
std::vector<std::string> stat_fields() {
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    const auto end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos) return {};
    std::istringstream rest(line.substr(end_of_name + 1));
    std::vector<std::string> result;
    for (std::string field; rest >> field;) result.push_back(field);
    return result;
}

// `number` counts from 1, as in proc(5).
double stat_field(std::size_t number) {
    const auto fields = stat_fields();
    return number - 3 < fields.size() ? std::stod(fields[number - 3]) : 0;
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

double process_cpu_seconds() {
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double process_resident_bytes() { return stat_field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)); }

double process_threads() { return stat_field(20); }

double process_open_fds() {
    std::error_code failed;
    std::filesystem::directory_iterator entry("/proc/self/fd", failed);
    double count = -1;  // the iterator's own
    for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) ++count;
    return count < 0 ? 0 : count;
}

double process_max_fds() {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

double process_start_seconds() {
    double boot = 0;
    std::ifstream file("/proc/stat");
    for (std::string word; file >> word;) {
        if (word == "btime") {
            file >> boot;
            break;
        }
    }
    return boot + stat_field(22) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace madang
