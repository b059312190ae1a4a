#include "broker/protocol/utf8.hpp"

#include <cstring>

namespace madang {
namespace {

constexpr std::uint64_t high_bits = 0x8080808080808080;

bool continuation(char octet) noexcept { return (octet & 0xc0) == 0x80; }

}  // namespace

bool utf8_checker::step(unsigned char octet) noexcept {
    if (need_ > 0) {
        if (octet < low_ || octet > high_) return false;
        --need_;
    } else if (octet < 0x80) {
        return true;
    } else if (octet >= 0xc2 && octet <= 0xdf) {
        need_ = 1;
    } else if (octet >= 0xe0 && octet <= 0xef) {
        need_ = 2;
    } else if (octet >= 0xf0 && octet <= 0xf4) {
        need_ = 3;
    } else {
        return false;
    }
    low_ = 0x80;
    high_ = 0xbf;
    // RFC 3629 4: the second octet's narrower bounds (none of these is a continuation octet).
    switch (octet) {
        case 0xe0:
            low_ = 0xa0;
            break;
        case 0xed:
            high_ = 0x9f;
            break;
        case 0xf0:
            low_ = 0x90;
            break;
        case 0xf4:
            high_ = 0x8f;
            break;
        default:
            break;
    }
    return true;
}

bool utf8_checker::feed(std::string_view bytes) noexcept {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    while (at != end) {
        if (need_ == 0) {
            while (end - at >= 8) {
                std::uint64_t word;
                std::memcpy(&word, at, sizeof word);
                if (word & high_bits) break;
                at += 8;
            }
            // Most of Hangul, kana and CJK: three octets whose lead has no special second octet.
            while (end - at >= 3 && (at[0] & 0xf0) == 0xe0 && at[0] != '\xe0' && at[0] != '\xed' &&
                   continuation(at[1]) && continuation(at[2]))
                at += 3;
            if (at == end) return true;
        }
        if (!step(static_cast<unsigned char>(*at++))) return false;
    }
    return true;
}

}  // namespace madang
