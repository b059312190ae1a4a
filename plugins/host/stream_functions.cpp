// The table "madang.streams/1" over stream_port and rpc_table. Nothing throws out of it; what a plugin passes
// is checked before it is used, and copied: answers come later.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/core/names.hpp"
#include "plugins/host/abi_values.hpp"

namespace madang {

using namespace abi_values;  // NOLINT

namespace {

using abi_values::bound;
using abi_values::from;
using abi_values::valid;
using madang::to_abi;

rpc_call& from(madang_rpc* call) { return *reinterpret_cast<rpc_call*>(call); }
const rpc_call& from(const madang_rpc* call) { return *reinterpret_cast<const rpc_call*>(call); }

client_info to_info(const madang_client_info& who) {
    return {std::string(from(who.client)), std::string(from(who.user)), std::string(from(who.conn_info)),
            std::string(from(who.chan_info))};
}
bool valid(const madang_client_info& who) {
    return valid(who.client) && valid(who.user) && valid(who.conn_info) && valid(who.chan_info);
}
madang_client_info to_abi(const client_info& who) {
    return {to_abi(std::string_view(who.client)), to_abi(std::string_view(who.user)),
            to_abi(std::string_view(who.conn_info)), to_abi(std::string_view(who.chan_info))};
}
madang_position to_abi(const position& where) {
    return {to_abi(std::string_view(where.epoch)), where.offset};
}

// `tags` has to outlive the result.
madang_publication to_abi(const publication& what, std::vector<madang_pair>& tags) {
    madang_publication result{};
    result.struct_size = sizeof result;
    result.data = to_abi(what.data.get());
    result.offset = what.offset;
    result.time_ms = what.time_ms;
    if (!what.extra) return result;
    if (what.extra->info) {
        result.has_info = 1;
        result.info = to_abi(*what.extra->info);
    }
    tags.clear();
    for (const auto& each : what.extra->tags)
        tags.push_back({to_abi(std::string_view(each.name)), to_abi(std::string_view(each.value))});
    result.tags = tags.data();
    result.tags_count = tags.size();
    return result;
}

// What a client is told: one line of JSON.
bool one_line(std::string& json) {
    if (json.empty()) return true;
    if (!nlohmann::json::accept(json)) return false;
    std::replace(json.begin(), json.end(), '\n',
                 ' ');  // none within a string: JSON has no raw newlines there
    std::replace(json.begin(), json.end(), '\r', ' ');
    return true;
}

verdict<rpc_answer> refusal(std::uint32_t code, std::string message) {
    verdict<rpc_answer> result;
    if (code >= 400 && code <= 1999) {
        result.no = fail(errc::bad_request);
        result.wire_code = static_cast<std::uint16_t>(code);
        result.message = std::move(message);
        return result;
    }
    for (auto known = static_cast<int>(errc::internal);
         known <= static_cast<int>(errc::unrecoverable_position); ++known)
        if (describe(static_cast<errc>(known)).wire_code == code) {
            result.no = fail(static_cast<errc>(known), std::move(message));
            return result;
        }
    result.no = fail(errc::internal, "a plugin refused with the unknown code " + std::to_string(code));
    return result;
}

}  // namespace

struct stream_functions {
    static stream_port& streams(madang_host* host) { return *from(host).host_->services_.streams; }

    static madang_status declare_namespace(madang_host* host, madang_str name, madang_str json) noexcept {
        if (!host || !valid(name) || !valid(json)) return MADANG_INVALID;
        return guarded(
            [&] { return from(host).host_->declare_namespace(from(host), from(name), from(json)); });
    }
    // Runs ask(a context_ptr) for a group and an answer function that are as they should be.
    template <class Answer, class Ask>
    static madang_status asked(madang_host* host, madang_str group, Answer answer, void* context,
                               madang_drop drop, Ask ask) noexcept {
        if (!host || !answer || !valid(group) || !valid_group_name(from(group))) return MADANG_INVALID;
        return guarded([&] {
            ask(hold(context, drop));
            return MADANG_OK;
        });
    }

