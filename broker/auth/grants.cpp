#include "broker/auth/grants.hpp"

#include <algorithm>
#include <utility>

#include "broker/auth/json_text.hpp"
#include "broker/core/base64.hpp"
#include "broker/core/names.hpp"

namespace madang {

namespace {

// {"presence":{"value":true}, …}
bool read_override(const nlohmann::json& object, subscription_grant& into) {
    const auto found = object.find("override");
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_object()) return false;
    const std::pair<const char*, std::optional<bool> subscription_grant::*> members[] = {
        {"presence", &subscription_grant::presence},
        {"join_leave", &subscription_grant::join_leave},
        {"force_recovery", &subscription_grant::recovery},
        {"force_positioning", &subscription_grant::positioning},
    };
    for (const auto& [name, member] : members) {
        const auto each = found->find(name);
        if (each == found->end() || each->is_null()) continue;
        if (!each->is_object()) return false;
        const auto value = each->find("value");
        if (value == each->end()) continue;
        if (!value->is_boolean()) return false;
        into.*member = value->get<bool>();
    }
    return true;
}

// Over what is there for that group already.
void put(std::vector<server_subscription>& groups, const std::string& group, subscription_grant grant) {
    const auto same =
        std::find_if(groups.begin(), groups.end(), [&](const auto& each) { return each.group == group; });
    if (same != groups.end())
        same->grant = std::move(grant);
    else
        groups.push_back({group, std::move(grant)});
}

bool read_channels(const nlohmann::json& object, connect_grant& into) {
    const auto found = object.find("channels");
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_array()) return false;
    for (const auto& each : *found) {
        if (!each.is_string() || !valid_group_name(each.get_ref<const std::string&>())) return false;
        put(into.groups, each.get<std::string>(), {});
    }
    return true;
}

bool read_subs(const nlohmann::json& object, connect_grant& into) {
    const auto found = object.find("subs");
    if (found == object.end() || found->is_null()) return true;
    if (!found->is_object()) return false;
    for (const auto& [group, options] : found->items()) {
        if (!valid_group_name(group) || !options.is_object()) return false;
        auto grant = read_subscription_grant(options);
        if (!grant) return false;
        grant->expire_at = 0;  // a server-side subscription ends with its connection
        put(into.groups, group, std::move(*grant));
    }
    return true;
}

}  // namespace

std::optional<std::string> read_json_member(const nlohmann::json& object, const char* name) {
    if (const auto found = object.find(name); found != object.end() && !found->is_null())
        return json_text(*found);
    std::string encoded;
    if (!read_text(object, ("b64" + std::string(name)).c_str(), encoded)) return std::nullopt;
    if (encoded.empty()) return "";
    const auto decoded = base64_decode(encoded);
    const auto value = decoded ? parse_json(*decoded) : std::nullopt;
    if (!value) return std::nullopt;
    return json_text(*value);
}

std::optional<subscription_grant> read_subscription_grant(const nlohmann::json& object) {
    subscription_grant made;
    auto info = read_json_member(object, "info");
    auto data = read_json_member(object, "data");
    if (!info || !data || !read_seconds(object, "expire_at", made.expire_at) || !read_override(object, made))
        return std::nullopt;
    made.chan_info = std::move(*info);
    made.data = std::move(*data);
    return made;
}

std::optional<connect_grant> read_connect_grant(const nlohmann::json& object) {
    connect_grant made;
    auto info = read_json_member(object, "info");
    auto data = read_json_member(object, "data");
    if (!info || !data || !read_seconds(object, "expire_at", made.expire_at) ||
        !read_channels(object, made) || !read_subs(object, made))
        return std::nullopt;
    made.conn_info = std::move(*info);
    made.data = std::move(*data);
    if (const auto meta = object.find("meta"); meta != object.end() && !meta->is_null()) {
        if (!meta->is_object()) return std::nullopt;
        made.meta = json_text(*meta);
    }
    return made;
}

}  // namespace madang
