// What a token's claims and a backend's result say in the same words: sub or user, info, data, channels,
// subs, override, expire_at.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "broker/core/gatekeeper.hpp"

namespace madang {

// Each reads an object. Nothing: a member has the wrong type, b64… is no base64 of JSON, or a channel's name
// is none. Members that it does not know are ignored.

// `name`, or the base64 member `b64name`, as JSON on one line; "" when neither is there.
std::optional<std::string> read_json_member(const nlohmann::json& object, const char* name);

// info, data, override, expire_at.
std::optional<subscription_grant> read_subscription_grant(const nlohmann::json& object);

// info, data, meta, channels, subs, expire_at; not the user.
std::optional<connect_grant> read_connect_grant(const nlohmann::json& object);

}  // namespace madang
