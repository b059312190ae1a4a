#include "broker/core/namespaces.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "broker/core/did_you_mean.hpp"
#include "broker/core/durabilities.hpp"
#include "broker/core/names.hpp"
#include "broker/core/option_parse.hpp"

namespace madang {
namespace {

using o = namespace_options;
using place = std::variant<std::uint32_t o::*, o::ms o::*, bool o::*, durability o::*, audience o::*>;

struct row {
    std::string_view name;
    place where;
    std::string_view meaning;
    std::string_view reload;  // what SIGHUP does with another value
};

constexpr std::string_view at_once = "at once", later = "for subscriptions from then on";

const row rows[] = {
    {"history_size", &o::history_size, "Publications kept per group; 0: no history",
     "with the next publication; to 0 needs a restart"},
    {"history_ttl", &o::history_ttl, "How long they are kept; 0: no history",
     "for publications from then on; to 0 needs a restart"},
    {"history_meta_ttl", &o::history_meta_ttl, "How long a silent stream keeps its epoch and offset",
     "with the next publication or question"},
    {"history_durability", &o::history_durability,
     "When a publication is acknowledged and delivered: `buffered` (survives kill -9) or `synced` (survives "
     "a power cut)",
     "needs a restart where history is kept"},
    {"recovery", &o::recovery,
     "Clients that come back get exactly what they missed, or are told that they cannot", later},
    {"positioning", &o::positioning, "Clients are told positions, and of gaps", later},
    {"cache", &o::cache, "Recovery gives the latest publication only, whatever was missed", later},
    {"presence", &o::presence, "Who is in a group is kept and can be asked for", later},
    {"join_leave", &o::join_leave, "Members are told who joins and leaves", later},
    {"crash_leaves", &o::crash_leaves,
     "After a crash, consumers in the group get an event `presence.leave` (`{\"client\":…,\"user\":…}`) for "
     "each member that did not come back; they need a handler for it",
     at_once},
    {"ordered", &o::ordered,
     "One order for all that is sent to a group; `false`: events do not wait behind publications on their "
     "way to the disk",
     "needs a restart"},
    {"allow_subscribe", &o::allow_subscribe,
     "Which clients may subscribe without a token: `nobody`, `users` or `everyone`", later},
    {"allow_publish", &o::allow_publish,
     "Which clients may publish: `nobody`, `subscribers`, `users` or `everyone`", at_once},
    {"allow_presence", &o::allow_presence, "Which clients may ask who is there", at_once},
    {"allow_history", &o::allow_history, "Which clients may ask for history", at_once},
    {"user_limited", &o::user_limited, "`name#user1,user2` is for these users", at_once},
    {"subscribe_proxy", &o::subscribe_proxy, "Ask the backend (proxy-subscribe) who may subscribe", later},
    {"publish_proxy", &o::publish_proxy, "Ask the backend (proxy-publish) who may publish", at_once},
};

constexpr std::pair<std::string_view, audience> audiences[] = {{"nobody", audience::nobody},
                                                               {"subscribers", audience::subscribers},
                                                               {"users", audience::users},
                                                               {"everyone", audience::everyone}};

// What is wrong with the value, or nothing.
std::optional<std::string> assign(namespace_options& into, const row& which, const nlohmann::json& value) {
    return std::visit(
        [&](auto member) -> std::optional<std::string> {
            using type = std::remove_reference_t<decltype(into.*member)>;
            if constexpr (std::is_same_v<type, bool>) {
                if (!value.is_boolean()) return "takes true or false";
                into.*member = value.get<bool>();
            } else if constexpr (std::is_same_v<type, std::uint32_t>) {
                if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 1'000'000)
                    return "takes a number from 0 to 1000000";
                into.*member = value.get<std::uint32_t>();
            } else if constexpr (std::is_same_v<type, o::ms>) {
                const auto text = value.is_string() ? value.get<std::string>() : value.dump();
                const auto us = parse_duration(text, std::chrono::seconds(1));
                constexpr std::uint64_t longest = 1'000'000ull * 3600 * 24 * 366 * 10;
                if (!us || *us > longest) return "takes a duration such as 10s or 24h, at most ten years";
                into.*member = std::chrono::duration_cast<o::ms>(std::chrono::microseconds(*us));
            } else {
                const auto pick = [&](const auto& names) -> std::optional<std::string> {
                    std::string known;
                    for (const auto& [name, meaning] : names) {
                        if (value.is_string() && value.get_ref<const std::string&>() == name) {
                            into.*member = meaning;
                            return std::nullopt;
                        }
                        known.append(known.empty() ? "" : ", ").append(name);
                    }
                    return "takes one of " + known;
                };
                if constexpr (std::is_same_v<type, audience>)
                    return pick(audiences);
                else
                    return pick(durabilities);
            }
            return std::nullopt;
        },
        which.where);
}

std::string show(const namespace_options& from, const row& which) {
    return std::visit(
        [&](auto member) -> std::string {
            const auto& value = from.*member;
            using type = std::remove_cvref_t<decltype(value)>;
            if constexpr (std::is_same_v<type, bool>) {
                return value ? "true" : "false";
            } else if constexpr (std::is_same_v<type, std::uint32_t>) {
                return std::to_string(value);
            } else if constexpr (std::is_same_v<type, o::ms>) {
                return duration_text(value);
            } else if constexpr (std::is_same_v<type, audience>) {
                return std::string(audiences[static_cast<std::size_t>(value)].first);
            } else {
                return std::string(durabilities[static_cast<std::size_t>(value)].first);
            }
        },
        which.where);
}

}  // namespace

