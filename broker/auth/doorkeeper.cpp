#include "broker/auth/doorkeeper.hpp"

#include <algorithm>

#include "broker/auth/grants.hpp"
#include "broker/auth/json_text.hpp"
#include "broker/auth/permissions.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/core/log.hpp"
#include "broker/core/names.hpp"
#include "broker/core/scope.hpp"

namespace madang {

namespace {

template <class T>
verdict<T> yes(T grant) {
    verdict<T> made;
    made.yes = std::move(grant);
    return made;
}
template <class T>
verdict<T> no(errc code, std::string detail = {}) {
    verdict<T> made;
    made.no = fail(code, std::move(detail));
    return made;
}
template <class T>
verdict<T> goodbye(std::uint16_t code) {
    verdict<T> made;
    made.no = fail(errc::unauthorized);
    made.goodbye = disconnect_verdict{code, std::string(close_code::reason(code))};
    return made;
}
// A backend's refusal as one of another type; it has no `yes`.
template <class T>
verdict<T> pass_on(verdict<nlohmann::json> refusal) {
    verdict<T> made;
    made.no = std::move(refusal.no);
    made.wire_code = refusal.wire_code;
    made.message = std::move(refusal.message);
    made.goodbye = std::move(refusal.goodbye);
    return made;
}
// A bad token's verdict, or that it cannot be checked now: temporary, so that the client tries again.
template <class T>
verdict<T> refused(const error& why, verdict<T> expired, verdict<T> bad) {
    if (why.code == errc::busy) return no<T>(errc::internal, why.detail);
    return why.code == errc::token_expired ? std::move(expired) : std::move(bad);
}
template <class T>
verdict<T> malformed_answer(metrics_shard& counts, std::string_view which) {
    counts.add(labelled_counter::proxy_failures, which);
    log_warn("proxy.failed", {{"proxy", which}, {"reason", "malformed"}});
    return no<T>(errc::internal, "the backend gave no good answer");
}

// {} where the backend said nothing.
nlohmann::json object_of(verdict<nlohmann::json>& said) {
    return said.yes->is_null() ? nlohmann::json::object() : std::move(*said.yes);
}

bool flag(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_boolean() && found->get<bool>();
}

bool is_unidirectional(std::string_view transport) noexcept { return transport.starts_with("uni_"); }

// What a namespace's rule lets a client do in one of its groups; in one of named users, these alone.
bool allowed(audience what, const namespace_options& rules, const known_client& client,
             std::string_view group, bool subscribed) {
    const bool foreign = is_user_limited(rules, group) && !subscribed && !is_listed(group, client.who.user);
    return !foreign && permits(what, client.who.user, subscribed);
}

}  // namespace

doorkeeper::doorkeeper(doorkeeper_parts parts)
    : parts_(parts), backend_(parts.settings, parts.fetcher, parts.clock, parts.counts) {}

std::int64_t doorkeeper::now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.wall_now().time_since_epoch())
        .count();
}

error doorkeeper::note_refused(const error& why) const {
    parts_.counts.add(labelled_counter::tokens_refused, why.detail);
    log_info("token.refused", {{"reason", why.detail}});
    return why;
}

std::int64_t doorkeeper::end_of(const nlohmann::json& claims, const user& bearer,
                                std::int64_t expire_at) const {
    // expire_at 0 says: never, whatever exp is, which then bounds the token's own time only.
    if (const auto own = claims.find("expire_at"); own != claims.end() && !own->is_null()) return expire_at;
    if (!bearer.expires) return 0;
    const auto end =
        std::chrono::duration_cast<std::chrono::seconds>(bearer.expires->time_since_epoch()).count();
    return std::max(end, now() + 1);  // it may have been over already, within the leeway
}

