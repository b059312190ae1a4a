#include "broker/protocol/client_session.hpp"

#include <cmath>

#include "broker/protocol/client_session_state.hpp"

namespace madang {

using std::chrono::milliseconds;

namespace {

// Ends further away than this are looked at again then: keeps timers and the protocol's uint32 in range.
constexpr std::int64_t longest_s = 10LL * 365 * 24 * 3600;

bool is_blank(std::string_view text) noexcept { return text.find_first_not_of(" \t\r\n") == text.npos; }

// The objects below come from parse_command: they are well-formed.
std::vector<std::pair<std::string, std::string>> read_headers(std::string_view object) {
    std::vector<std::pair<std::string, std::string>> all;
    each_json_member(object, [&](std::string_view name, std::string_view value) {
        if (value[0] == '"') all.emplace_back(json_text(name), json_text(value));
    });
    return all;
}

// False: a member of another type than its own.
bool read_subs(std::string_view object, std::vector<std::pair<std::string, position>>& out,
               std::vector<std::string>& names) {
    if (object.empty()) return true;
    json_reader in(object);
    std::string_view name;
    std::string_view value;
    if (!in.enter()) return false;
    while (in.member(name)) {
        if (!in.value(value)) return false;
        client_request one;
        if (!parse_connect(value, one)) return false;
        names.push_back(json_text(name));
        if (one.recover) out.push_back({names.back(), {json_text(one.epoch), one.offset}});
    }
    return in.finished();
}

}  // namespace

client_session::state::state(client_port& to, const session_limits& limits_of, session_entry entry)
    : port(to),
      limits(limits_of),
      session(std::move(entry.session)),
      refused(entry.refused),
      unidirectional(entry.unidirectional) {
    who.who.client = std::move(entry.client);
    who.transport = std::move(entry.transport);
    who.known = std::move(entry.known);
}

void client_session::state::flush() {
    if (out.empty() || now == phase::over) return;
    port.send(out);
    constexpr std::size_t worth_keeping = 128;  // idle connections are many
    if (out.capacity() > worth_keeping)
        out = {};
    else
        out.clear();
}

void client_session::state::disconnect(std::uint16_t code, std::string_view reason) {
    if (now == phase::over) return;
    flush();
    if (code < 3000 || code > 4999) {
        code = close_code::server_error;  // somebody else's mistake; the reason may tell
    }
    now = phase::over;
    port.disconnect(code, client_close_reason(code, reason));
}

void client_session::state::frame(std::string_view text) {
    if (is_blank(text)) return disconnect(close_code::bad_request);
    while (!text.empty() && now != phase::over) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto one = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!is_blank(one)) line(one);
    }
}

void client_session::state::line(std::string_view text) {
    client_request what;
    const bool first = now == phase::fresh;
    const bool understood = unidirectional ? first && parse_connect(text, what) : parse_command(text, what);
    if (!understood || (what.method == client_method::connect) != first || what.ping)
        return disconnect(close_code::bad_request);
    if (what.method != client_method::none && what.method != client_method::send && what.id == 0 &&
        !unidirectional)
        return disconnect(close_code::bad_request);
    line_bytes = text.size();
    if (first) return connect(what);
    if (now == phase::connected) return run(what, text);
    if (what.method == client_method::none) return disconnect(close_code::bad_request);
    if (entering->lines.size() >= limits.commands_waiting ||
        waiting_bytes + line_bytes > limits.waiting_bytes)
        return disconnect(close_code::too_many_requests);
    entering->lines.emplace_back(text);
    waiting_bytes += line_bytes;
}

void client_session::state::connect(const client_request& what) {
    connect_question question;
    auto begun = std::make_unique<connecting>();
    begun->id = what.id;
    if (!read_subs(what.subs, begun->since, question.groups)) return disconnect(close_code::bad_request);
    port.set_timer(session_timer::connect, milliseconds(-1));
    entering = std::move(begun);
    now = phase::asking;
    question.client = who.who.client;
    question.transport = who.transport;
    question.token = json_text(what.token);
    question.data = one_line(what.data);
    question.name = json_text(what.name);
    question.version = json_text(what.version);
    question.headers = read_headers(what.headers);
    question.known = who.known;
    who.headers = question.headers;
    port.ask_connect(std::move(question), [this](verdict<connect_grant> answer) {
        if (now != phase::asking) return;
        const turn flushing(*this);
        connect_answered(std::move(answer));
    });
}