    static madang_status publish(madang_host* host, madang_connection* connection, madang_str group,
                                 madang_payload* data, const madang_publish_options* given,
                                 madang_publish_answer answer, void* context, madang_drop drop) noexcept {
        if (!host || !valid(group) || !valid_group_name(from(group)) || !data) return MADANG_INVALID;
        return guarded([&] {
            const auto options = copy_options(given);
            if (!valid(options.idempotency_key) || (options.tags_count != 0 && !options.tags) ||
                (options.info && !valid(*options.info)))
                return MADANG_INVALID;
            publish_request what;
            what.group = from(group);
            what.data = borrowed(data);
            what.idempotency_key = from(options.idempotency_key);
            what.skip_history = options.skip_history != 0;
            if (options.info || options.tags_count != 0) {
                auto extra = std::make_shared<publication_extra>();
                if (options.info) extra->info = std::make_shared<const client_info>(to_info(*options.info));
                for (std::size_t i = 0; i < options.tags_count; ++i) {
                    const auto& each = options.tags[i];
                    if (!valid(each.name) || !valid(each.value)) return MADANG_INVALID;
                    extra->tags.push_back({std::string(from(each.name)), std::string(from(each.value))});
                }
                what.extra = std::move(extra);
            }
            stream_port::answer<position> done;
            if (answer)
                done =
                    bound<position>(connection, hold(context, drop),
                                    [answer](void* to, const madang_failure* failed, const position* where) {
                                        answer(to, failed, where ? to_abi(*where) : madang_position{});
                                    });
            streams(host).publish(std::move(what), std::move(done));
            return MADANG_OK;
        });
    }
    static madang_status history(madang_host* host, madang_connection* connection, madang_str group,
                                 const madang_history_query* given, madang_history_answer answer,
                                 void* context, madang_drop drop) noexcept {
        if (given && given->since && !valid(given->since->epoch)) return MADANG_INVALID;
        return asked(host, group, answer, context, drop, [&](context_ptr kept) {
            const auto query = copy_options(given);
            history_request what;
            what.group = from(group);
            what.limit = query.limit;
            what.reverse = query.reverse != 0;
            if (query.since)
                what.since = position{std::string(from(query.since->epoch)), query.since->offset};
            streams(host).history(
                std::move(what),
                bound<history_page>(
                    connection, std::move(kept),
                    [answer](void* to, const madang_failure* failed, const history_page* page) {
                        if (!page) return answer(to, failed, nullptr);
                        std::vector<madang_publication> list;
                        std::vector<std::vector<madang_pair>> tags(page->publications.size());
                        for (std::size_t i = 0; i < tags.size(); ++i)
                            list.push_back(to_abi(page->publications[i], tags[i]));
                        const madang_history_page told{to_abi(page->top), list.data(), list.size()};
                        answer(to, nullptr, &told);
                    }));
        });
    }
    static madang_status presence(madang_host* host, madang_connection* connection, madang_str group,
                                  const madang_presence_query* given, madang_presence_answer answer,
                                  void* context, madang_drop drop) noexcept {
        if (given && !valid(given->after)) return MADANG_INVALID;
        return asked(host, group, answer, context, drop, [&](context_ptr kept) {
            const auto query = copy_options(given);
            presence_request what;
            what.group = from(group);
            if (query.limit != 0) what.limit = query.limit;
            what.after = from(query.after);
            streams(host).presence(
                std::move(what),
                bound<presence_page>(
                    connection, std::move(kept),
                    [answer](void* to, const madang_failure* failed, const presence_page* page) {
                        if (!page) return answer(to, failed, nullptr);
                        std::vector<madang_present> list;
                        for (const auto& each : page->clients)
                            list.push_back({to_abi(each.who), each.since_ms});
                        const madang_presence_page told{list.data(), list.size(), page->more};
                        answer(to, nullptr, &told);
                    }));
        });
    }
    static madang_status presence_stats(madang_host* host, madang_connection* connection, madang_str group,
                                        madang_counts_answer answer, void* context,
                                        madang_drop drop) noexcept {
        return asked(host, group, answer, context, drop, [&](context_ptr kept) {
            streams(host).presence_stats(
                std::string(from(group)),
                bound<presence_counts>(
                    connection, std::move(kept),
                    [answer](void* to, const madang_failure* failed, const presence_counts* n) {
                        if (!n) return answer(to, failed, nullptr);
                        const madang_presence_counts told{n->clients, n->users};
                        answer(to, nullptr, &told);
                    }));
        });
    }
    static madang_status last_seen(madang_host* host, madang_connection* connection, madang_str group,
                                   std::uint64_t limit, madang_last_seen_answer answer, void* context,
                                   madang_drop drop) noexcept {
        using entries = std::vector<last_seen_entry>;
        return asked(host, group, answer, context, drop, [&](context_ptr kept) {
            streams(host).last_seen(
                std::string(from(group)), limit,
                bound<entries>(
                    connection, std::move(kept),
                    [answer](void* to, const madang_failure* failed, const entries* users) {
                        std::vector<madang_last_seen> list;
                        if (users)
                            for (const auto& each : *users)
                                list.push_back({to_abi(std::string_view(each.user)), each.time_ms});
                        answer(to, failed, list.data(), list.size());
                    }));
        });
    }
    static madang_status current(madang_connection* connection, madang_publication* result) noexcept {
        if (!connection || !result) return MADANG_INVALID;
        return guarded([&] {
            // What it points to belongs to the publication being delivered, but for the tags: those are kept
            // here until this thread asks again.
            thread_local std::vector<madang_pair> tags;
            const auto now = from(connection).current_publication();
            if (!now) return MADANG_INVALID;
            auto told = to_abi(*now, tags);
            const auto size = std::min<std::size_t>(result->struct_size, sizeof told);
            told.struct_size = static_cast<std::uint32_t>(size);
            std::memcpy(result, &told, size);
            return MADANG_OK;
        });
    }

