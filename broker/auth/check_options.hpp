// What can be wrong in the options about users and the backend, before anybody asks.
#pragma once

#include "broker/core/namespaces.hpp"
#include "broker/core/options.hpp"
#include "broker/core/result.hpp"

namespace madang {

// Addresses that are none, and namespaces that ask a backend that is not there. Errors: invalid_option, in
// one line that names the mend. (read_jwt_settings reads the key's file.)
result<void> check_auth_options(const options& from, const namespace_table& namespaces);

}  // namespace madang
