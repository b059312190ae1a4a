// Names of groups, channels and event types: what is valid, and what stands in them.
#pragma once

#include <string>
#include <string_view>

namespace madang {

// 1-255 bytes of printable ASCII without space (0x21-0x7e).
bool valid_group_name(std::string_view name) noexcept;
// What stands before the first ':', or "" (the default namespace).
std::string_view namespace_of(std::string_view group_name) noexcept;

// Channels' rule: 1-99 bytes of ASCII letters, digits, '-', '_', '.', with at most one '!', not the first.
bool valid_channel_name(std::string_view name) noexcept;

// 1-255 bytes of ASCII letters, digits, '_', '-', '.'; not beginning with '_' or '.'.
bool valid_event_type(std::string_view type) noexcept;

}  // namespace madang
