// The test kit's "madang.streams/1".
#pragma once

#include "madang/testing/core.hpp"

namespace madang::testing::detail {

inline madang_streams Core::make_streams() {
    madang_streams t{};
    t.struct_size = sizeof t;
    t.declare_namespace = [](madang_host* host, madang_str name, madang_str json) {
        const auto wrong = of(host).core->streams_.declare(from_abi(name), from_abi(json));
        if (wrong) api().log(host, MADANG_ERROR, to_abi("namespace_refused"), to_abi(*wrong));
        return wrong ? MADANG_INVALID : MADANG_OK;
    };
    t.publish = [](madang_host* host, madang_connection* c, madang_str group, madang_payload* data,
                   const madang_publish_options* options, madang_publish_answer answer, void* context,
                   madang_drop drop) {
        if (!valid_group(from_abi(group))) return MADANG_INVALID;
        Stored what{BlockRef(Block::of(data)), 0, 0, false, {}, {}, {}, {}, {}};
        std::string key;
        bool skip = false;
        if (options != nullptr) {
            key = from_abi(options->idempotency_key);
            skip = options->skip_history != 0;
            if (const auto* info = options->info; info != nullptr) {
                what.has_info = true;
                what.client = from_abi(info->client);
                what.user = from_abi(info->user);
                what.conn_info = from_abi(info->conn_info);
                what.chan_info = from_abi(info->chan_info);
            }
            for (std::size_t i = 0; i < options->tags_count; ++i)
                what.tags.emplace_back(from_abi(options->tags[i].name), from_abi(options->tags[i].value));
        }
        Core& core = *of(host).core;
        core.ask(c == nullptr ? nullptr : &of(c), context, drop,
                 [&core, answer, key, skip, what, name = std::string(from_abi(group))]() -> Tell {
                     const auto [code, offset] = core.publish(name, what, key, skip);
                     const bool kept = core.streams_.keeps_history(name);
                     return [answer, code = code, offset = offset, kept](void* to) {
                         if (answer == nullptr) return;
                         const auto failed = failure(code);
                         answer(to, code == 0 ? nullptr : &failed, position_of(kept && code == 0, offset));
                     };
                 });
        return MADANG_OK;
    };
    t.history = [](madang_host* host, madang_connection* c, madang_str group,
                   const madang_history_query* query, madang_history_answer answer, void* context,
                   madang_drop drop) {
        if (!valid_group(from_abi(group))) return MADANG_INVALID;
        std::optional<std::uint64_t> since;
        if (query != nullptr && query->since != nullptr) since = query->since->offset;
        const std::uint64_t limit = query == nullptr ? 0 : query->limit;
        const bool reverse = query != nullptr && query->reverse != 0;
        Core& core = *of(host).core;
        core.ask(c == nullptr ? nullptr : &of(c), context, drop,
                 [&core, answer, since, limit, reverse, name = std::string(from_abi(group))]() -> Tell {
                     const bool kept = core.streams_.keeps_history(name);
                     core.streams_.expire(name, core.now_ms_);
                     const auto top = core.streams_.stream(name).top;
                     return [answer, kept, top,
                             list = core.streams_.page(name, limit, reverse, since)](void* to) {
                         const auto failed = failure(108);
                         if (!kept) return answer(to, &failed, nullptr);
                         std::vector<Shown> shown(list.begin(), list.end());
                         std::vector<madang_publication> publications;
                         for (const Shown& each : shown) publications.push_back(each.get());
                         const madang_history_page page{position_of(true, top), publications.data(),
                                                        publications.size()};
                         answer(to, nullptr, &page);
                     };
                 });
        return MADANG_OK;
    };
    t.presence = [](madang_host* host, madang_connection* c, madang_str group,
                    const madang_presence_query* query, madang_presence_answer answer, void* context,
                    madang_drop drop) {
        if (!valid_group(from_abi(group))) return MADANG_INVALID;
        const std::uint64_t limit = query == nullptr || query->limit == 0 ? 1000 : query->limit;
        std::string after;
        if (query != nullptr) after = from_abi(query->after);
        Core& core = *of(host).core;
        core.ask(
            c == nullptr ? nullptr : &of(c), context, drop,
            [&core, answer, limit, after, name = std::string(from_abi(group))]() -> Tell {
                struct One {
                    std::string client, user;
                    std::int64_t since;
                };
                std::vector<One> list;
                for (const auto& [client, member] : core.members(name))
                    if (client > after)
                        list.push_back(
                            {client, member->scope.fields[MADANG_SCOPE_USER_ID],
                             static_cast<std::int64_t>(member->groups.find(name)->second.since_ms)});
                return [answer, limit, list, kept = core.streams_.keeps_presence(name)](void* to) {
                    const auto failed = failure(108);
                    if (!kept) return answer(to, &failed, nullptr);
                    std::vector<madang_present> shown;
                    for (const One& each : list)
                        if (shown.size() < limit)
                            shown.push_back({{to_abi(each.client), to_abi(each.user), {}, {}}, each.since});
                    const madang_presence_page page{shown.data(), shown.size(), list.size() > shown.size()};
                    answer(to, nullptr, &page);
                };
            });
        return MADANG_OK;
    };
    t.presence_stats = [](madang_host* host, madang_connection* c, madang_str group,
                          madang_counts_answer answer, void* context, madang_drop drop) {
        if (!valid_group(from_abi(group))) return MADANG_INVALID;
        Core& core = *of(host).core;
        core.ask(c == nullptr ? nullptr : &of(c), context, drop,
                 [&core, answer, name = std::string(from_abi(group))]() -> Tell {
                     madang_presence_counts counts{0, 0};
                     std::map<std::string, int> users;
                     for (const auto& [client, member] : core.members(name)) {
                         const std::string& user = member->scope.fields[MADANG_SCOPE_USER_ID];
                         ++counts.clients;
                         if (user.empty() || ++users[user] == 1) ++counts.users;
                     }
                     return [answer, counts, kept = core.streams_.keeps_presence(name)](void* to) {
                         const auto failed = failure(108);
                         if (kept) return answer(to, nullptr, &counts);
                         answer(to, &failed, nullptr);
                     };
                 });
        return MADANG_OK;
    };
    t.last_seen = [](madang_host* host, madang_connection* c, madang_str group, std::uint64_t limit,
                     madang_last_seen_answer answer, void* context, madang_drop drop) {
        if (!valid_group(from_abi(group))) return MADANG_INVALID;
        Core& core = *of(host).core;
        core.ask(c == nullptr ? nullptr : &of(c), context, drop,
                 [&core, answer, limit, name = std::string(from_abi(group))]() -> Tell {
                     std::vector<std::pair<std::uint64_t, std::string>> list;
                     for (const auto& [user, when] : core.streams_.stream(name).seen) {
                         const auto there = core.members(name);
                         if (std::none_of(there.begin(), there.end(), [&user = user](const auto& each) {
                                 return each.second->scope.fields[MADANG_SCOPE_USER_ID] == user;
                             }))
                             list.emplace_back(when, user);
                     }
                     std::sort(list.rbegin(), list.rend());
                     if (list.size() > limit) list.resize(limit);
                     return [answer, list, kept = core.streams_.keeps_presence(name)](void* to) {
                         const auto failed = failure(108);
                         std::vector<madang_last_seen> shown;
                         for (const auto& [when, user] : list)
                             shown.push_back({to_abi(user), static_cast<std::int64_t>(when)});
                         answer(to, kept ? nullptr : &failed, shown.data(), kept ? shown.size() : 0);
                     };
                 });
        return MADANG_OK;
    };
    t.publication = [](madang_connection* c, madang_publication* result) {
        if (of(c).delivering == nullptr) return MADANG_INVALID;
        of(c).core->shown_.emplace(*of(c).delivering);
        *result = of(c).core->shown_->get();
        return MADANG_OK;
    };
    t.register_rpc = [](madang_host* host, madang_str method, std::uint32_t, madang_rpc_handler handler,
                        void* context) {
        auto& routes = of(host).core->rpc_routes_;
        const auto taken = [&](const RpcRoute& each) { return each.method == from_abi(method); };
        if (method.size == 0 || std::any_of(routes.begin(), routes.end(), taken)) return MADANG_INVALID;
        routes.push_back({std::string(from_abi(method)), handler, context});
        return MADANG_OK;
    };
    t.register_message = [](madang_host* host, std::uint32_t, madang_rpc_handler handler, void* context) {
        of(host).core->rpc_routes_.push_back({{}, handler, context});
        return MADANG_OK;
    };
    t.rpc_get = [](const madang_rpc* call, madang_rpc_field field) { return to_abi(of(call).fields[field]); };
    t.rpc_scope = [](const madang_rpc* call) {
        return reinterpret_cast<const madang_scope*>(&of(call).scope);
    };
    t.rpc_reply = [](madang_rpc* call, madang_str json) {
        const bool good = json.size == 0 || nlohmann::json::accept(from_abi(json));
        of(call).core->answered(of(call), good ? RpcAnswer{0, std::string(from_abi(json))}
                                               : RpcAnswer{100, "the plugin's answer is not JSON"});
        return good ? MADANG_OK : MADANG_INVALID;
    };
    t.rpc_fail = [](madang_rpc* call, std::uint32_t code, madang_str message) {
        of(call).core->answered(of(call), RpcAnswer{code, std::string(from_abi(message))});
        return MADANG_OK;
    };
    return t;
}

}  // namespace madang::testing::detail
