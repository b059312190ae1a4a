// What Linux says of another process: CPU time, memory, context switches. The parse_* functions take a file's
// text, so that they can be tested; the others read /proc and throw std::system_error when the process is
// gone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace madang::bench {

// The number after "name:" at the start of a line, e.g. "Pss:" in smaps_rollup or "VmHWM:" in status; units
// are the file's.
std::optional<std::uint64_t> parse_field(std::string_view text, std::string_view name);
// Voluntary and involuntary switches of one thread's status file.
std::uint64_t parse_context_switches(std::string_view status);

std::int64_t cpu_time(pid_t pid);              // ns, user and system, all threads; pid 0: this process
std::uint64_t proportional_memory(pid_t pid);  // bytes (Pss)
std::uint64_t peak_memory(pid_t pid);          // bytes (VmHWM)
std::uint64_t resident_memory(pid_t pid);      // bytes (VmRSS)
void reset_peak_memory(pid_t pid);             // of another process of the same user (proc(5), clear_refs)
std::uint64_t context_switches(pid_t pid);     // all threads alive now

std::string machine();  // "Linux 6.1.0, 2 x Intel(R) Xeon(R), 24 GiB"

}  // namespace madang::bench
