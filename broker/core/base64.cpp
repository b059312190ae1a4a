#include "broker/core/base64.hpp"

#include <cstdint>

namespace madang {
namespace {

constexpr std::string_view url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int value_of(char c, char c62, char c63) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == c62 ? 62 : c == c63 ? 63 : -1;
}

std::optional<std::string> decode(std::string_view text, char c62, char c63) {
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const int value = value_of(c, c62, c63);
        if (value < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out.push_back(static_cast<char>(bits >> count & 0xff));
        bits &= (1u << count) - 1;
    }
    if (bits != 0) return std::nullopt;
    return out;
}

}  // namespace

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    if (text.ends_with("==")) {
        text.remove_suffix(2);
        if (text.size() % 4 != 2) return std::nullopt;
    } else if (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    return decode(text, '+', '/');
}

std::optional<std::string> base64url_decode(std::string_view text) { return decode(text, '-', '_'); }

std::string base64url_encode(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() * 4 + 2) / 3);
    std::uint32_t held = 0;
    int bits = 0;
    for (const char c : bytes) {
        held = held << 8 | static_cast<unsigned char>(c);
        for (bits += 8; bits >= 6; bits -= 6) out += url_alphabet[held >> (bits - 6) & 63];
    }
    if (bits > 0) out += url_alphabet[held << (6 - bits) & 63];
    return out;
}

}  // namespace madang
