// Where the binary finds what belongs to it: beside it in a build tree, or where `cmake --install` put it.
#pragma once

#include <string>
#include <vector>

#include "broker/core/options.hpp"
#include "broker/core/result.hpp"

namespace madang {

// Every *.so among the bundled plugins, by name. Empty when there are none.
std::vector<std::string> bundled_plugins();
// What --bundled, --plugin-dir and --plugin name, in that order.
result<std::vector<std::string>> plugin_files(const options& settings);
// Where workers reach the server: --worker-socket, or in the data directory. "": neither is there.
std::string worker_socket(const options& settings);
// The demo's folder, or "".
std::string bundled_site();
// The admin page's, or "".
std::string bundled_admin();

}  // namespace madang
