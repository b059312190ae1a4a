// What a namespace lets a client do.
#pragma once

#include <string_view>

#include "broker/core/namespaces.hpp"

namespace madang {

// `user` "": anonymous.
bool permits(audience who, std::string_view user, bool subscribed) noexcept;

// "name#user1,user2" in a namespace with user_limited: for these users only. A group without '#' is for all.
bool is_user_limited(const namespace_options& options, std::string_view group) noexcept;
bool is_listed(std::string_view group, std::string_view user) noexcept;  // among those after the first '#'

}  // namespace madang