void client_session::state::connect_answered(verdict<connect_grant> answer) {
    if (answer.goodbye) return disconnect(answer.goodbye->code, answer.goodbye->reason);
    if (!answer.yes)
        return connect_refused(answer.no.code,
                               to_wire(answer.no, answer.wire_code, std::move(answer.message)));
    auto& grant = *answer.yes;
    const auto refuse = [&](errc why) { connect_refused(why, to_wire(error{why, {}})); };
    if (is_past(grant.expire_at)) return refuse(errc::expired);
    if (grant.groups.size() > limits.groups) return disconnect(close_code::channel_limit);
    for (const auto& each : grant.groups) {
        if (!valid_group_name(each.group)) return refuse(errc::bad_request);
        if (port.namespaces().of_group(each.group) == nullptr) return refuse(errc::unknown_channel);
        if (is_past(each.grant.expire_at)) return refuse(errc::expired);
    }
    who.who.user = std::move(grant.user);
    who.who.conn_info = one_line(grant.conn_info);
    who.meta = std::move(grant.meta);
    expire_at = grant.expire_at;
    client_refreshes = !grant.server_refresh;
    entering->data = one_line(grant.data);
    now = phase::joining;
    subscriptions.reserve(grant.groups.size());
    for (auto& each : grant.groups) {
        if (find(each.group) != nullptr) continue;
        auto& made = add(each.group, origin::connect);
        for (auto& [group, since] : entering->since)
            if (group == each.group) made.now->since = since;
        apply(made, std::move(each.grant), *port.namespaces().of_group(each.group));
        ++entering->open;
    }
    if (subscriptions.empty()) return connect_joined();
    for (auto& each : subscriptions) join(each);
}

void client_session::state::connect_refused(errc why, const wire_error& what) {
    if (unidirectional) return disconnect(client_close_code(why), what.message);
    fail(entering->id, what);
    // What was sent along is not answered: it was said for a connection that there is not.
    entering.reset();
    waiting_bytes = 0;
    now = phase::fresh;
    port.set_timer(session_timer::connect, limits.connect_timeout);
}

void client_session::state::connect_joined() {
    const auto before = std::move(entering);
    waiting_bytes = 0;  // what waited for this begins anew below
    std::string subs;
    std::swap(subs, out);  // append_subscribed writes there; nothing else was written in this turn
    for (auto& each : subscriptions) {
        out += out.empty() ? '{' : ',';
        append_json_string(out, each.group);
        out += ':';
        append_subscribed(each);
    }
    if (!subscriptions.empty()) out += '}';
    std::swap(subs, out);

    connect_result what{.client = who.who.client,
                        .version = limits.version,
                        .ttl = client_refreshes ? left(expire_at) : std::nullopt,
                        .data = before->data,
                        .subs = subs,
                        .ping = static_cast<std::uint32_t>((limits.ping_interval.count() + 999) / 1000),
                        .pong = limits.ping_interval.count() > 0 && !unidirectional,
                        .session = session,
                        .node = limits.node,
                        .time_ms = port.now_ms()};
    if (unidirectional) {
        begin_line() += R"({"connect":)";
        append_result(out, what);
        out += '}';
    } else {
        answer(before->id, "connect", what);
    }
    now = phase::connected;
    for (auto& each : subscriptions) go_live(each);
    watch_expiry();
    watch_subscriptions();
    if (limits.ping_interval.count() > 0) {
        // The first one anywhere in the second half: connections that came together are pinged apart.
        const auto half = static_cast<double>(limits.ping_interval.count()) / 2;
        port.set_timer(session_timer::ping, milliseconds(std::llround(half + half * port.random())));
    }
    for (const auto& each : before->commands) command(each);
    for (const auto& each : before->lines)
        if (now != phase::over) line(each);
}

time_left client_session::state::left(std::int64_t end) const {
    if (end == 0) return std::nullopt;
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(end - now_s(), 1, longest_s));
}

milliseconds client_session::state::until(std::int64_t end, milliseconds grace) const {
    const auto capped = std::min(end, now_s() + longest_s);
    return std::max(milliseconds(capped * 1000 - port.now_ms()) + grace, milliseconds(0));
}

void client_session::state::watch_expiry() {
    if (expire_at == 0 && !expiry_watched) return;
    expiry_watched = expire_at != 0;
    const auto grace = client_refreshes ? limits.expired_grace : milliseconds(0);
    port.set_timer(session_timer::expiry, expiry_watched ? until(expire_at, grace) : milliseconds(-1));
}

void client_session::state::expiry_due() {
    const auto grace = client_refreshes ? limits.expired_grace : milliseconds(0);
    if (expire_at == 0) return;
    if (until(expire_at, grace).count() > 0) return watch_expiry();  // it was too far away for one timer
    if (client_refreshes) return disconnect(close_code::expired);
    expire_at = 0;
    port.ask_refresh(who, {}, [this](verdict<refresh_grant> answer) {
        if (now == phase::over) return;
        const turn flushing(*this);
        refreshed_by_server(std::move(answer));
    });
}