result<const namespace_options*> doorkeeper::rules_of(std::string_view group) const {
    if (!valid_group_name(group)) return fail(errc::bad_request, "channel");
    const auto* rules = parts_.namespaces.now().of_group(group);
    if (rules == nullptr) return fail(errc::unknown_channel);
    return rules;
}

// -- connect

void doorkeeper::connect(connect_question what, answer<connect_grant> done) {
    if (!what.token.empty()) return connect_by_token(std::move(what), std::move(done));
    const auto id = what.known ? what.known->get(scope_field::user_id) : std::string_view();
    if (!id.empty()) {
        connect_grant grant;
        if (const auto claims = parse_json(what.known->get(scope_field::user_json));
            claims && claims->is_object()) {
            if (auto read = read_connect_grant(*claims)) grant = std::move(*read);
            if (!claims->contains("expire_at")) read_seconds(*claims, "exp", grant.expire_at);
        }
        grant.user = id;
        grant.server_refresh = true;  // the client protocol did not bring this token
        if (grant.expire_at != 0) grant.expire_at = std::max(grant.expire_at, now() + 1);
        return admit(what, std::move(grant), done);
    }
    if (backend_.has(proxy::connect)) return connect_by_backend(std::move(what), std::move(done));
    connect_anonymously(what, done);
}

void doorkeeper::connect_by_token(connect_question what, answer<connect_grant> done) {
    auto token = std::move(what.token);
    parts_.tokens.verify_claims(
        std::move(token), [this, what = std::move(what), done = std::move(done)](result<user> bearer) {
            if (!bearer)
                return done(refused(note_refused(bearer.error()), no<connect_grant>(errc::token_expired),
                                    goodbye<connect_grant>(close_code::invalid_token)));
            const auto claims = parse_json(bearer->claims_json);
            auto grant = claims ? read_connect_grant(*claims) : std::nullopt;
            // A subscription's token says who may be where, not who this is.
            if (!grant || claims->contains("channel")) {
                note_refused(fail(errc::unauthorized, std::string(token_fault::claims)));
                return done(goodbye<connect_grant>(close_code::invalid_token));
            }
            grant->user = bearer->id;
            grant->expire_at = end_of(*claims, *bearer, grant->expire_at);
            grant->server_refresh = backend_.has(proxy::refresh);
            admit(what, std::move(*grant), done);
        });
}

void doorkeeper::connect_by_backend(connect_question what, answer<connect_grant> done) {
    backend_question question(what.client, what.transport);
    if (!what.name.empty()) question.add_text("name", what.name);
    if (!what.version.empty()) question.add_text("version", what.version);
    question.add_json("data", what.data);
    if (!what.groups.empty()) question.add_json("channels", json_text(nlohmann::json(what.groups)));
    const auto headers = backend_.copied(what.known.get(), what.headers);
    backend_.ask(proxy::connect, std::move(question).done(), headers,
                 [this, what = std::move(what), done = std::move(done)](verdict<nlohmann::json> said) {
                     if (!said.yes) return done(pass_on<connect_grant>(std::move(said)));
                     if (said.yes->is_null()) return connect_anonymously(what, done);
                     auto grant = read_connect_grant(*said.yes);
                     if (!grant || !read_text(*said.yes, "user", grant->user) || grant->user.size() > 255)
                         return done(malformed_answer<connect_grant>(parts_.counts, "connect"));
                     grant->server_refresh = backend_.has(proxy::refresh);
                     admit(what, std::move(*grant), done);
                 });
}

void doorkeeper::connect_anonymously(const connect_question& what, const answer<connect_grant>& done) {
    if (!parts_.settings.client_anonymous) return done(goodbye<connect_grant>(close_code::bad_request));
    admit(what, {}, done);
}

void doorkeeper::admit(const connect_question& what, connect_grant grant, const answer<connect_grant>& done) {
    if (grant.expire_at != 0 && grant.expire_at <= now()) return done(no<connect_grant>(errc::expired));
    for (const auto& each : grant.groups)
        if (const auto rules = rules_of(each.group); !rules)
            return done(no<connect_grant>(rules.error().code, each.group));
    add_wanted(what, grant);
    done(yes(std::move(grant)));
}

