// What a reload (SIGHUP) does: from the configuration in force and the one that is asked for to what is put
// in its place, and what stays until a restart. No I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/auth/api_keys.hpp"
#include "broker/core/configuration.hpp"
#include "broker/core/namespaces.hpp"

namespace madang {

struct reload_plan {
    std::optional<api_key_ring> keys;           // nothing: they are the same
    std::optional<namespace_table> namespaces;  // nothing: they are the same; has every name that there was
    // Options' keys and sections, as in "api_keys", "[namespace.news]" and, of what needs a restart,
    // "[namespace.news] ordered". A section of which something needs one stays as it was, all of it.
    std::vector<std::string> taken_up;
    std::vector<std::string> restart;
};

// `declared`: by plugins, without a file; `namespaces`: in force. Errors: invalid_option, as at the start;
// then nothing is to be changed.
result<reload_plan> plan_reload(const configuration& running, const configuration& asked,
                                const namespace_table& declared, const namespace_table& namespaces);

std::string listed(const std::vector<std::string>& names);  // "a, b", or "nothing"

}  // namespace madang
