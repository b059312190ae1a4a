#include "broker/net/cors.hpp"

#include <algorithm>

#include "broker/protocol/field_syntax.hpp"

namespace madang {

bool cors_policy::any() const { return std::find(origins_.begin(), origins_.end(), "*") != origins_.end(); }

bool cors_policy::allows(std::string_view origin) const {
    if (origin.empty()) return false;
    return any() ||
           std::any_of(origins_.begin(), origins_.end(), [&](auto& o) { return equal_no_case(o, origin); });
}

std::optional<http_response> cors_policy::preflight(const http_request& request) const {
    auto method = request.header("access-control-request-method");
    if (origins_.empty() || request.method != "OPTIONS" || method.empty()) return std::nullopt;
    http_response response;
    response.status = 204;
    decorate(request, response);
    if (!allows(request.header("origin")) || !is_token(method)) return response;
    response.set("Access-Control-Allow-Methods", method);
    auto headers = request.joined("access-control-request-headers");
    if (!headers.empty() && parse_tokens(headers)) response.set("Access-Control-Allow-Headers", headers);
    response.set("Access-Control-Max-Age", "600");
    return response;
}

void cors_policy::decorate(const http_request& request, http_response& response) const {
    if (origins_.empty()) return;
    if (!any()) response.set("Vary", "Origin");
    auto origin = request.header("origin");
    if (!allows(origin)) return;
    response.set("Access-Control-Allow-Origin", any() ? "*" : origin);
    response.set("Access-Control-Expose-Headers", "X-Request-ID");
}

}  // namespace madang
