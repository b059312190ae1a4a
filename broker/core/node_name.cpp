#include "broker/core/node_name.hpp"

#include <unistd.h>

namespace madang {

std::string host_name() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0) return {};
    return name;
}

std::string node_name(const options& settings) {
    return settings.node_name.empty() ? host_name() : settings.node_name;
}

}  // namespace madang