    static madang_status register_rpc(madang_host* host, madang_str method, std::uint32_t kind,
                                      madang_rpc_handler handler, void* context) noexcept {
        if (!host || !valid(method) || !from(host).initialising_) return MADANG_INVALID;
        return guarded(
            [&] { return from(host).host_->rpc_.add(from(host), from(method), kind, handler, context); });
    }
    static madang_status register_message(madang_host* host, std::uint32_t kind, madang_rpc_handler handler,
                                          void* context) noexcept {
        if (!host || !from(host).initialising_) return MADANG_INVALID;
        return guarded(
            [&] { return from(host).host_->rpc_.add_message(from(host), kind, handler, context); });
    }
    static madang_str rpc_get(const madang_rpc* call, madang_rpc_field field) noexcept {
        return call ? to_abi(from(call).get(field)) : madang_str{nullptr, 0};
    }
    static const madang_scope* rpc_scope(const madang_rpc* call) noexcept {
        return call ? reinterpret_cast<const madang_scope*>(from(call).known()) : nullptr;
    }
    static madang_status rpc_reply(madang_rpc* call, madang_str json) noexcept {
        if (!call || !valid(json)) return MADANG_INVALID;
        return guarded([&] {
            std::string text(from(json));
            verdict<rpc_answer> told;
            const bool good = one_line(text);
            if (good)
                told.yes = rpc_answer{std::move(text)};
            else
                told.no = fail(errc::internal, "a plugin's answer is not JSON");
            return from(call).answer(std::move(told)) && good ? MADANG_OK : MADANG_INVALID;
        });
    }
    static madang_status rpc_fail(madang_rpc* call, std::uint32_t code, madang_str message) noexcept {
        if (!call || !valid(message)) return MADANG_INVALID;
        return guarded([&] {
            return from(call).answer(refusal(code, std::string(from(message)))) ? MADANG_OK : MADANG_INVALID;
        });
    }
};

const madang_streams& plugin_host::streams_api() noexcept {
    using f = stream_functions;
    static const madang_streams table = {
        sizeof(madang_streams),
        f::declare_namespace,
        f::publish,
        f::history,
        f::presence,
        f::presence_stats,
        f::last_seen,
        f::current,
        f::register_rpc,
        f::register_message,
        f::rpc_get,
        f::rpc_scope,
        f::rpc_reply,
        f::rpc_fail,
    };
    return table;
}

}  // namespace madang
