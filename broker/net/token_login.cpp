#include "broker/net/token_login.hpp"

#include "broker/auth/bearer.hpp"

namespace madang {

std::function<result<request_user>(const http_request&)> token_login(const jwt_verifier& verifier) {
    return [&verifier](const http_request& request) -> result<request_user> {
        auto protocols = request.joined("sec-websocket-protocol");
        auto offered = split_subprotocols(protocols);
        auto found = find_token(request.header("authorization"), request.query, offered);
        if (found.source == token_source::none) return request_user{};
        auto known = verifier.verify(found.token);
        if (!known) return known.error();
        return request_user{std::move(known->id), std::move(known->claims_json)};
    };
}

}  // namespace madang
