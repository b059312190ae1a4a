#include "broker/auth/check_options.hpp"

#include <algorithm>

namespace madang {

namespace {

bool is_url(std::string_view text) noexcept {
    for (const std::string_view scheme : {"http://", "https://"})
        if (text.starts_with(scheme))
            return text.size() > scheme.size() && std::all_of(text.begin(), text.end(), [](char c) {
                       return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
                   });
    return false;
}

}  // namespace

result<void> check_auth_options(const options& from, const namespace_table& namespaces) {
    // The value is not repeated: there may be a password in it.
    const std::pair<std::string_view, const std::string&> urls[] = {
        {"jwt-jwks-url", from.jwt_jwks_url},
        {"proxy-connect", from.proxy_connect},
        {"proxy-refresh", from.proxy_refresh},
        {"proxy-subscribe", from.proxy_subscribe},
        {"proxy-sub-refresh", from.proxy_sub_refresh},
        {"proxy-publish", from.proxy_publish},
        {"proxy-rpc", from.proxy_rpc},
        {"trace-endpoint", from.trace_endpoint},
    };
    for (const auto& [name, url] : urls)
        if (!url.empty() && !is_url(url))
            return fail(errc::invalid_option,
                        "--" + std::string(name) + ": takes an address that begins with http:// or https://");
    for (const auto& [name, rules] : namespaces.all()) {
        const auto lacks = [&, &whose = name](std::string_view rule, std::string_view option) {
            return fail(errc::invalid_option, "[namespace." + (whose.empty() ? "\"\"" : whose) + "] has " +
                                                  std::string(rule) + ", and no --" + std::string(option) +
                                                  " is given; set it");
        };
        if (rules.subscribe_proxy && from.proxy_subscribe.empty())
            return lacks("subscribe_proxy", "proxy-subscribe");
        if (rules.publish_proxy && from.proxy_publish.empty()) return lacks("publish_proxy", "proxy-publish");
    }
    return {};
}

}  // namespace madang
