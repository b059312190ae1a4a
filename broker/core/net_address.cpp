#include "broker/core/net_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace madang {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

template <class Number>
bool parse_number(std::string_view text, Number& into) {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), into);
    return failed == std::errc() && end == text.data() + text.size();
}

error wrong(std::string_view text, std::string_view why) {
    return fail(errc::invalid_argument, "\"" + std::string(text) + "\" " + std::string(why));
}

}  // namespace

std::optional<ip_address> ip_address::parse(std::string_view text) {
    char room[INET6_ADDRSTRLEN];
    if (text.size() >= sizeof(room) || text.find('\0') != std::string_view::npos) return std::nullopt;
    text.copy(room, text.size());
    room[text.size()] = '\0';
    ip_address result;
    auto* bytes = result.bytes_.data();
    if (inet_pton(AF_INET6, room, bytes) == 1) return result;
    if (inet_pton(AF_INET, room, bytes + mapped_prefix.size()) != 1) return std::nullopt;
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), bytes);
    return result;
}

bool ip_address::is_v4() const noexcept {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes_.begin());
}

std::string ip_address::text() const {
    char room[INET6_ADDRSTRLEN] = {};
    if (is_v4()) {
        inet_ntop(AF_INET, bytes_.data() + mapped_prefix.size(), room, sizeof(room));
    } else {
        inet_ntop(AF_INET6, bytes_.data(), room, sizeof(room));
    }
    return room;
}

bool ip_address::same_prefix(const ip_address& other, unsigned bits) const noexcept {
    const unsigned whole = bits / 8, rest = bits % 8;
    if (std::memcmp(bytes_.data(), other.bytes_.data(), whole) != 0) return false;
    return rest == 0 || ((bytes_[whole] ^ other.bytes_[whole]) >> (8 - rest)) == 0;
}

ip_address ip_address::masked(unsigned bits) const noexcept {
    ip_address result;
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned kept = bits <= i * 8 ? 0 : std::min(bits - i * 8, 8u);
        result.bytes_[i] = static_cast<std::uint8_t>(bytes_[i] & (0xff00 >> kept));
    }
    return result;
}

result<endpoint> endpoint::parse(std::string_view text) {
    constexpr std::string_view form = "is not an address and port; write 127.0.0.1:8000 or [::1]:8000";
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong(text, form);
    auto host = text.substr(0, colon);
    const auto port = text.substr(colon + 1);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = ip_address::parse(host);
    if (!address || bracketed != (host.find(':') != std::string_view::npos)) return wrong(text, form);
    endpoint result;
    result.address = *address;
    if (!parse_number(port, result.port)) return wrong(text, "has no port between 0 and 65535 at its end");
    return result;
}

std::string endpoint::text() const {
    const auto host = address.text();
    return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

result<address_list> address_list::parse(std::span<const std::string> entries) {
    address_list list;
    for (const std::string_view entry : entries) {
        const auto slash = entry.find('/');
        const auto base = ip_address::parse(entry.substr(0, slash));
        if (!base) return wrong(entry, "is not an address or CIDR block; write 10.0.0.0/8 or 2001:db8::1");
        const bool v4 = entry.find(':') == std::string_view::npos;
        const unsigned width = v4 ? 32 : 128;
        unsigned bits = width;
        if (slash != std::string_view::npos &&
            (!parse_number(entry.substr(slash + 1), bits) || bits > width)) {
            return wrong(entry,
                         "has no prefix length between 0 and " + std::to_string(width) + " after the slash");
        }
        bits += 128 - width;
        const auto lowest = base->masked(bits);
        if (lowest != *base) {
            return wrong(entry, "has bits set past its prefix; did you mean " + lowest.text() +
                                    std::string(entry.substr(slash)) + "?");
        }
        list.blocks_.push_back({*base, bits});
    }
    return list;
}

bool address_list::contains(const ip_address& address) const noexcept {
    return std::any_of(blocks_.begin(), blocks_.end(),
                       [&](const block& each) { return each.base.same_prefix(address, each.bits); });
}

bool address_list::contains(std::string_view address) const {
    const auto parsed = ip_address::parse(address);
    return parsed && contains(*parsed);
}

}  // namespace madang
