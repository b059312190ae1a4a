#include "broker/net/forwarded.hpp"

#include <algorithm>

#include "broker/core/ascii.hpp"
#include "broker/core/trim.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {

namespace {

// Takes the last element off a comma-separated list.
std::string_view pop_last(std::string_view& list) {
    auto comma = list.rfind(',');
    auto last = trim(comma == std::string_view::npos ? list : list.substr(comma + 1));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(0, comma);
    return last;
}

// "a", "a:port", "[a]:port", "[a]"
std::string_view without_port(std::string_view node) {
    if (node.starts_with('[')) {
        auto end = node.find(']');
        return end == std::string_view::npos ? std::string_view{} : node.substr(1, end - 1);
    }
    auto colon = node.find(':');
    return colon != std::string_view::npos && colon == node.rfind(':') ? node.substr(0, colon) : node;
}

bool plausible_host(std::string_view host) {
    constexpr std::string_view marks = ".-_:[]";
    return !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [&](char c) {
        return is_alphanumeric(c) || marks.find(c) != std::string_view::npos;
    });
}

}  // namespace

client_view resolve_client(const address_list& trusted, client_view seen, std::string_view forwarded_for,
                           std::string_view forwarded_proto, std::string_view forwarded_host) {
    if (trusted.empty() || !trusted.contains(seen.address)) return seen;
    while (!forwarded_for.empty()) {
        auto address = ip_address::parse(without_port(pop_last(forwarded_for)));
        if (!address) break;
        seen.address = address->text();
        seen.port = "0";
        if (!trusted.contains(*address)) break;
    }
    auto proto = pop_last(forwarded_proto);
    if (proto == "https" || proto == "wss") seen.secure = true;
    if (proto == "http" || proto == "ws") seen.secure = false;
    auto host = pop_last(forwarded_host);
    if (plausible_host(host)) seen.host = host;
    return seen;
}

}  // namespace madang
