// Who somebody is and what they may do: the seam between client sessions, which ask, and broker/auth, which
// knows tokens, sessions, namespaces and the user's own backend.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/core/publication.hpp"
#include "broker/core/result.hpp"
#include "broker/core/scope.hpp"

namespace madang {

// A question's answer is a value, an error for the one command, or the end of the connection.
struct disconnect_verdict {
    std::uint16_t code = 0;
    std::string reason;
};
template <class T>
struct verdict {
    std::optional<T> yes;
    error no;  // when !yes && !goodbye; wire_code and message override it when a backend chose them
    std::uint16_t wire_code = 0;
    std::string message;
    std::optional<disconnect_verdict> goodbye;
};

// A subscription as granted, by a token, a backend or the namespace.
struct subscription_grant {
    std::string chan_info;       // JSON or ""
    std::string data;            // JSON for the client, or ""
    std::int64_t expire_at = 0;  // Unix seconds; 0: never
    // What the namespace says is overridden where these are set.
    std::optional<bool> presence;
    std::optional<bool> join_leave;
    std::optional<bool> recovery;
    std::optional<bool> positioning;
    // When it expires, sub_refresh is asked without a token, and the client is not told that it expires.
    // False: the client is told, and brings a fresh token.
    bool server_refresh = false;
};

// A connection as it presents itself.
struct connect_question {
    std::string client;     // its id
    std::string transport;  // "websocket", "http_stream", "sse", "uni_…"
    std::string token;
    std::string data;  // JSON or ""
    std::string name;
    std::string version;
    std::vector<std::string> groups;                           // server-side subscriptions it wants back
    std::vector<std::pair<std::string, std::string>> headers;  // the connect command's own (emulated) headers
    std::shared_ptr<const scope> known;  // of its HTTP request; its user, if any, was verified there
};
struct server_subscription {
    std::string group;
    subscription_grant grant;
};
struct connect_grant {
    std::string user;       // "" anonymous
    std::string conn_info;  // JSON or ""
    std::string data;       // JSON or ""
    std::string meta;       // JSON or ""; for proxies, never told to clients
    std::int64_t expire_at = 0;
    std::vector<server_subscription> groups;
    bool server_refresh = false;  // as for a subscription, with refresh
};

// A connection as it is known after connect: what the other questions begin with.
struct known_client {
    client_info who;
    std::string transport;
    std::string meta;
    std::shared_ptr<const scope> known;
    std::vector<std::pair<std::string, std::string>> headers;  // the connect command's own
};

struct subscribe_question {
    std::string group;
    std::string token;
    std::string data;
};
struct refresh_grant {
    std::int64_t expire_at = 0;
    std::string conn_info;  // "": as before
};
struct publish_grant {
    std::string data;  // in place of the client's, or ""
    bool skip_history = false;
};
struct rpc_answer {
    std::string data;  // JSON or ""
};

// Any thread; answers exactly once, at once or later, on any thread (see stream_port).
class gatekeeper {
  public:
    template <class T>
    using answer = std::function<void(verdict<T>)>;

    virtual void connect(connect_question what, answer<connect_grant> done) = 0;
    // token "": its time is over, and the client has no part in it (server_refresh).
    virtual void refresh(const known_client& who, std::string token, answer<refresh_grant> done) = 0;
    virtual void subscribe(const known_client& who, subscribe_question what,
                           answer<subscription_grant> done) = 0;
    virtual void sub_refresh(const known_client& who, std::string group, std::string token,
                             answer<refresh_grant> done) = 0;
    virtual void publish(const known_client& who, std::string group, bool subscribed, std::string data,
                         answer<publish_grant> done) = 0;
    // To a plugin's handler if one has that method, else to the backend.
    virtual void rpc(const known_client& who, std::string method, std::string data,
                     answer<rpc_answer> done) = 0;
    // At once: namespace rules only. errc::unknown_channel, permission_denied, not_available.
    virtual result<void> may_see_presence(const known_client& who, std::string_view group,
                                          bool subscribed) = 0;
    virtual result<void> may_see_history(const known_client& who, std::string_view group,
                                         bool subscribed) = 0;

  protected:
    ~gatekeeper() = default;
};

// A plugin's answers to rpc: method -> handler. The gatekeeper is given one.
class rpc_port {
  public:
    // False: there is no such method; `done` is not called then.
    virtual bool call(const known_client& who, std::string_view method, std::string_view data,
                      gatekeeper::answer<rpc_answer> done) = 0;

  protected:
    ~rpc_port() = default;
};

}  // namespace madang
