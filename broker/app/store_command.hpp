// madang store: what can be done with a data folder while no server uses it; and, by asking a server, a
// backup while one does.
#pragma once

#include <string>

#include "broker/core/configuration.hpp"

namespace CLI {
class App;
}

namespace madang {

struct store_command {
    option_values values;  // --data-dir and its like
    std::string action;    // check, dump, backup, restore
    std::string folder;    // of the backup
    std::string server;    // backup: whose internal listener is asked; "": none
    std::string key;       // of its API
};

// Adds `store` to `app`; `into` must outlive it. Returns the sub-command.
CLI::App* add_store_command(CLI::App& app, store_command& into);
// The exit code: 0, 1 when it failed or found damage, 2 when it was asked wrongly.
int run_store(const store_command& what);

}  // namespace madang
