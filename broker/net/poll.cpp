#include "broker/net/poll.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/core/ascii.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/core/percent.hpp"
#include "broker/core/utf8.hpp"
#include "broker/protocol/json_members.hpp"

namespace madang {
namespace {

using nlohmann::json;

// "EPOCH:OFFSET".
std::optional<position> read_position(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto offset = json_unsigned(text.substr(colon + 1));
    if (!offset) return std::nullopt;
    const auto good = [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; };
    const auto epoch = text.substr(0, colon);
    if (epoch.size() > 64 || !std::all_of(epoch.begin(), epoch.end(), good)) return std::nullopt;
    return position{std::string(epoch), *offset};
}

json position_members(const position& since) {
    return {{"recover", true}, {"epoch", since.epoch}, {"offset", since.offset}};
}

std::string dump(const json& what) { return what.dump(-1, ' ', false, json::error_handler_t::replace); }

bool reconnects(std::uint16_t code) { return code < 3500 || (code >= 4000 && code < 4500); }

// Of an error in a reply, or of a disconnect (from 3000).
unsigned status_of(std::uint16_t code) {
    if (code == close_code::bad_request) return describe(errc::bad_request).http_status;
    if (code == close_code::expired) return describe(errc::expired).http_status;
    if (code >= 3000 && reconnects(code)) return 503;
    for (auto i = 0; code != 0 && i <= static_cast<int>(last_errc); ++i) {
        const auto& row = describe(static_cast<errc>(i));
        if ((code < 3000 ? row.wire_code : row.close_code) == code) return row.http_status;
    }
    return 403;  // chosen by a backend
}

}  // namespace

result<poll_request> read_poll_request(std::string_view query, std::size_t most_groups) {
    poll_request made;
    std::optional<std::string> since;
    for (auto& [name, value] : parse_query(query)) {
        if (!valid_utf8(value)) return fail(errc::bad_request, "a parameter is not UTF-8");
        if (name == "group") {
            if (value.empty()) return fail(errc::bad_request, "a group has no name");
            for (const auto& other : made.groups)
                if (other.name == value) return fail(errc::bad_request, "a group is named twice");
            if (made.groups.size() == most_groups) return fail(errc::limit_exceeded, "too many groups");
            made.groups.push_back({std::move(value), {}});
        } else if (name == "since") {
            if (since) return fail(errc::bad_request, "since is given twice");
            since = std::move(value);
        } else if (name == "token") {
            made.token = std::move(value);
        }
    }
    if (made.groups.empty()) return fail(errc::bad_request, "no group is named");
    if (!since || since->empty()) return made;
    std::string_view rest = *since;
    for (std::size_t i = 0; i < made.groups.size(); ++i) {
        const auto comma = rest.find(',');
        if ((comma == std::string_view::npos) != (i + 1 == made.groups.size()))
            return fail(errc::bad_request, "since has another number of positions than there are groups");
        const auto one = rest.substr(0, comma);
        if (!one.empty()) {
            made.groups[i].since = read_position(one);
            if (!made.groups[i].since) return fail(errc::bad_request, "since is malformed");
        }
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    }
    return made;
}

std::string poll_commands(const poll_request& what) {
    json connect = json::object();
    if (!what.token.empty()) connect["token"] = what.token;
    // In case a group is one of the server's own subscriptions for this user.
    for (const auto& group : what.groups)
        if (group.since) connect["subs"][group.name] = position_members(*group.since);
    auto text = dump({{"id", 1}, {"connect", std::move(connect)}});
    std::uint64_t id = 1;
    for (const auto& group : what.groups) {
        auto subscribe =
            group.since ? position_members(*group.since) : json{{"positioned", true}, {"recoverable", true}};
        subscribe["channel"] = group.name;
        text += '\n';
        text += dump({{"id", ++id}, {"subscribe", std::move(subscribe)}});
    }
    return text;
}

poll_collector::poll_collector(poll_request what, std::size_t most_bytes)
    : most_bytes_(most_bytes), waiting_(what.groups.size()) {
    for (auto& group : what.groups) {
        auto at = group.since;
        groups_.push_back({std::move(group), std::move(at)});
    }
}

bool poll_collector::on_line(std::string_view line) {
    if (line == "{}") return true;
    std::uint64_t id = 0;
    std::string_view error, connect, subscribe, push;
    each_json_member(line, [&](std::string_view name, std::string_view value) {
        if (json_says(name, "id")) id = json_unsigned(value).value_or(0);
        if (json_says(name, "error")) error = value;
        if (json_says(name, "connect")) connect = value;
        if (json_says(name, "subscribe")) subscribe = value;
        if (json_says(name, "push")) push = value;
    });
    if (!error.empty())
        on_error(id, error);
    else if (!push.empty())
        on_push(push);
    else if (id == 1 && !connect.empty())
        on_connected(connect);
    else if (id >= 2 && id - 2 < groups_.size() && !subscribe.empty())
        on_subscribed(groups_[id - 2], subscribe);
    return false;
}

void poll_collector::on_connected(std::string_view result) {
    each_json_member(result, [&](std::string_view name, std::string_view value) {
        if (!json_says(name, "subs")) return;
        each_json_member(value, [&](std::string_view group_name, std::string_view subscription) {
            if (auto* group = find(group_name)) on_subscribed(*group, subscription);
        });
    });
}

void poll_collector::on_subscribed(group_state& group, std::string_view result) {
    if (std::exchange(group.subscribed, true)) return;
    --waiting_;
    position top;
    bool recovered = false;
    std::string_view publications;
    each_json_member(result, [&](std::string_view name, std::string_view value) {
        if (json_says(name, "epoch")) top.epoch = json_string(value).value_or("");
        if (json_says(name, "offset")) top.offset = json_unsigned(value).value_or(0);
        if (json_says(name, "recovered")) recovered = value == "true";
        if (json_says(name, "publications")) publications = value;
    });
    group.lost = group.asked.since.has_value() && !recovered;
    lost_ = lost_ || group.lost;
    if (top.epoch.empty())
        group.at.reset();
    else
        group.at = std::move(top);
    each_json_element(publications, [&](std::string_view one) { on_publication(group, one); });
}

void poll_collector::on_publication(group_state& group, std::string_view publication) {
    if (publication.size() < 2) return;
    std::uint64_t offset = 0;
    each_json_member(publication, [&](std::string_view name, std::string_view value) {
        if (json_says(name, "offset")) offset = json_unsigned(value).value_or(0);
    });
    const bool kept = group.at.has_value() && offset != 0;
    // From the first that is left out on: the next poll begins there.
    group.skipping = group.skipping || (found_ && publications_.size() + publication.size() > most_bytes_);
    if (group.skipping && kept) return;
    if (kept) group.at->offset = std::max(group.at->offset, offset);
    if (found_) publications_ += ',';
    found_ = true;
    publications_ += R"({"group":)";
    publications_ += dump(group.asked.name);
    if (publication != "{}") publications_ += ',';
    publications_ += publication.substr(1);
}

void poll_collector::on_push(std::string_view push) {
    std::string_view channel, publication, disconnect, unsubscribe;
    each_json_member(push, [&](std::string_view name, std::string_view value) {
        if (json_says(name, "channel")) channel = value;
        if (json_says(name, "pub")) publication = value;
        if (json_says(name, "disconnect")) disconnect = value;
        if (json_says(name, "unsubscribe")) unsubscribe = value;
    });
    if (!disconnect.empty()) {
        const auto told = json::parse(disconnect, nullptr, false);
        if (!told.is_object() || refused_) return;
        const auto code = static_cast<std::uint16_t>(told.value("code", 0u));
        // One that lets clients reconnect ends this poll as its time would.
        if (complete() && reconnects(code))
            over_ = true;
        else
            refused_ = {status_of(code), code, told.value("reason", std::string{}), {}};
        return;
    }
    if (channel.empty()) return;
    auto* group = find(channel);
    if (group == nullptr) return;
    if (!publication.empty()) on_publication(*group, publication);
    if (!unsubscribe.empty()) over_ = true;
}

void poll_collector::on_error(std::uint64_t id, std::string_view error) {
    const auto told = json::parse(error, nullptr, false);
    if (!told.is_object() || refused_) return;
    const auto code = static_cast<std::uint16_t>(told.value("code", 0u));
    const auto* group = id >= 2 && id - 2 < groups_.size() ? &groups_[id - 2] : nullptr;
    if (group != nullptr && group->subscribed) return;  // 105: the server had subscribed it
    refused_ = {status_of(code), code, told.value("message", std::string{}),
                group ? group->asked.name : std::string{}};
}

poll_collector::group_state* poll_collector::find(std::string_view raw_name) {
    const auto name = json_text(raw_name);
    for (auto& group : groups_)
        if (group.asked.name == name) return &group;
    return nullptr;
}

std::string poll_collector::answer() const {
    std::string since;
    json lost = json::array();
    for (const auto& group : groups_) {
        if (&group != &groups_.front()) since += ',';
        if (group.at) since += group.at->epoch + ':' + std::to_string(group.at->offset);
        if (group.lost) lost.push_back(group.asked.name);
    }
    std::string text = R"({"publications":[)" + publications_ + R"(],"since":")" + since + '"';
    text += lost_ ? R"(,"recovered":false,"lost":)" + dump(lost) : R"(,"recovered":true)";
    return text += "}\n";
}

}  // namespace madang
