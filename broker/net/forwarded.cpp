#include "broker/net/forwarded.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace madang {

namespace ip = boost::asio::ip;

namespace {

std::optional<ip::address> parse_address(std::string_view text) {
    boost::system::error_code ec;
    auto address = ip::make_address(std::string(text), ec);
    if (ec) return std::nullopt;
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return ip::address(ip::make_address_v4(ip::v4_mapped, address.to_v6()));
    return address;
}

std::string_view trim(std::string_view text) {
    auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

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
    auto ok = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    };
    return !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), ok);
}

}  // namespace

struct trusted_proxies::networks {
    std::vector<ip::network_v4> v4;
    std::vector<ip::network_v6> v6;

    bool contains(const ip::address& address) const {
        if (address.is_v4()) {
            auto host = ip::network_v4(address.to_v4(), 32);
            return std::any_of(v4.begin(), v4.end(),
                               [&](auto& n) { return n == host || host.is_subnet_of(n); });
        }
        auto host = ip::network_v6(address.to_v6(), 128);
        return std::any_of(v6.begin(), v6.end(), [&](auto& n) { return n == host || host.is_subnet_of(n); });
    }
};

trusted_proxies::trusted_proxies() : networks_(std::make_unique<networks>()) {}
trusted_proxies::~trusted_proxies() = default;
trusted_proxies::trusted_proxies(trusted_proxies&&) noexcept = default;
trusted_proxies& trusted_proxies::operator=(trusted_proxies&&) noexcept = default;

std::optional<trusted_proxies> trusted_proxies::parse(const std::vector<std::string>& list,
                                                      std::string* wrong) {
    trusted_proxies result;
    for (const auto& entry : list) {
        boost::system::error_code v4_error, v6_error;
        bool block = entry.find('/') != std::string::npos;
        auto v4 = ip::make_network_v4(block ? entry : entry + "/32", v4_error);
        auto v6 = ip::make_network_v6(block ? entry : entry + "/128", v6_error);
        if (!v4_error) {
            result.networks_->v4.push_back(v4.canonical());
        } else if (!v6_error) {
            result.networks_->v6.push_back(v6.canonical());
        } else {
            if (wrong) *wrong = entry;
            return std::nullopt;
        }
    }
    return result;
}

bool trusted_proxies::trusts(std::string_view address) const {
    if (networks_->v4.empty() && networks_->v6.empty()) return false;
    auto parsed = parse_address(address);
    return parsed && networks_->contains(*parsed);
}

client_view trusted_proxies::resolve(client_view seen, std::string_view forwarded_for,
                                     std::string_view forwarded_proto,
                                     std::string_view forwarded_host) const {
    if (!trusts(seen.address)) return seen;
    while (!forwarded_for.empty()) {
        auto address = parse_address(without_port(pop_last(forwarded_for)));
        if (!address) break;
        seen.address = address->to_string();
        seen.port = "0";
        if (!networks_->contains(*address)) break;
    }
    auto proto = pop_last(forwarded_proto);
    if (proto == "https" || proto == "wss") seen.secure = true;
    if (proto == "http" || proto == "ws") seen.secure = false;
    auto host = pop_last(forwarded_host);
    if (plausible_host(host)) seen.host = host;
    return seen;
}

std::string canonical_address(std::string_view text) {
    auto address = parse_address(text);
    return address ? address->to_string() : std::string();
}

}  // namespace madang