void client_session::state::refreshed_by_server(verdict<refresh_grant> answer) {
    if (answer.goodbye) return disconnect(answer.goodbye->code, answer.goodbye->reason);
    if (!answer.yes || is_past(answer.yes->expire_at)) return disconnect(close_code::expired);
    renew(*answer.yes);
}

void client_session::state::renew(const refresh_grant& grant) {
    expire_at = grant.expire_at;
    if (!grant.conn_info.empty()) {
        who.who.conn_info = one_line(grant.conn_info);
        for (auto& each : subscriptions) each.mine.reset();
    }
    watch_expiry();
}

void client_session::state::pinged() {
    // An answer that is still awaited has its own timer.
    if (!awaiting_pong) {
        begin_line() += "{}";
        awaiting_pong = !unidirectional;
        if (awaiting_pong) port.set_timer(session_timer::pong, limits.pong_timeout);
    }
    port.set_timer(session_timer::ping, limits.ping_interval);
}

void client_session::state::command(const client_command& what) {
    using verb = client_command::verb;
    if (now == phase::over) return;
    if (what.what == verb::disconnect) {
        const auto& stay = what.whitelist;
        if (std::find(stay.begin(), stay.end(), who.who.client) != stay.end()) return;
        return disconnect(what.code == 0 ? close_code::force_disconnect : what.code, what.reason);
    }
    if (now == phase::joining) {
        if (entering->commands.size() >= limits.commands_waiting)
            return disconnect(close_code::too_many_requests);
        entering->commands.push_back(what);
        return;
    }
    if (now != phase::connected) return;
    if (what.what == verb::subscribe) return subscribe_by_server(what);
    if (what.what == verb::unsubscribe) {
        const auto code = what.code == 0 ? std::uint16_t{2000} : what.code;
        const std::string_view reason =
            what.reason.empty() ? std::string_view("server unsubscribe") : what.reason;
        if (!what.group.empty()) {
            if (auto* which = find(what.group)) unsubscribe(*which, code, reason);
            return;
        }
        while (!subscriptions.empty()) unsubscribe(subscriptions.back(), code, reason);
        return;
    }
    if (what.expired || (what.expire_at && is_past(*what.expire_at))) return disconnect(close_code::expired);
    if (!what.expire_at) return;
    expire_at = *what.expire_at;
    watch_expiry();
    push([&](std::string& to) {
        to += R"({"push":{"refresh":)";
        append_result(to, refresh_result{{}, {}, left(expire_at)});
        to += "}}";
    });
}

client_session::client_session(client_port& port, const session_limits& limits, session_entry entry)
    : state_(std::make_unique<state>(port, limits, std::move(entry))) {}

client_session::~client_session() = default;

void client_session::start() {
    if (state_->refused != 0) return state_->disconnect(state_->refused);
    state_->port.set_timer(session_timer::connect, state_->limits.connect_timeout);
}

void client_session::on_message(std::string_view text) {
    if (state_->now == state::phase::over) return;
    const state::turn flushing(*state_);
    state_->frame(text);
}

void client_session::on_news(std::string_view group, const group_news& what) {
    if (state_->now == state::phase::over) return;
    const state::turn flushing(*state_);
    state_->news(group, what);
}

bool client_session::on_stream_lost(std::string_view group) {
    if (state_->now == state::phase::over) return false;
    const state::turn flushing(*state_);
    return state_->stream_lost(group);
}

void client_session::on_timer(session_timer which) {
    auto& my = *state_;
    if (my.now == state::phase::over) return;
    const state::turn flushing(my);
    if (which == session_timer::connect) {
        if (my.now == state::phase::fresh) my.disconnect(close_code::stale);
        return;
    }
    if (my.now != state::phase::connected) return;
    if (which == session_timer::ping) return my.pinged();
    if (which == session_timer::expiry) return my.expiry_due();
    if (which == session_timer::subscription_expiry) return my.subscriptions_due();
    if (my.awaiting_pong) my.disconnect(close_code::no_pong);
}

void client_session::on_command(const client_command& what) {
    const state::turn flushing(*state_);
    state_->command(what);
}

void client_session::ended() { state_->now = state::phase::over; }

const client_info& client_session::who() const noexcept { return state_->who.who; }
const std::string& client_session::session_id() const noexcept { return state_->session; }
bool client_session::connected() const noexcept { return state_->now == state::phase::connected; }
bool client_session::knows_position(std::string_view group) const noexcept {
    const auto* which = state_->find(group);
    return which != nullptr && which->positioned;
}
std::size_t client_session::subscriptions() const noexcept { return state_->subscriptions.size(); }

}  // namespace madang