// A unidirectional client cannot subscribe later: it names the groups it wants when it connects, and gets
// those that it could subscribe to by itself; the others it does without.
void doorkeeper::add_wanted(const connect_question& what, connect_grant& grant) const {
    if (!is_unidirectional(what.transport)) return;
    for (const auto& group : what.groups) {
        const auto rules = rules_of(group);
        if (!rules || (*rules)->subscribe_proxy) continue;
        const bool allowed = is_user_limited(**rules, group)
                                 ? is_listed(group, grant.user)
                                 : permits((*rules)->allow_subscribe, grant.user, false);
        const auto there = [&](const auto& each) { return each.group == group; };
        if (allowed && std::none_of(grant.groups.begin(), grant.groups.end(), there))
            grant.groups.push_back({group, {}});
    }
}

// -- refresh

void doorkeeper::refresh(const known_client& who, std::string token, answer<refresh_grant> done) {
    if (token.empty()) {
        if (backend_.has(proxy::refresh)) return ask_refresh(proxy::refresh, who, {}, std::move(done));
        return done(goodbye<refresh_grant>(close_code::expired));
    }
    parts_.tokens.verify_claims(
        std::move(token), [this, id = who.who.user, done = std::move(done)](result<user> bearer) {
            if (!bearer)
                return done(refused(note_refused(bearer.error()), goodbye<refresh_grant>(close_code::expired),
                                    goodbye<refresh_grant>(close_code::invalid_token)));
            const auto claims = parse_json(bearer->claims_json);
            const auto grant = claims ? read_connect_grant(*claims) : std::nullopt;
            if (!grant || claims->contains("channel") || bearer->id != id) {
                note_refused(fail(errc::unauthorized,
                                  std::string(grant ? token_fault::subject : token_fault::claims)));
                return done(goodbye<refresh_grant>(close_code::invalid_token));
            }
            const auto end = end_of(*claims, *bearer, grant->expire_at);
            if (end != 0 && end <= now()) return done(goodbye<refresh_grant>(close_code::expired));
            done(yes(refresh_grant{end, grant->conn_info}));
        });
}

void doorkeeper::ask_refresh(proxy which, const known_client& who, std::string_view group,
                             answer<refresh_grant> done) {
    backend_question question(who);
    if (which == proxy::sub_refresh) question.add_text("channel", group);
    backend_.ask(which, std::move(question).done(), backend_.copied(who.known.get(), who.headers),
                 [this, which, done = std::move(done)](verdict<nlohmann::json> said) {
                     const bool connection = which == proxy::refresh;
                     if (!said.yes) return done(pass_on<refresh_grant>(std::move(said)));
                     const auto result = object_of(said);
                     refresh_grant grant;
                     auto info = read_json_member(result, "info");
                     if (!info || !read_seconds(result, "expire_at", grant.expire_at))
                         return done(malformed_answer<refresh_grant>(parts_.counts,
                                                                     connection ? "refresh" : "sub_refresh"));
                     if (flag(result, "expired") || (grant.expire_at != 0 && grant.expire_at <= now()))
                         return done(connection ? goodbye<refresh_grant>(close_code::expired)
                                                : no<refresh_grant>(errc::expired));
                     grant.conn_info = std::move(*info);
                     done(yes(std::move(grant)));
                 });
}

// -- subscribe

std::optional<disconnect_verdict> doorkeeper::mismatch(const nlohmann::json& claims, const user& bearer,
                                                       const known_client& who,
                                                       std::string_view group) const {
    std::string channel, client;
    if (read_text(claims, "channel", channel) && read_text(claims, "client", client) && channel == group &&
        bearer.id == who.who.user && (client.empty() || client == who.who.client))
        return std::nullopt;
    note_refused(fail(errc::unauthorized, std::string(token_fault::claims)));
    return disconnect_verdict{close_code::invalid_token,
                              std::string(close_code::reason(close_code::invalid_token))};
}

