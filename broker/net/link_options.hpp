// What can be wrong in the options of links, as far as nodes and workers have them in common.
#pragma once

#include <string>

#include "broker/core/options.hpp"

namespace madang {

// Certificates and names; `node`: --node-name, or what stands for it. One line that names the mend; "": all
// is well, as far as no file needs to be read.
std::string check_link_options(const options& settings, const std::string& node);

// What a link to that place wants that has none; "": the place is on loopback, or a name, which is looked up
// when it is dialed. `what`: the place's option and value, the line's beginning.
std::string lacks_certificates(const std::string& what, const std::string& place);

}  // namespace madang
