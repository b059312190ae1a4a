// Processes as the worker needs them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace madang {

struct forked_child {
    pid_t pid = -1;   // -1: the system refused
    int socket = -1;  // the worker's end
};
// A child in a process group of its own, that the kernel ends with this thread. In the child: closes what is
// in `inherited`, undoes the signal mask, and calls `body` with its end of a stream socket; `body` does not
// return.
forked_child fork_child(std::span<const int> inherited, const std::function<void(int socket)>& body);

// How a child ended, as people say it ("SIGSEGV", "exit code 1"), when it has. Then its group is killed and
// the process reaped.
std::optional<std::string> reap(pid_t child);
void kill_group(pid_t child);  // SIGKILL

// Bytes of it that are in memory; 0: not known.
std::size_t resident_bytes(pid_t process);

}  // namespace madang