result<void> namespace_table::set(std::string_view name, std::string_view json, std::string_view whose) {
    const auto refuse = [&](const std::string& why) {
        return fail(errc::invalid_option, std::string(whose) + ": " + why);
    };
    if (!name.empty() && (!valid_group_name(name) || name.find(':') != name.npos))
        return refuse("a namespace's name is printable ASCII without space and ':'");
    const auto object = nlohmann::json::parse(json, nullptr, false);
    if (!object.is_object()) return refuse("takes an object");
    const auto before = all_.find(name);
    auto made = before == all_.end() ? namespace_options{} : before->second;
    for (const auto& [key, value] : object.items()) {
        const row* found = nullptr;
        for (const auto& each : rows)
            if (each.name == key) found = &each;
        if (found == nullptr) {
            std::vector<std::string> known;
            for (const auto& each : rows) known.emplace_back(each.name);
            return refuse("there is no option " + key + did_you_mean(key, known));
        }
        if (const auto wrong = assign(made, *found, value)) return refuse(key + " " + *wrong);
    }
    if ((made.history_size != 0) != (made.history_ttl.count() != 0))
        return refuse("history_size and history_ttl go together; set both or neither");
    if ((made.recovery || made.cache || made.positioning) && !made.keeps_history())
        return refuse("recovery, positioning and cache need history_size and history_ttl");
    if (made.history_meta_ttl < made.history_ttl)
        return refuse("history_meta_ttl is shorter than history_ttl");
    if (made.join_leave && !made.presence) return refuse("join_leave needs presence");
    if (made.crash_leaves && !made.presence) return refuse("crash_leaves needs presence");
    put(name, made);
    return {};
}

void namespace_table::put(std::string_view name, const namespace_options& options) {
    all_.insert_or_assign(std::string(name), options);
    any_history_ = any_presence_ = false;
    for (const auto& [each, rules] : all_) {
        any_history_ = any_history_ || rules.keeps_history();
        any_presence_ = any_presence_ || rules.presence;
    }
}

std::vector<std::string_view> needs_restart(const namespace_options& running,
                                            const namespace_options& asked) {
    std::vector<std::string_view> fixed;
    if (running.keeps_history() && !asked.keeps_history()) fixed.push_back("history_size");
    if (running.keeps_history() && running.history_durability != asked.history_durability)
        fixed.push_back("history_durability");
    if (running.ordered != asked.ordered) fixed.push_back("ordered");
    return fixed;
}

const namespace_options* namespace_table::of_group(std::string_view group) const noexcept {
    const auto found = all_.find(namespace_of(group));
    return found == all_.end() ? nullptr : &found->second;
}

constexpr std::string_view introduction = R"(
## Namespaces

What stands before the first `:` of a group's name is its namespace. A `[namespace.NAME]` section of the file says
what applies to its groups (`[namespace.""]`: to names without `:`); a plugin may bring defaults for its own, which
the file's values override one by one. Clients are refused in a namespace that nobody set (102).

```toml
[namespace.news]
history_size = 100
history_ttl = "10m"
recovery = true
allow_subscribe = "everyone"
```

| key | default | meaning | on SIGHUP |
|---|---|---|---|
)";

// Held by tests/integration/server/reload_test.cpp and tests/unit/app/reload_plan_test.cpp.
constexpr std::string_view reloading = R"(
SIGHUP takes up new sections and changed ones. **A subscription keeps what it was given when it was made**: whether it recovers,
is told positions, is listed in presence, is told of joins and leaves. It also stays where `allow_subscribe` would refuse it by now;
a client that connects anew subscribes by the new rules. What clients ask is judged by the new rules from then on: publishing,
history, presence, other subscriptions. What a stream holds stays: a smaller `history_size` drops the older publications with the
next one, and each publication keeps the time that it was given. Where history is turned on, it begins with the next publication,
and who is subscribed already gets that live, as before.

What streams rely on needs a restart: a namespace that keeps history goes on keeping it, as durable as it was; `ordered` stays; a
section that is no longer in the file stays, unless a plugin brings the namespace (then its defaults hold); a section that asks
the backend needs the backend's URL since the start. Such a section stays as it was, all of it, and the log names what it is
about: `config.restart_needed changed="[namespace.news] ordered"`.
)";

std::string namespaces_markdown() {
    std::string out(introduction);
    for (const auto& each : rows)
        out.append("| `")
            .append(each.name)
            .append("` | `")
            .append(show({}, each))
            .append("` | ")
            .append(each.meaning)
            .append(". | ")
            .append(each.reload)
            .append(" |\n");
    return out + std::string(reloading);
}

}  // namespace madang