void doorkeeper::subscribe(const known_client& who, subscribe_question what,
                           answer<subscription_grant> done) {
    const auto rules = rules_of(what.group);
    if (!rules) return done(no<subscription_grant>(rules.error().code, rules.error().detail));
    if (!what.token.empty()) return subscribe_by_token(who, std::move(what), std::move(done));
    if (is_user_limited(**rules, what.group)) {
        if (is_listed(what.group, who.who.user)) return done(yes(subscription_grant{}));
        return done(no<subscription_grant>(errc::permission_denied));
    }
    if ((*rules)->subscribe_proxy) {
        if (backend_.has(proxy::subscribe)) return subscribe_by_backend(who, what, std::move(done));
        return done(no<subscription_grant>(errc::not_available, "subscribe_proxy"));
    }
    if (permits((*rules)->allow_subscribe, who.who.user, false)) return done(yes(subscription_grant{}));
    done(no<subscription_grant>(errc::permission_denied));
}

void doorkeeper::subscribe_by_token(known_client who, subscribe_question what,
                                    answer<subscription_grant> done) {
    auto token = std::move(what.token);
    parts_.tokens.verify_claims(std::move(token), [this, who = std::move(who), group = std::move(what.group),
                                                   done = std::move(done)](result<user> bearer) {
        if (!bearer)
            return done(refused(note_refused(bearer.error()), no<subscription_grant>(errc::token_expired),
                                no<subscription_grant>(errc::permission_denied)));
        const auto claims = parse_json(bearer->claims_json);
        auto grant = claims ? read_subscription_grant(*claims) : std::nullopt;
        if (!grant || !claims->contains("channel")) {
            note_refused(fail(errc::unauthorized, std::string(token_fault::claims)));
            return done(no<subscription_grant>(errc::permission_denied));
        }
        if (auto wrong = mismatch(*claims, *bearer, who, group)) {
            auto refused = no<subscription_grant>(errc::permission_denied);
            refused.goodbye = std::move(wrong);
            return done(std::move(refused));
        }
        grant->expire_at = end_of(*claims, *bearer, grant->expire_at);
        if (grant->expire_at != 0 && grant->expire_at <= now())
            return done(no<subscription_grant>(errc::expired));
        grant->server_refresh = backend_.has(proxy::sub_refresh);
        done(yes(std::move(*grant)));
    });
}

void doorkeeper::subscribe_by_backend(const known_client& who, const subscribe_question& what,
                                      answer<subscription_grant> done) {
    backend_question question(who);
    question.add_text("channel", what.group);
    question.add_json("data", what.data);
    backend_.ask(proxy::subscribe, std::move(question).done(), backend_.copied(who.known.get(), who.headers),
                 [this, done = std::move(done)](verdict<nlohmann::json> said) {
                     if (!said.yes) return done(pass_on<subscription_grant>(std::move(said)));
                     auto grant = read_subscription_grant(object_of(said));
                     if (!grant)
                         return done(malformed_answer<subscription_grant>(parts_.counts, "subscribe"));
                     if (grant->expire_at != 0 && grant->expire_at <= now())
                         return done(no<subscription_grant>(errc::expired));
                     grant->server_refresh = backend_.has(proxy::sub_refresh);
                     done(yes(std::move(*grant)));
                 });
}

