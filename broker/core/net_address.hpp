// Numeric addresses: what to listen on, and which proxies are believed. Host names are not resolved.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

// IPv4 in its IPv6-mapped form (RFC 4291 2.5.5.2), so that ::ffff:192.0.2.1 is 192.0.2.1.
class ip_address {
  public:
    // "192.0.2.1", "2001:db8::1", without brackets.
    static std::optional<ip_address> parse(std::string_view text);
    bool is_v4() const noexcept;
    std::string text() const;
    // Whether the first `bits` bits (0-128, of the mapped form) are the same.
    bool same_prefix(const ip_address& other, unsigned bits) const noexcept;
    ip_address masked(unsigned bits) const noexcept;  // the bits past the first `bits` set to 0
    friend bool operator==(const ip_address&, const ip_address&) = default;

  private:
    std::array<std::uint8_t, 16> bytes_{};
};

struct endpoint {
    ip_address address;
    std::uint16_t port = 0;

    static result<endpoint> parse(std::string_view text);  // "127.0.0.1:8000", "[::1]:0"
    std::string text() const;
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

class address_list {
  public:
    // Addresses and CIDR blocks (RFC 4632): "10.0.0.0/8", "2001:db8::/32", "::1". Bits past the prefix must
    // be 0.
    static result<address_list> parse(std::span<const std::string> entries);
    bool contains(const ip_address& address) const noexcept;
    bool contains(std::string_view address) const;  // false for what is not an address
    bool empty() const noexcept { return blocks_.empty(); }

  private:
    struct block {
        ip_address base;
        unsigned bits;
    };
    std::vector<block> blocks_;
};

}  // namespace madang
