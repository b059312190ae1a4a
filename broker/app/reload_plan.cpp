#include "broker/app/reload_plan.hpp"

#include <string_view>
#include <utility>

#include "broker/auth/check_options.hpp"

namespace madang {
namespace {

std::string title(const std::string& name) { return "[namespace." + (name.empty() ? "\"\"" : name) + "]"; }

// Of a namespace, what cannot be as asked before a restart.
std::vector<std::string_view> fixed(const namespace_options* before, const namespace_options& asked,
                                    const options& running) {
    auto found = before != nullptr ? needs_restart(*before, asked) : std::vector<std::string_view>();
    if (asked.subscribe_proxy && running.proxy_subscribe.empty()) found.emplace_back("subscribe_proxy");
    if (asked.publish_proxy && running.proxy_publish.empty()) found.emplace_back("publish_proxy");
    return found;
}

void plan_namespaces(reload_plan& plan, const namespace_table& before, const namespace_table& asked,
                     const options& running) {
    auto names = before.all();
    names.insert(asked.all().begin(), asked.all().end());
    auto made = before;
    for (const auto& [name, ignored] : names) {
        const auto was = before.all().find(name), is = asked.all().find(name);
        const auto* old = was == before.all().end() ? nullptr : &was->second;
        if (is == asked.all().end()) {
            plan.restart.push_back(title(name));
            continue;
        }
        if (old != nullptr && *old == is->second) continue;
        const auto kept = fixed(old, is->second, running);
        for (const auto& what : kept) plan.restart.push_back(title(name) + " " + std::string(what));
        if (!kept.empty()) continue;
        plan.taken_up.push_back(title(name));
        made.put(name, is->second);
    }
    if (made.all() != before.all()) plan.namespaces = std::move(made);
}

}  // namespace

result<reload_plan> plan_reload(const configuration& running, const configuration& asked,
                                const namespace_table& declared, const namespace_table& namespaces) {
    auto keys = api_key_ring::parse(asked.settings.api_keys);
    if (!keys) return keys.error();
    auto rules = declared;
    if (auto good = asked.add_namespaces(rules); !good) return good.error();
    if (auto good = check_auth_options(asked.settings, rules); !good) return good.error();

    auto change = change_of(running, asked);
    reload_plan plan;
    plan.taken_up = std::move(change.taken_up);
    plan.restart = std::move(change.restart);
    if (running.settings.api_keys != asked.settings.api_keys) plan.keys = std::move(*keys);
    plan_namespaces(plan, namespaces, rules, running.settings);
    return plan;
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& each : names) text += (text.empty() ? "" : ", ") + each;
    return text.empty() ? "nothing" : text;
}

}  // namespace madang
