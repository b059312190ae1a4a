// Values to bytes and back, by a list of members per struct, which both directions share:
//
//     constexpr auto members(const job_error*) { return std::tuple{&job_error::type, &job_error::message}; }
//
// integers little-endian in their size (std::size_t as 64 bits); bool one byte 0 or 1; an enumeration one
// byte up to its last(); text u32 length and bytes; a vector u32 count and items; an optional bool and value;
// a struct its members in order. Each value has exactly one form. For sources only.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "broker/core/payload.hpp"

namespace madang::wire {

template <class T>
concept described = requires(const T* of) {
    members(of);
};

// ---- Writing
template <std::integral T>
void put(std::string& out, T value) {
    if constexpr (sizeof(T) == 1) {
        out += static_cast<char>(value);
    } else {
        const auto bits = static_cast<std::make_unsigned_t<T>>(value);
        char bytes[sizeof(T)];
        for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<char>(bits >> (8 * i));
        out.append(bytes, sizeof(T));
    }
}
inline void put(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out += text;
}
inline void put(std::string& out, const std::string& text) { put(out, std::string_view(text)); }
inline void put(std::string& out, const payload& bytes) { put(out, bytes.bytes()); }
inline void put(std::string& out, std::chrono::milliseconds time) {
    put(out, static_cast<std::int64_t>(time.count()));
}
template <class T>
requires std::is_enum_v<T>
void put(std::string& out, T value) { put(out, static_cast<std::uint8_t>(value)); }
template <described T>
void put(std::string& out, const T& value);
template <class A, class B>
void put(std::string& out, const std::pair<A, B>& both) {
    put(out, both.first);
    put(out, both.second);
}
template <class T>
void put(std::string& out, const std::vector<T>& list) {
    put(out, static_cast<std::uint32_t>(list.size()));
    for (const auto& each : list) put(out, each);
}
template <class T>
void put(std::string& out, const std::optional<T>& maybe) {
    put(out, maybe.has_value());
    if (maybe) put(out, *maybe);
}
template <class T>
void put(std::string& out, const std::shared_ptr<const T>& maybe) {
    put(out, maybe != nullptr);
    if (maybe) put(out, *maybe);
}
template <described T>
void put(std::string& out, const T& value) {
    std::apply([&](auto... member) { (put(out, value.*member), ...); }, members(&value));
}

// ---- Reading: false when the bytes are not a value of that type; `from` and `into` are then of no use. What
// is allocated is at most proportional to the bytes that are there.
template <std::integral T>
bool take(std::string_view& from, T& into) {
    if (from.size() < sizeof(T)) return false;
    std::make_unsigned_t<T> bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        bits = static_cast<std::make_unsigned_t<T>>(
            bits | static_cast<std::make_unsigned_t<T>>(static_cast<unsigned char>(from[i])) << (8 * i));
    into = static_cast<T>(bits);
    from.remove_prefix(sizeof(T));
    return true;
}
inline bool take(std::string_view& from, bool& into) {
    std::uint8_t byte = 0;
    if (!take(from, byte) || byte > 1) return false;
    into = byte == 1;
    return true;
}
inline bool take(std::string_view& from, std::string_view& into) {
    std::uint32_t size = 0;
    if (!take(from, size) || from.size() < size) return false;
    into = from.substr(0, size);
    from.remove_prefix(size);
    return true;
}
inline bool take(std::string_view& from, std::string& into) {
    std::string_view text;
    if (!take(from, text)) return false;
    into = text;
    return true;
}
inline bool take(std::string_view& from, payload& into) {
    std::string_view bytes;
    if (!take(from, bytes)) return false;
    into = payload::copy_of(bytes);
    return true;
}
inline bool take(std::string_view& from, std::chrono::milliseconds& into) {
    std::int64_t count = 0;
    if (!take(from, count)) return false;
    into = std::chrono::milliseconds(count);
    return true;
}
template <class T>
requires std::is_enum_v<T>
bool take(std::string_view& from, T& into) {
    std::uint8_t byte = 0;
    if (!take(from, byte) || byte > static_cast<std::uint8_t>(last(T{}))) return false;
    into = static_cast<T>(byte);
    return true;
}
template <described T>
bool take(std::string_view& from, T& into);
template <class A, class B>
bool take(std::string_view& from, std::pair<A, B>& both) {
    return take(from, both.first) && take(from, both.second);
}
template <class T>
bool take(std::string_view& from, std::vector<T>& list) {
    std::uint32_t count = 0;
    if (!take(from, count) || count > from.size()) return false;  // every item has a byte at least
    list.clear();
    for (std::uint32_t i = 0; i < count; ++i)
        if (!take(from, list.emplace_back())) return false;
    return true;
}
template <class T>
bool take(std::string_view& from, std::optional<T>& maybe) {
    bool there = false;
    if (!take(from, there)) return false;
    maybe.reset();
    return !there || take(from, maybe.emplace());
}
template <class T>
bool take(std::string_view& from, std::shared_ptr<const T>& maybe) {
    bool there = false;
    if (!take(from, there)) return false;
    maybe.reset();
    if (!there) return true;
    auto made = std::make_shared<T>();
    if (!take(from, *made)) return false;
    maybe = std::move(made);
    return true;
}
template <described T>
bool take(std::string_view& from, T& into) {
    return std::apply([&](auto... member) { return (take(from, into.*member) && ...); }, members(&into));
}

}  // namespace madang::wire
