#include "broker/net/token_login.hpp"

#include "broker/auth/bearer.hpp"
#include "broker/core/percent.hpp"

namespace madang {

namespace {

// The session's user and session; nobody when there is none to believe.
request_user session_user(const http_request& request, const django_sessions* sessions,
                          metrics_shard* counts) {
    if (sessions == nullptr || !sessions->enabled()) return {};
    for (auto& [name, value] : parse_cookies(request.header("cookie"))) {
        if (name != sessions->cookie()) continue;
        auto session = sessions->read(value);
        if (session)
            return {std::move(session->user_id), std::move(session->user_json), std::move(session->json)};
        if (counts) counts->add(labelled_counter::sessions_refused, session.error().detail);
        break;
    }
    return {};
}

}  // namespace

std::function<result<request_user>(const http_request&)> token_login(const jwt_verifier& tokens,
                                                                     const django_sessions* sessions,
                                                                     metrics_shard* counts) {
    return [&tokens, sessions, counts](const http_request& request) -> result<request_user> {
        auto user = session_user(request, sessions, counts);
        auto protocols = request.joined("sec-websocket-protocol");
        auto offered = split_subprotocols(protocols);
        auto found = find_token(request.header("authorization"), request.query, offered);
        if (found.source == token_source::none) return user;
        auto known = tokens.verify(found.token);
        if (!known) return known.error();
        return request_user{std::move(known->id), std::move(known->claims_json),
                            std::move(user.session_json)};
    };
}

}  // namespace madang
