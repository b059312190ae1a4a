// Writing and reading the primitives of the store's grammar.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace madang {

// Appends to a text that it does not own.
class byte_writer {
  public:
    explicit byte_writer(std::string& into) noexcept : into_(into) {}

    template <class Integer>
    byte_writer& number(Integer value) {
        auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
        char bytes[sizeof bits];
        for (std::size_t i = sizeof bits; i-- > 0; bits = static_cast<decltype(bits)>(bits >> 7 >> 1))
            bytes[i] = static_cast<char>(bits & 0xff);
        into_.append(bytes, sizeof bytes);
        return *this;
    }
    byte_writer& raw(std::string_view bytes) {
        into_.append(bytes);
        return *this;
    }
    byte_writer& text16(std::string_view bytes) {
        return number(static_cast<std::uint16_t>(bytes.size())).raw(bytes);
    }
    byte_writer& text32(std::string_view bytes) {
        return number(static_cast<std::uint32_t>(bytes.size())).raw(bytes);
    }

  private:
    std::string& into_;
};

// Reads from the front of bytes that it does not own. Once something was missing, all is zero and empty, and
// `whole` says no.
class byte_reader {
  public:
    explicit byte_reader(std::string_view bytes) noexcept : left_(bytes) {}

    template <class Integer>
    Integer number() noexcept {
        std::make_unsigned_t<Integer> bits = 0;
        for (const char each : raw(sizeof bits))
            bits = static_cast<decltype(bits)>((bits << 7 << 1) | static_cast<unsigned char>(each));
        return static_cast<Integer>(bits);
    }
    std::string_view raw(std::size_t size) noexcept {
        if (failed_ || size > left_.size()) {
            failed_ = true;
            return {};
        }
        const auto result = left_.substr(0, size);
        left_.remove_prefix(size);
        return result;
    }
    std::string_view text16() noexcept { return raw(number<std::uint16_t>()); }
    std::string_view text32() noexcept { return raw(number<std::uint32_t>()); }
    std::string_view rest() noexcept { return raw(left_.size()); }
    bool good() const noexcept { return !failed_; }
    bool whole() const noexcept { return !failed_ && left_.empty(); }  // all was there, and no more

  private:
    std::string_view left_;
    bool failed_ = false;
};

}  // namespace madang
