// Who the client is when a reverse proxy stands before us. X-Forwarded-For, -Proto and -Host are believed
// from trusted proxies only: anybody else can write anything there.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace madang {

struct client_view {
    std::string address;  // textual, IPv4-mapped IPv6 written as IPv4
    std::string port;     // "0" when a proxy spoke for the client
    bool secure = false;
    std::string host;  // the Host header, or X-Forwarded-Host
};

// Immutable; any thread.
class trusted_proxies {
  public:
    trusted_proxies();  // trusts nobody
    ~trusted_proxies();
    trusted_proxies(trusted_proxies&&) noexcept;
    trusted_proxies& operator=(trusted_proxies&&) noexcept;

    // Addresses or CIDR blocks. Null when one is malformed, which is then named in `*wrong`.
    static std::optional<trusted_proxies> parse(const std::vector<std::string>& list, std::string* wrong);
    bool trusts(std::string_view address) const;

    // `seen` is what the socket and the Host header say. With several proxies in a row the client is the
    // rightmost address in X-Forwarded-For that is not a trusted proxy's; the other headers are taken from
    // the nearest proxy (their last element). A malformed value is as good as none.
    client_view resolve(client_view seen, std::string_view forwarded_for, std::string_view forwarded_proto,
                        std::string_view forwarded_host) const;

  private:
    struct networks;
    std::unique_ptr<networks> networks_;
};

// The address in its one canonical spelling, or "" when it is none.
std::string canonical_address(std::string_view text);

}  // namespace madang
