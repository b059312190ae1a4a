// What a server is called: --node-name, else its host's name.
#pragma once

#include <string>

#include "broker/core/options.hpp"

namespace madang {

std::string host_name();  // "": the kernel does not say
std::string node_name(const options& settings);

}  // namespace madang
