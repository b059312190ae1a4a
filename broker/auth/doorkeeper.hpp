// The gatekeeper: tokens first, then who the HTTP request was known to be, then the backend, then the
// namespace's rules.
//
// connect:   token -> the HTTP request's verified user -> connect proxy -> anonymous (client_anonymous)
// subscribe: token -> user-limited ("#a,b") -> subscribe proxy -> allow_subscribe -> 103
// publish:   publish proxy -> allow_publish -> 103
// rpc:       a plugin's handler -> rpc proxy -> 104
//
// A bad connection token ends the connection (3500), an expired one is error 109; a bad subscription token is
// 103, an expired one 109, one for somebody else or another group ends the connection. A refresh with an
// expired token ends it with 3005 (a subscription's is error 110), with a bad one or another user's with
// 3500.
#pragma once

#include "broker/auth/backend.hpp"
#include "broker/auth/jwt.hpp"
#include "broker/core/gatekeeper.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/reloadable.hpp"

namespace madang {

// What a doorkeeper needs; all of it outlives it.
struct doorkeeper_parts {
    const options& settings;
    const reloadable<namespace_table>& namespaces;
    const jwt_verifier& tokens;
    http_fetcher& fetcher;
    const clock_source& clock;
    metrics_shard& counts;         // only labelled counters: any thread's
    rpc_port* handlers = nullptr;  // null: no plugin answers rpc
};

// Any thread; immutable but for what the backend remembers. The fetcher must have ended before *this is
// destroyed.
class doorkeeper final : public gatekeeper {
  public:
    explicit doorkeeper(doorkeeper_parts parts);

    void connect(connect_question what, answer<connect_grant> done) override;
    void refresh(const known_client& who, std::string token, answer<refresh_grant> done) override;
    void subscribe(const known_client& who, subscribe_question what,
                   answer<subscription_grant> done) override;
    void sub_refresh(const known_client& who, std::string group, std::string token,
                     answer<refresh_grant> done) override;
    void publish(const known_client& who, std::string group, bool subscribed, std::string data,
                 answer<publish_grant> done) override;
    void rpc(const known_client& who, std::string method, std::string data, answer<rpc_answer> done) override;
    result<void> may_see_presence(const known_client& who, std::string_view group, bool subscribed) override;
    result<void> may_see_history(const known_client& who, std::string_view group, bool subscribed) override;

  private:
    void connect_by_token(connect_question what, answer<connect_grant> done);
    void connect_by_backend(connect_question what, answer<connect_grant> done);
    void connect_anonymously(const connect_question& what, const answer<connect_grant>& done);
    // What the grant says, made good for this connection; the last step of every way in.
    void admit(const connect_question& what, connect_grant grant, const answer<connect_grant>& done);
    void add_wanted(const connect_question& what, connect_grant& grant) const;

    void subscribe_by_token(known_client who, subscribe_question what, answer<subscription_grant> done);
    void subscribe_by_backend(const known_client& who, const subscribe_question& what,
                              answer<subscription_grant> done);
    // Of a token that is for this client and group; else how it is refused.
    std::optional<disconnect_verdict> mismatch(const nlohmann::json& claims, const user& bearer,
                                               const known_client& who, std::string_view group) const;
    void ask_refresh(proxy which, const known_client& who, std::string_view group,
                     answer<refresh_grant> done);
    result<const namespace_options*> rules_of(std::string_view group) const;

    std::int64_t now() const;  // Unix seconds
    // When what a token grants ends, by its expire_at, else its exp; 0: never.
    std::int64_t end_of(const nlohmann::json& claims, const user& bearer, std::int64_t expire_at) const;
    error note_refused(const error& why) const;  // counts and logs a token's fault, and gives it back

    doorkeeper_parts parts_;
    backend backend_;
};

}  // namespace madang
