// The link of a worker that joins a cluster (madang worker --join): a process of its own, since the worker
// forks and must not have threads. The worker passes it one end of a socket pair for each connection that it
// wants; what it writes at the other end arrives at a node, as at a worker's socket there. The end is closed
// when no link came to be, or it ended: the worker asks again, and the next address is dialed.
#pragma once

#include <string>
#include <vector>

namespace madang {

struct options;

// What is wrong with the addresses and settings.cluster_* for joining: one line that names the mend. "": they
// are good.
std::string check_worker_join(const options& settings, const std::vector<std::string>& addresses);

// Until the other end of `control` is closed. One thread, but for looking up names. Certificates are read
// anew for each dial.
void run_worker_dialer(const options& settings, std::vector<std::string> addresses, int control);

// The worker's side: asks for a connection, and returns its socket. -1: the dialer is gone.
int ask_worker_dialer(int control);

}  // namespace madang
