// Which pages may open a WebSocket (RFC 6454, RFC 6455 10.2): the check against cross-site WebSocket
// hijacking.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace madang {

// scheme://host[:port], in lower case, with the scheme's default port filled in (0: the scheme has none).
struct web_origin {
    std::string scheme;
    std::string host;
    std::uint16_t port = 0;
    // None: malformed, or opaque ("null").
    static std::optional<web_origin> parse(std::string_view text);
};

// Immutable; any thread.
class origin_policy {
  public:
    // As Django Channels' AllowedHostsOriginValidator patterns: "https://example.com[:port]" (scheme, host
    // and port must be equal), "example.com" (any scheme and port), ".example.com" in either form (the domain
    // and its subdomains), "*" (any). Empty: same origin. Throws std::invalid_argument naming a pattern that
    // is none of these.
    explicit origin_policy(const std::vector<std::string>& allowed);

    // `origin`: the Origin field, none when there was none. `scheme` and `host`: what the client asked for:
    // "http", "https", "ws" or "wss", and the Host field (behind a trusted proxy: the forwarded ones).
    //
    // Without an Origin field, an explicit list refuses, as Channels does, unless it has "*". Same-origin
    // accepts: every browser sends Origin with a WebSocket handshake and no page can suppress it, so its
    // absence means a program with no user's cookies to abuse (command-line clients, conformance suites);
    // whoever writes a list asks for more than that.
    bool allows(std::optional<std::string_view> origin, std::string_view scheme, std::string_view host) const;

  private:
    struct pattern {
        std::string scheme;  // "": any scheme and port
        std::string host;    // with a leading dot: subdomains too
        std::uint16_t port = 0;
    };
    static pattern parse_pattern(const std::string& text);

    std::vector<pattern> patterns_;
    bool any_ = false;
    bool same_origin_ = false;
};

}  // namespace madang
