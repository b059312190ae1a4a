// What a client session needs of its connection and its loop. actors/ implements it; tests use a fake.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/gatekeeper.hpp"
#include "broker/core/publication.hpp"
#include "broker/core/streams.hpp"

namespace madang {

// What a group's members receive, for those sessions that look at it themselves (see client_port::subscribe).
struct group_news {
    enum class kind : std::uint8_t { publication, join, leave };
    kind what = kind::publication;
    publication published;                   // kind::publication
    std::shared_ptr<const client_info> who;  // kind::join, kind::leave
};

struct subscribe_spec {
    bool presence = false;                  // enter the group's presence
    bool join_leave = false;                // and tell the others
    bool positioned = false;                // the answer has the stream's position
    std::optional<position> recover_since;  // epoch "" matches any
    bool cache = false;                     // recover the latest only
    std::size_t recover_limit = 300;
    client_info who;
};
struct subscribed {
    std::optional<position> top;  // when the group's namespace keeps history
    bool recovered = false;
    std::vector<publication> missed;
};

enum class session_timer : std::uint8_t { connect, ping, pong, expiry, subscription_expiry };

// Everything on the session's loop. Answers come from a later turn, never from within, and not after the
// session ended.
class client_port {
  public:
    template <class T>
    using answer = std::function<void(result<T>)>;
    template <class T>
    using gate_answer = std::function<void(verdict<T>)>;

    // Whole lines without the last newline: one WebSocket text frame.
    virtual void send(std::string_view lines) = 0;
    // Ends the connection; the session hears no more but ended().
    virtual void disconnect(std::uint16_t code, std::string_view reason) = 0;

    // Joins the group. From then on its news come to client_session::on_news, until go_live; then
    // publications (and joins and leaves, if `joins`) go to the client as pushes without asking the session.
    virtual void subscribe(std::string_view group, const subscribe_spec& how, answer<subscribed> done) = 0;
    virtual void go_live(std::string_view group, bool joins) = 0;
    virtual void unsubscribe(std::string_view group) = 0;

    // Restarts it; a negative delay stops it.
    virtual void set_timer(session_timer which, std::chrono::milliseconds delay) = 0;
    virtual std::int64_t now_ms() const = 0;  // Unix time
    virtual double random() = 0;              // [0, 1)

    // stream_port's and gatekeeper's, with the answer on this loop.
    virtual void publish(publish_request what, answer<position> done) = 0;
    virtual void history(history_request what, answer<history_page> done) = 0;
    virtual void presence(presence_request what, answer<presence_page> done) = 0;
    virtual void presence_stats(std::string group, answer<presence_counts> done) = 0;
    virtual void ask_connect(connect_question what, gate_answer<connect_grant> done) = 0;
    virtual void ask_refresh(const known_client& who, std::string token, gate_answer<refresh_grant> done) = 0;
    virtual void ask_subscribe(const known_client& who, subscribe_question what,
                               gate_answer<subscription_grant> done) = 0;
    virtual void ask_sub_refresh(const known_client& who, std::string group, std::string token,
                                 gate_answer<refresh_grant> done) = 0;
    virtual void ask_publish(const known_client& who, std::string group, bool subscribed, std::string data,
                             gate_answer<publish_grant> done) = 0;
    virtual void ask_rpc(const known_client& who, std::string method, std::string data,
                         gate_answer<rpc_answer> done) = 0;
    virtual result<void> may_see_presence(const known_client& who, std::string_view group,
                                          bool subscribed) = 0;
    virtual result<void> may_see_history(const known_client& who, std::string_view group,
                                         bool subscribed) = 0;
    virtual const namespace_table& namespaces() const noexcept = 0;

    // A message without an answer ("send"): to whoever wants it.
    virtual void on_message(const known_client& who, std::string_view data) = 0;

  protected:
    ~client_port() = default;
};

}  // namespace madang
