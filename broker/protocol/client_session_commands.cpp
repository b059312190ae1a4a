// What a connected client asks for, but for subscribing.
#include <algorithm>
#include <utility>

#include "broker/protocol/client_session_state.hpp"

namespace madang {

// Answers are as if each command had been done before the next came: what asks about a group whose subscribe
// has no answer yet waits for it, and whatever is said about that group then waits in line. Only an
// unsubscribe overtakes a subscribe that nothing waits for.
client_session::state::subscription* client_session::state::awaited_by(const client_request& what) noexcept {
    using method = client_method;
    switch (what.method) {
        case method::publish:
        case method::presence:
        case method::presence_stats:
        case method::history:
        case method::sub_refresh:
        case method::subscribe:
        case method::unsubscribe:
            break;
        default:
            return nullptr;
    }
    const bool made = what.method == method::subscribe || what.method == method::unsubscribe;
    const auto waits = [&](const subscription& each) {
        return each.now && (!made || !each.now->behind.empty());
    };
    if (std::none_of(subscriptions.begin(), subscriptions.end(), waits)) return nullptr;
    auto* which = find(json_text(what.channel));
    return which != nullptr && waits(*which) ? which : nullptr;
}

void client_session::state::release(making& from) {
    for (auto& each : from.behind) released.push_back(std::move(each));
    from.behind.clear();
}

void client_session::state::run_released() {
    while (!released.empty()) {
        for (const auto& each : std::exchange(released, {})) {
            end_waiting(each.size());
            if (now == phase::connected) line(each);
        }
    }
}

void client_session::state::run(const client_request& what, std::string_view text) {
    using method = client_method;
    if (what.method == method::none) {
        if (!awaiting_pong) return disconnect(close_code::bad_request);
        awaiting_pong = false;
        port.set_timer(session_timer::pong, std::chrono::milliseconds(-1));
        return;
    }
    if (what.method == method::send) return port.on_message(who, what.data.empty() ? "null" : what.data);
    if (waiting >= limits.commands_waiting || waiting_bytes + line_bytes > limits.waiting_bytes)
        return disconnect(close_code::too_many_requests);
    if (auto* first = awaited_by(what)) {
        begin_waiting(text.size());
        first->now->behind.emplace_back(text);
        return;
    }
    switch (what.method) {
        case method::publish:
            return publish(what);
        case method::subscribe:
            return subscribe(what);
        case method::unsubscribe:
            return unsubscribe(what);
        case method::presence:
            return presence(what);
        case method::presence_stats:
            return presence_stats(what);
        case method::history:
            return history(what);
        case method::rpc:
            return rpc(what);
        case method::refresh:
            return refresh(what);
        case method::sub_refresh:
            return sub_refresh(what);
        default:
            return fail(what.id, errc::method_not_found);
    }
}

std::optional<std::string> client_session::state::group_of(const client_request& what) {
    auto name = json_text(what.channel);
    if (name.empty()) {
        disconnect(close_code::bad_request);
        return std::nullopt;
    }
    if (!valid_group_name(name)) {
        fail(what.id, errc::bad_request);
        return std::nullopt;
    }
    return name;
}

void client_session::state::unsubscribe(const client_request& what) {
    const auto group = group_of(what);
    if (!group) return;
    if (auto* which = find(*group)) leave(*which, errc::bad_request);
    answer(what.id, "unsubscribe");
}

void client_session::state::publish(const client_request& what) {
    auto group = group_of(what);
    if (!group) return;
    if (what.data.empty()) return fail(what.id, errc::bad_request);
    auto question = one_line(what.data);
    auto data = payload::copy_of(question);
    const bool subscribed = is_live(*group);
    port.ask_publish(
        who, *group, subscribed, std::move(question),
        on_verdict<publish_grant>(
            what.id, line_bytes,
            [this, id = what.id, bytes = line_bytes, group = *group,
             data = std::move(data)](publish_grant grant) {
                publish_request request;
                request.group = group;
                request.data = grant.data.empty() ? data : payload::copy_of(one_line(grant.data));
                request.extra = extra_of(group);
                request.skip_history = grant.skip_history;
                port.publish(std::move(request),
                             on_answer<position>(id, bytes, [this, id](position) { answer(id, "publish"); }));
            }));
}

std::shared_ptr<const publication_extra> client_session::state::extra_of(std::string_view group) {
    auto* which = find(group);
    if (which != nullptr && which->mine) return which->mine;
    auto info = std::make_shared<client_info>(who.who);
    if (which != nullptr) info->chan_info = which->chan_info;
    auto extra = std::make_shared<publication_extra>();
    extra->info = std::move(info);
    if (which != nullptr) which->mine = extra;
    return extra;
}

void client_session::state::presence(const client_request& what) {
    const auto group = group_of(what);
    if (!group) return;
    if (const auto may = port.may_see_presence(who, *group, is_live(*group)); !may)
        return fail(what.id, to_wire(may.error()));
    port.presence({.group = *group, .limit = limits.presence, .after = {}},
                  on_answer<presence_page>(what.id, line_bytes, [this, id = what.id](presence_page page) {
                      // Part of it would look like all of it.
                      if (page.more) return fail(id, errc::limit_exceeded);
                      answer(id, "presence", page);
                  }));
}

void client_session::state::presence_stats(const client_request& what) {
    const auto group = group_of(what);
    if (!group) return;
    if (const auto may = port.may_see_presence(who, *group, is_live(*group)); !may)
        return fail(what.id, to_wire(may.error()));
    port.presence_stats(
        *group, on_answer<presence_counts>(what.id, line_bytes, [this, id = what.id](presence_counts counts) {
            answer(id, "presence_stats", counts);
        }));
}

void client_session::state::history(const client_request& what) {
    const auto group = group_of(what);
    if (!group) return;
    if (const auto may = port.may_see_history(who, *group, is_live(*group)); !may)
        return fail(what.id, to_wire(may.error()));
    // Below zero: as many as there are.
    const std::uint64_t most = limits.history;
    const auto limit = what.limit < 0 ? most : std::min(most, static_cast<std::uint64_t>(what.limit));
    history_request request;
    request.group = *group;
    request.limit = limit;
    request.reverse = what.reverse;
    if (what.has_since) request.since = position{json_text(what.since_epoch), what.since_offset};
    port.history(std::move(request),
                 on_answer<history_page>(what.id, line_bytes, [this, id = what.id](history_page page) {
                     answer(id, "history", page);
                 }));
}

void client_session::state::rpc(const client_request& what) {
    port.ask_rpc(who, json_text(what.rpc_method), one_line(what.data),
                 on_verdict<rpc_answer>(what.id, line_bytes, [this, id = what.id](rpc_answer got) {
                     begin_reply(begin_line(), id, "rpc");
                     if (!got.data.empty()) out.append(R"({"data":)").append(one_line(got.data));
                     out += got.data.empty() ? "{}}" : "}}";
                 }));
}

void client_session::state::refresh(const client_request& what) {
    auto fresh = json_text(what.token);
    if (fresh.empty()) return disconnect(close_code::bad_request);
    const auto bytes = begin_waiting(line_bytes);
    port.ask_refresh(who, std::move(fresh), [this, id = what.id, bytes](verdict<refresh_grant> got) {
        if (now == phase::over) return;
        const turn flushing(*this);
        end_waiting(bytes);
        if (got.goodbye) return disconnect(got.goodbye->code, got.goodbye->reason);
        const bool late = got.yes ? is_past(got.yes->expire_at)
                                  : got.no.code == errc::token_expired || got.no.code == errc::expired;
        if (late && got.wire_code == 0) return disconnect(close_code::expired);
        if (!got.yes) return fail(id, to_wire(got.no, got.wire_code, std::move(got.message)));
        client_refreshes = true;
        renew(*got.yes);
        answer(id, "refresh",
               refresh_result{.client = who.who.client, .version = limits.version, .ttl = left(expire_at)});
    });
}

void client_session::state::sub_refresh(const client_request& what) {
    const auto group = group_of(what);
    if (!group) return;
    auto fresh = json_text(what.token);
    if (fresh.empty()) return disconnect(close_code::bad_request);
    if (!is_live(*group)) return fail(what.id, errc::permission_denied);
    port.ask_sub_refresh(who, *group, std::move(fresh),
                         on_verdict<refresh_grant>(
                             what.id, line_bytes, [this, id = what.id, group = *group](refresh_grant got) {
                                 auto* which = find(group);
                                 if (which == nullptr || which->now) return fail(id, errc::permission_denied);
                                 if (is_past(got.expire_at)) return fail(id, errc::expired);
                                 which->client_refreshes = true;
                                 renew(*which, got);
                                 answer(
                                     id, "sub_refresh",
                                     refresh_result{.client = {}, .version = {}, .ttl = left(got.expire_at)});
                             }));
}

}  // namespace madang
