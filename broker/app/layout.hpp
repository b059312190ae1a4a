// Where the binary finds what belongs to it: beside it in a build tree, or where `cmake --install` put it.
#pragma once

#include <string>
#include <vector>

namespace madang {

// Every *.so among the bundled plugins, by name. Empty when there are none.
std::vector<std::string> bundled_plugins();
// The demo's folder, or "".
std::string bundled_site();

}  // namespace madang
