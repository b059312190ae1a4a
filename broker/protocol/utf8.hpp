// UTF-8 as RFC 3629 has it (no surrogates, no overlong forms, nothing above U+10FFFF), checked incrementally.
#pragma once

#include <cstdint>
#include <string_view>

namespace madang {

class utf8_checker {
  public:
    // False as soon as an octet cannot continue any valid text; the object is then spent. A sequence may be
    // cut at the end of `bytes` and go on in the next call.
    bool feed(std::string_view bytes) noexcept;
    // No sequence is open.
    bool complete() const noexcept { return need_ == 0; }
    // Of a whole text.
    static bool check(std::string_view text) noexcept {
        utf8_checker checker;
        return checker.feed(text) && checker.complete();
    }

  private:
    bool step(unsigned char octet) noexcept;

    std::uint8_t need_ = 0;  // continuation octets still to come
    std::uint8_t low_ = 0;   // bounds of the next one, inclusive
    std::uint8_t high_ = 0;
};

}  // namespace madang
