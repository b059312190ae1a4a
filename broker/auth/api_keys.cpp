#include "broker/auth/api_keys.hpp"

#include <algorithm>
#include <optional>

#include "broker/core/ascii.hpp"
#include "broker/core/lower_case.hpp"
#include "broker/core/percent.hpp"
#include "broker/core/trim.hpp"

namespace madang {
namespace {

constexpr std::string_view form = "write NAME:RIGHTS:KEY";

bool valid_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, is_name_character);
}

std::optional<api_right> right_of(std::string_view word) {
    for (const auto each :
         {api_right::read, api_right::publish, api_right::manage, api_right::enqueue, api_right::all})
        if (word == name_of(each)) return each;
    return std::nullopt;
}

std::optional<api_right> rights_of(std::string_view words) {
    auto held = api_right::none;
    for (;;) {
        const auto plus = words.find('+');
        const auto one = right_of(words.substr(0, plus));
        if (!one) return std::nullopt;
        held = held | *one;
        if (plus == words.npos) return held;
        words.remove_prefix(plus + 1);
    }
}

}  // namespace

result<api_key_ring> api_key_ring::parse(std::span<const std::string> entries) {
    api_key_ring ring;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        std::string whose = "api-key, entry " + std::to_string(i + 1);
        const auto refuse = [&](std::string_view why) {
            return fail(errc::invalid_option, whose + ": " + std::string(why));
        };
        const std::string_view text = entries[i];
        const auto first = text.find(':');
        const auto second = first == text.npos ? text.npos : text.find(':', first + 1);
        if (second == text.npos) return refuse(form);
        const auto name = text.substr(0, first);
        const auto key = text.substr(second + 1);
        if (!valid_name(name))
            return refuse("its NAME is not 1-64 letters, digits, '.', '_' or '-'; " + std::string(form));
        whose += " (" + std::string(name) + ")";
        const auto rights = rights_of(text.substr(first + 1, second - first - 1));
        if (!rights)
            return refuse("its RIGHTS are not of read, publish, manage, enqueue and all, joined by '+'; " +
                          std::string(form));
        if (key.empty() || std::any_of(key.begin(), key.end(), [](char c) { return c < 0x21 || c > 0x7e; }))
            return refuse("its KEY is empty or holds a blank or something that is not ASCII; " +
                          std::string(form));
        const auto hashed = sha256(key);
        for (const auto& other : ring.entries_) {
            if (other.name == name) return refuse("another entry has this name; give each its own");
            if (other.key == hashed)
                return refuse("its KEY is that of " + other.name + "; give each its own");
        }
        ring.entries_.push_back({std::string(name), *rights, hashed});
    }
    return ring;
}

const api_key_holder* api_key_ring::find(std::string_view key) const { return find(sha256(key)); }

const api_key_holder* api_key_ring::find(const api_key_holder& before) const noexcept {
    return find(before.key);
}

const api_key_holder* api_key_ring::find(const sha256_digest& key) const noexcept {
    const api_key_holder* found = nullptr;
    for (const auto& each : entries_)
        if (same_secret(each.key, key)) found = &each;
    return found;
}

std::string api_key_of(std::string_view x_api_key, std::string_view authorization, std::string_view query) {
    if (!x_api_key.empty()) return std::string(x_api_key);
    constexpr std::string_view scheme = "apikey ";
    if (authorization.size() > scheme.size() && lower_case(authorization.substr(0, scheme.size())) == scheme)
        return std::string(trim(authorization.substr(scheme.size()), " "));
    return query_value(query, "api_key").value_or("");
}

}  // namespace madang
