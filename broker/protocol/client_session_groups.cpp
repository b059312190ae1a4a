// Subscriptions: how they are made, recovered, renewed and ended.
#include "broker/protocol/client_session_state.hpp"

namespace madang {

using std::chrono::milliseconds;

namespace {

constexpr std::uint16_t unsubscribed_insufficient = 2500;
constexpr std::uint16_t unsubscribed_expired = 2501;
constexpr std::uint64_t flag_reject_unrecovered = 2;

}  // namespace

client_session::state::subscription* client_session::state::find(std::string_view group) noexcept {
    for (auto& each : subscriptions)
        if (each.group == group) return &each;
    return nullptr;
}

client_session::state::subscription* client_session::state::find(std::uint32_t ticket) noexcept {
    for (auto& each : subscriptions)
        if (each.now && each.now->ticket == ticket) return &each;
    return nullptr;
}

bool client_session::state::is_live(std::string_view group) noexcept {
    const auto* which = find(group);
    return which != nullptr && which->now == nullptr;
}

client_session::state::subscription& client_session::state::add(std::string_view group, origin from) {
    auto& made = subscriptions.emplace_back();
    made.group = group;
    made.server_side = from != origin::command;
    made.now = std::make_unique<making>();
    made.now->from = from;
    made.now->ticket = ++tickets;
    return made;
}

// Order among subscriptions means nothing.
void client_session::state::drop(subscription& which) {
    if (&which != &subscriptions.back()) which = std::move(subscriptions.back());
    subscriptions.pop_back();
}

void client_session::state::subscribe(const client_request& what) {
    const auto refuse = [&](errc why) { fail(what.id, why); };
    const auto group = group_of(what);
    if (!group) return;
    // Other types are maps and polls; tag filters and deltas would need a stream of one's own.
    const bool delta = !what.delta.empty() && what.delta != R"("")";
    if (what.type != 0 || !what.tags_filter.empty() || delta) return refuse(errc::not_available);
    if (port.namespaces().of_group(*group) == nullptr) return refuse(errc::unknown_channel);
    if (find(*group) != nullptr) return refuse(errc::already_subscribed);
    if (subscriptions.size() >= limits.groups) return refuse(errc::limit_exceeded);

    auto& made = add(*group, origin::command);
    made.now->id = what.id;
    if (what.recover) made.now->since = position{json_text(what.epoch), what.offset};
    made.now->reject_unrecovered = (what.flag & flag_reject_unrecovered) != 0;
    made.joins = what.join_leave;
    subscribe_question question{*group, json_text(what.token), one_line(what.data)};
    made.now->bytes = begin_waiting(line_bytes);
    port.ask_subscribe(who, std::move(question),
                       [this, ticket = made.now->ticket](verdict<subscription_grant> answer) {
                           if (now == phase::over) return;
                           const turn flushing(*this);
                           subscribe_answered(ticket, std::move(answer));
                       });
}

void client_session::state::subscribe_answered(std::uint32_t ticket, verdict<subscription_grant> answer) {
    auto* which = find(ticket);
    if (which == nullptr) return;
    if (answer.goodbye) return disconnect(answer.goodbye->code, answer.goodbye->reason);
    if (!answer.yes)
        return subscription_failed(*which, answer.no.code,
                                   to_wire(answer.no, answer.wire_code, std::move(answer.message)));
    const auto* rules = port.namespaces().of_group(which->group);
    if (!apply(*which, std::move(*answer.yes), *rules))
        return subscription_failed(*which, errc::expired, to_wire(error{errc::expired, {}}));
    join(*which);
}

bool client_session::state::apply(subscription& to, subscription_grant grant,
                                  const namespace_options& rules) {
    to.chan_info = one_line(grant.chan_info);
    to.now->data = one_line(grant.data);
    to.expire_at = grant.expire_at;
    to.client_refreshes = !to.server_side && !grant.server_refresh;
    to.presence = grant.presence.value_or(rules.presence);
    to.join_leave = grant.join_leave.value_or(rules.join_leave);
    // A client says whether it wants to hear of joins; for those whom the server subscribed, the namespace
    // does.
    to.joins = to.join_leave && (to.joins || to.server_side);
    to.recoverable = rules.keeps_history() && grant.recovery.value_or(rules.recovery);
    to.positioned =
        to.recoverable || (rules.keeps_history() && grant.positioning.value_or(rules.positioning));
    to.cache = rules.cache;
    to.now->was_recovering = to.recoverable && to.now->since;
    if (!to.now->was_recovering) to.now->since.reset();
    return !is_past(to.expire_at);
}

void client_session::state::join(subscription& which) {
    which.now->joined = true;
    subscribe_spec how{.presence = which.presence,
                       .join_leave = which.join_leave,
                       .positioned = which.positioned,
                       .recover_since = which.now->since,
                       .cache = which.cache,
                       .recover_limit = limits.recovery,
                       .who = who.who};
    how.who.chan_info = which.chan_info;
    port.subscribe(which.group, how, [this, ticket = which.now->ticket](result<subscribed> answer) {
        if (now == phase::over) return;
        const turn flushing(*this);
        join_answered(ticket, std::move(answer));
    });
}

void client_session::state::join_answered(std::uint32_t ticket, result<subscribed> answer) {
    auto* which = find(ticket);
    if (which == nullptr) return;
    auto& making = *which->now;
    if (!answer) return subscription_failed(*which, answer.error().code, to_wire(answer.error()));
    if (!which->positioned) answer->top.reset();
    if (making.from == origin::connect) {
        making.answer = std::move(*answer);  // settled with the last one's: news go on coming until then
        if (--entering->open > 0) return;
        for (auto& each : subscriptions) settle_stream(each, std::move(each.now->answer));
        if (now != phase::over) connect_joined();
        return;
    }
    settle_stream(*which, std::move(*answer));
    if (now == phase::over) return;
    if (making.reject_unrecovered && making.was_recovering && !making.stream->recovered) {
        port.unsubscribe(which->group);
        return subscription_failed(*which, errc::unrecoverable_position,
                                   to_wire(error{errc::unrecoverable_position, {}}));
    }
    if (making.from == origin::command) {
        end_waiting(making.bytes);
        begin_reply(begin_line(), making.id, "subscribe");
        append_subscribed(*which);
        out += '}';
    } else {
        // A subscribe push has no room for publications that clients look at: they follow.
        auto& stream = *making.stream;
        std::vector<group_news> missed;
        for (auto& each : stream.publications)
            missed.push_back({group_news::kind::publication, std::move(each), nullptr});
        stream.publications.clear();
        stream.after.insert(stream.after.begin(), missed.begin(), missed.end());
        push([&](std::string& to) {
            to += R"({"push":{"channel":)";
            append_json_string(to, which->group);
            to += R"(,"subscribe":)";
            append_subscribed(*which);
            to += "}}";
        });
    }
    go_live(*which);
    watch_subscriptions();
}

void client_session::state::settle_stream(subscription& which, subscribed answer) {
    auto& making = *which.now;
    settle_how how{.positioned = which.positioned, .cache = which.cache};
    if (making.since) how.since = making.since->offset;
    making.stream = settle(std::move(answer), std::move(making.news), how);
    if (making.stream->gap) disconnect(close_code::insufficient_state);
}

void client_session::state::append_subscribed(subscription& which) {
    append_result(out, subscribe_result{.stream = *which.now->stream,
                                        .recoverable = which.recoverable,
                                        .positioned = which.positioned,
                                        .was_recovering = which.now->was_recovering,
                                        .ttl = which.client_refreshes ? left(which.expire_at) : std::nullopt,
                                        .data = which.now->data});
}

void client_session::state::go_live(subscription& which) {
    for (const auto& each : which.now->stream->after) {
        if (each.what != group_news::kind::publication && !which.joins) continue;
        push([&](std::string& to) {
            if (each.what == group_news::kind::publication)
                append_publication_push(to, which.group, each.published);
            else if (each.what == group_news::kind::join)
                append_join_push(to, which.group, *each.who);
            else
                append_leave_push(to, which.group, *each.who);
        });
    }
    release(*which.now);
    which.now.reset();
    flush();  // before whatever the port sends from now on
    port.go_live(which.group, which.joins);
}

void client_session::state::subscription_failed(subscription& which, errc why, const wire_error& what) {
    if (which.now->from != origin::command) return disconnect(client_close_code(why));
    const auto id = which.now->id;
    end_waiting(which.now->bytes);
    release(*which.now);
    drop(which);
    fail(id, what);
}

void client_session::state::subscribe_by_server(const client_command& what) {
    const auto* rules = port.namespaces().of_group(what.group);
    if (!valid_group_name(what.group) || rules == nullptr || find(what.group) != nullptr) return;
    if (subscriptions.size() >= limits.groups) return disconnect(close_code::channel_limit);
    auto& made = add(what.group, origin::server);
    made.now->since = what.since;
    subscription_grant grant;
    grant.chan_info = what.info;
    grant.data = what.data;
    grant.expire_at = what.expire_at.value_or(0);
    if (!apply(made, std::move(grant), *rules)) return drop(made);  // nothing can wait for it yet
    join(made);
}

void client_session::state::leave(subscription& which, errc to_command) {
    const auto gone = std::move(which);
    drop(which);
    if (gone.now) release(*gone.now);
    if (!gone.now || gone.now->joined) port.unsubscribe(gone.group);
    if (!gone.now || gone.now->from != origin::command) return;
    end_waiting(gone.now->bytes);
    fail(gone.now->id, to_command);
}

void client_session::state::unsubscribe(subscription& which, std::uint16_t code, std::string_view reason) {
    const auto group = which.group;
    const bool told = which.now == nullptr;
    leave(which, errc::permission_denied);
    if (told) push([&](std::string& to) { append_unsubscribe_push(to, group, code, reason); });
}

void client_session::state::news(std::string_view group, const group_news& what) {
    auto* which = find(group);
    if (which == nullptr || which->now == nullptr || !which->now->joined) return;
    if (which->now->news.size() >= limits.news_held) return disconnect(close_code::insufficient_state);
    which->now->news.push_back(what);
}

bool client_session::state::stream_lost(std::string_view group) {
    auto* which = find(group);
    // Who was told no position relies on none.
    if (which == nullptr || !which->positioned || (which->now && !which->now->joined)) return false;
    if (which->server_side || which->now)
        disconnect(close_code::insufficient_state);
    else
        unsubscribe(*which, unsubscribed_insufficient, "insufficient state");
    return true;
}

void client_session::state::watch_subscriptions() {
    std::optional<milliseconds> soonest;
    for (const auto& each : subscriptions) {
        if (each.expire_at == 0 || each.now) continue;
        const auto due =
            until(each.expire_at, each.client_refreshes ? limits.expired_grace : milliseconds(0));
        if (!soonest || due < *soonest) soonest = due;
    }
    if (!soonest && !subscriptions_watched) return;
    subscriptions_watched = soonest.has_value();
    port.set_timer(session_timer::subscription_expiry, soonest.value_or(milliseconds(-1)));
}

void client_session::state::subscriptions_due() {
    for (std::size_t i = subscriptions.size(); i-- > 0 && now != phase::over;) {
        auto& each = subscriptions[i];
        if (each.expire_at == 0 || each.now) continue;
        if (until(each.expire_at, each.client_refreshes ? limits.expired_grace : milliseconds(0)).count() > 0)
            continue;
        if (each.client_refreshes) {
            unsubscribe(each, unsubscribed_expired, "subscription expired");
            continue;
        }
        each.expire_at = 0;
        port.ask_sub_refresh(who, each.group, {}, [this, group = each.group](verdict<refresh_grant> answer) {
            if (now == phase::over) return;
            const turn flushing(*this);
            sub_refreshed_by_server(group, std::move(answer));
        });
    }
    if (now != phase::over) watch_subscriptions();
}

void client_session::state::sub_refreshed_by_server(std::string_view group, verdict<refresh_grant> answer) {
    if (answer.goodbye) return disconnect(answer.goodbye->code, answer.goodbye->reason);
    auto* which = find(group);
    if (which == nullptr || which->now) return;
    if (!answer.yes || is_past(answer.yes->expire_at)) {
        if (which->server_side) return disconnect(close_code::subscription_expired);
        unsubscribe(*which, unsubscribed_expired, "subscription expired");
        return;
    }
    renew(*which, *answer.yes);
}

void client_session::state::renew(subscription& which, const refresh_grant& grant) {
    which.expire_at = grant.expire_at;
    if (!grant.conn_info.empty()) {
        which.chan_info = one_line(grant.conn_info);
        which.mine.reset();
    }
    watch_subscriptions();
}

}  // namespace madang
