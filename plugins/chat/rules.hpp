// What a room allows: pure logic, configured by [plugin.chat].
#pragma once

#include <fnmatch.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chat {

struct Rules {
    std::chrono::milliseconds cooldown{0};     // between two messages of one member; 0: none
    std::size_t max_characters = 4096;         // of a message; Unicode code points
    std::vector<std::string> banned_words;     // see mentions()
    std::vector<std::string> allowed_rooms;    // patterns with * and ?; empty: every room
    std::vector<std::string> forbidden_rooms;  // patterns; stronger than allowed_rooms
};

inline bool matches_any(const std::vector<std::string>& patterns, std::string_view room) {
    const std::string name(room);
    for (const std::string& pattern : patterns)
        if (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
    return false;
}

inline bool room_allowed(const Rules& rules, std::string_view room) {
    return (rules.allowed_rooms.empty() || matches_any(rules.allowed_rooms, room)) &&
           !matches_any(rules.forbidden_rooms, room);
}

inline std::size_t characters(std::string_view utf8) {
    std::size_t count = 0;
    for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
}

// Without regard to the case of ASCII letters. A word of ASCII letters and digits must stand alone ("ass" is
// not in "class"); any other, e.g. a Korean one, to which particles are attached, may stand anywhere.
inline bool mentions(std::string_view text, std::string_view word) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    const auto alphanumeric = [&](char c) {
        return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
    };
    if (word.empty()) return false;
    for (std::size_t at = 0; at + word.size() <= text.size(); ++at) {
        std::size_t same = 0;
        while (same < word.size() && lower(text[at + same]) == lower(word[same])) ++same;
        if (same < word.size()) continue;
        const std::size_t end = at + word.size();
        const bool begins_inside = alphanumeric(word.front()) && at > 0 && alphanumeric(text[at - 1]);
        const bool ends_inside = alphanumeric(word.back()) && end < text.size() && alphanumeric(text[end]);
        if (!begins_inside && !ends_inside) return true;
    }
    return false;
}

// Why the rules refuse a message, or nothing.
inline std::optional<std::string> refusal(const Rules& rules, std::string_view text) {
    if (text.empty()) return "the message is empty";
    if (characters(text) > rules.max_characters)
        return "the message is longer than " + std::to_string(rules.max_characters) + " characters";
    for (const std::string& word : rules.banned_words)
        if (mentions(text, word)) return "the message contains a word that is not allowed here";
    return std::nullopt;
}

}  // namespace chat
