// madang cluster: what a node says of its cluster, and is told by an operator (cluster_operate.cpp,
// cluster_adopt.cpp); and what is done without asking one: its authority and its nodes' certificates.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace madang {

struct cluster_command {
    std::string action;    // init-ca, issue, status, drain, remove, adopt
    std::string url, key;  // status and on: the server's internal address, and a key of its API
    std::string folder;    // of the authority; adopt: of the dead node's data
    std::string name;      // the authority's, or a node's
    std::vector<std::string> hosts;
    unsigned days = 0;
    bool undo = false, clients = false, no_wait = false;  // drain
    bool force = false;                                   // remove, adopt
};

// Adds `cluster` to `app`; `into` must outlive it. Returns the sub-command.
CLI::App* add_cluster_command(CLI::App& app, cluster_command& into);
// The exit code: 0, 1 when it failed, 2 when it was asked wrongly.
int run_cluster(const cluster_command& what);

// Its drain and remove.
void add_cluster_operations(CLI::App& cluster, cluster_command& into);
int run_cluster_drain(const cluster_command& what);
int run_cluster_remove(const cluster_command& what);
void add_cluster_adopt(CLI::App& cluster, cluster_command& into);
int run_cluster_adopt(const cluster_command& what);

// --url and --api-key, of those that ask a server to do something.
void add_cluster_address(CLI::App& action, cluster_command& into);
std::string url_of(const cluster_command& what);

}  // namespace madang
