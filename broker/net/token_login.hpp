// Who sent a request, by its bearer token.
#pragma once

#include <functional>

#include "broker/auth/jwt.hpp"
#include "broker/net/public_site.hpp"

namespace madang {

// For site_services::authenticate. No token: an anonymous user. A bad one: the verifier's error, whose detail
// is the fault's name. `verifier` outlives what is returned.
std::function<result<request_user>(const http_request&)> token_login(const jwt_verifier& verifier);

}  // namespace madang
