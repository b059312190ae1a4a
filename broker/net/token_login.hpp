// Who sent a request: by its bearer token, else by the cookie of its Django session.
#pragma once

#include <functional>

#include "broker/auth/django_session.hpp"
#include "broker/auth/jwt.hpp"
#include "broker/net/public_site.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

// For site_services::authenticate: never blocks. No token: the session's user, or an anonymous one. A bad
// token: the verifier's error, whose detail is the fault's name; errc::busy while the key set is being
// fetched. A bad session is as none, as the site itself sees it, and counted. What is given outlives what is
// returned; sessions null: none are looked for.
std::function<result<request_user>(const http_request&)> token_login(
    const jwt_verifier& tokens, const django_sessions* sessions = nullptr, metrics_shard* counts = nullptr);

}  // namespace madang
