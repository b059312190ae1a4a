#include "broker/protocol/origin.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "broker/core/lower_case.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {
namespace {

std::uint16_t default_port(std::string_view scheme) noexcept {
    if (scheme == "http" || scheme == "ws") return 80;
    if (scheme == "https" || scheme == "wss") return 443;
    return 0;
}

// A page's scheme and its WebSockets' are the same origin (RFC 6455 4.1 sends the page's).
std::string_view page_scheme(std::string_view scheme) noexcept {
    return scheme == "ws" ? "http" : scheme == "wss" ? "https" : scheme;
}

bool same_domain(std::string_view host, std::string_view pattern) noexcept {
    if (pattern.substr(0, 1) != ".") return host == pattern;
    return host == pattern.substr(1) || (host.size() > pattern.size() && host.ends_with(pattern));
}

}  // namespace

std::optional<web_origin> web_origin::parse(std::string_view text) {
    const std::size_t mark = text.find("://");
    if (mark == std::string_view::npos || mark == 0) return std::nullopt;
    const auto authority = parse_authority(text.substr(mark + 3));
    if (!authority || !is_token(text.substr(0, mark))) return std::nullopt;
    web_origin result;
    result.scheme = lower_case(text.substr(0, mark));
    result.host = lower_case(authority->host);
    result.port = authority->port ? *authority->port : default_port(result.scheme);
    return result;
}

origin_policy::pattern origin_policy::parse_pattern(const std::string& text) {
    if (text.find("://") != std::string::npos) {
        if (auto origin = web_origin::parse(text))
            return {std::move(origin->scheme), std::move(origin->host), origin->port};
    } else if (auto authority = parse_authority(text)) {
        return {{}, lower_case(authority->host), 0};
    }
    throw std::invalid_argument{"'" + text + "' is not an origin (https://example.com, .example.com or *)"};
}

origin_policy::origin_policy(const std::vector<std::string>& allowed) : same_origin_(allowed.empty()) {
    for (const std::string& text : allowed) {
        if (text == "*")
            any_ = true;
        else
            patterns_.push_back(parse_pattern(text));
    }
}

bool origin_policy::allows(std::optional<std::string_view> origin, std::string_view scheme,
                           std::string_view host) const {
    if (any_) return true;
    if (!origin) return same_origin_;
    const auto page = web_origin::parse(*origin);
    if (!page) return false;
    if (same_origin_) {
        const auto own = parse_authority(host);
        return own && page_scheme(scheme) == page->scheme && equal_no_case(own->host, page->host) &&
               own->port.value_or(default_port(scheme)) == page->port;
    }
    return std::any_of(patterns_.begin(), patterns_.end(), [&](const pattern& p) {
        if (!p.scheme.empty() && (p.scheme != page->scheme || p.port != page->port)) return false;
        return same_domain(page->host, p.host);
    });
}

}  // namespace madang