void doorkeeper::sub_refresh(const known_client& who, std::string group, std::string token,
                             answer<refresh_grant> done) {
    if (const auto rules = rules_of(group); !rules)
        return done(no<refresh_grant>(rules.error().code, rules.error().detail));
    if (token.empty()) {
        if (backend_.has(proxy::sub_refresh))
            return ask_refresh(proxy::sub_refresh, who, group, std::move(done));
        return done(no<refresh_grant>(errc::expired));
    }
    parts_.tokens.verify_claims(
        std::move(token), [this, who, group = std::move(group), done = std::move(done)](result<user> bearer) {
            if (!bearer)
                return done(refused(note_refused(bearer.error()), no<refresh_grant>(errc::expired),
                                    goodbye<refresh_grant>(close_code::invalid_token)));
            const auto claims = parse_json(bearer->claims_json);
            const auto grant = claims ? read_subscription_grant(*claims) : std::nullopt;
            if (!grant || mismatch(*claims, *bearer, who, group))
                return done(goodbye<refresh_grant>(close_code::invalid_token));
            const auto end = end_of(*claims, *bearer, grant->expire_at);
            if (end != 0 && end <= now()) return done(no<refresh_grant>(errc::expired));
            done(yes(refresh_grant{end, grant->chan_info}));
        });
}

// -- publish, rpc, presence, history

void doorkeeper::publish(const known_client& who, std::string group, bool subscribed, std::string data,
                         answer<publish_grant> done) {
    const auto rules = rules_of(group);
    if (!rules) return done(no<publish_grant>(rules.error().code, rules.error().detail));
    if (!(*rules)->publish_proxy) {
        if (allowed((*rules)->allow_publish, **rules, who, group, subscribed))
            return done(yes(publish_grant{}));
        return done(no<publish_grant>(errc::permission_denied));
    }
    if (!backend_.has(proxy::publish)) return done(no<publish_grant>(errc::not_available, "publish_proxy"));
    backend_question question(who);
    question.add_text("channel", group);
    question.add_json("data", data);
    backend_.ask(proxy::publish, std::move(question).done(), backend_.copied(who.known.get(), who.headers),
                 [this, done = std::move(done)](verdict<nlohmann::json> said) {
                     if (!said.yes) return done(pass_on<publish_grant>(std::move(said)));
                     const auto result = object_of(said);
                     auto replaced = read_json_member(result, "data");
                     if (!replaced) return done(malformed_answer<publish_grant>(parts_.counts, "publish"));
                     done(yes(publish_grant{std::move(*replaced), flag(result, "skip_history")}));
                 });
}

void doorkeeper::rpc(const known_client& who, std::string method, std::string data, answer<rpc_answer> done) {
    if (parts_.handlers && parts_.handlers->call(who, method, data, done)) return;
    if (!backend_.has(proxy::rpc)) return done(no<rpc_answer>(errc::method_not_found));
    backend_question question(who);
    question.add_text("method", method);
    question.add_json("data", data);
    backend_.ask(proxy::rpc, std::move(question).done(), backend_.copied(who.known.get(), who.headers),
                 [this, done = std::move(done)](verdict<nlohmann::json> said) {
                     if (!said.yes) return done(pass_on<rpc_answer>(std::move(said)));
                     auto data = read_json_member(object_of(said), "data");
                     if (!data) return done(malformed_answer<rpc_answer>(parts_.counts, "rpc"));
                     done(yes(rpc_answer{std::move(*data)}));
                 });
}

result<void> doorkeeper::may_see_presence(const known_client& who, std::string_view group, bool subscribed) {
    const auto rules = rules_of(group);
    if (!rules) return rules.error();
    if (!(*rules)->presence) return fail(errc::not_available);
    if (!allowed((*rules)->allow_presence, **rules, who, group, subscribed))
        return fail(errc::permission_denied);
    return {};
}

result<void> doorkeeper::may_see_history(const known_client& who, std::string_view group, bool subscribed) {
    const auto rules = rules_of(group);
    if (!rules) return rules.error();
    if (!(*rules)->keeps_history()) return fail(errc::not_available);
    if (!allowed((*rules)->allow_history, **rules, who, group, subscribed))
        return fail(errc::permission_denied);
    return {};
}

}  // namespace madang
