// Who the client is when a reverse proxy stands before us. X-Forwarded-For, -Proto and -Host are believed
// from trusted proxies only: anybody else can write anything there.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/net_address.hpp"

namespace madang {

struct client_view {
    std::string address;  // textual, IPv4-mapped IPv6 written as IPv4
    std::string port;     // "0" when a proxy spoke for the client
    bool secure = false;
    std::string host;  // the Host header, or X-Forwarded-Host
};

// `seen` is what the socket and the Host header say. With several proxies in a row the client is the
// rightmost address in X-Forwarded-For that is not a trusted proxy's; the other headers are taken from the
// nearest proxy (their last element). A malformed value is as good as none.
client_view resolve_client(const address_list& trusted, client_view seen, std::string_view forwarded_for,
                           std::string_view forwarded_proto, std::string_view forwarded_host);

}  // namespace madang
