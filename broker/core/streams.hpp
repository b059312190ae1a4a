// What can be done with a group's stream and with who is in it: the seam between those who ask (plugins,
// client sessions, the HTTP API) and those who do it (actors/, storage/).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/namespaces.hpp"
#include "broker/core/publication.hpp"
#include "broker/core/result.hpp"

namespace madang {

struct publish_request {
    std::string group;
    payload data;  // JSON; anything else is bad_request
    std::shared_ptr<const publication_extra> extra;
    std::string idempotency_key;  // a second publish with it within 5 minutes is answered like the first, and
                                  // not sent
    bool skip_history = false;    // live only
};

struct history_request {
    std::string group;
    // 0: the position only. The most that is answered is all that is kept.
    std::size_t limit = 0;
    // Publications behind it (in reverse: before it), not itself. Nothing: from the oldest (newest).
    std::optional<position> since;
    bool reverse = false;
};
struct history_page {
    position top;                           // of the stream now
    std::vector<publication> publications;  // in the order asked for
};

struct presence_request {
    std::string group;
    std::size_t limit = 1000;  // at most so many; pages: ask again with `after` = the last one's client
    std::string after;         // by client id, ascending
};
struct present_client {
    client_info who;
    std::int64_t since_ms = 0;  // Unix time
};
struct presence_page {
    std::vector<present_client> clients;
    bool more = false;
};
struct presence_counts {
    std::uint64_t clients = 0;
    std::uint64_t users = 0;  // several connections of one user are one; each anonymous connection is one
};
struct last_seen_entry {
    std::string user;
    std::int64_t time_ms = 0;  // when the user's last connection left the group; those present are not listed
};

// Which connections a server's command means. Empty members mean any; all empty: none.
struct client_selector {
    std::string user;
    std::string client;
    std::string session;
};
struct client_command {
    enum class verb : std::uint8_t { subscribe, unsubscribe, disconnect, refresh };
    verb what = verb::disconnect;
    std::string group;                      // subscribe, unsubscribe ("": every group)
    std::string info;                       // subscribe: chan_info
    std::string data;                       // subscribe: told to the client
    std::optional<position> since;          // subscribe: recover from there
    std::optional<std::int64_t> expire_at;  // subscribe, refresh: Unix seconds; 0: never
    bool expired = false;                   // refresh: now
    std::uint16_t code = 0;                 // unsubscribe, disconnect; 0: the usual one
    std::string reason;
    std::vector<std::string> whitelist;  // disconnect: clients that stay
};

struct node_figures {
    std::string id;
    std::string name;
    std::string version;
    std::uint64_t clients = 0;
    std::uint64_t users = 0;  // different ones
    std::uint64_t subscriptions = 0;
    std::uint64_t groups = 0;
    std::chrono::seconds uptime{0};
};

// Any thread; never blocks. An answer comes exactly once (but not after the server stopped), at once or
// later, on any thread; it must not block and is cheap: whoever belongs to a loop posts there. A null answer
// function: nobody asks. Errors: bad_request (names, JSON), not_available (history or presence is off for
// that namespace), unrecoverable_position, busy (a bounded queue is full), storage_full, storage_failed.
class stream_port {
  public:
    template <class T>
    using answer = std::function<void(result<T>)>;

    // The position is {"", 0} where no history is kept. Answered when it is as durable as its namespace asks,
    // and only then do members receive it.
    virtual void publish(publish_request what, answer<position> done) = 0;
    virtual void history(history_request what, answer<history_page> done) = 0;
    // Keeps epoch and offset.
    virtual void remove_history(std::string group, answer<position> done) = 0;
    virtual void presence(presence_request what, answer<presence_page> done) = 0;
    virtual void presence_stats(std::string group, answer<presence_counts> done) = 0;
    // Newest first, at most `limit`.
    virtual void last_seen(std::string group, std::size_t limit,
                           answer<std::vector<last_seen_entry>> done) = 0;
    // Groups with members, by glob pattern ("" is all), with their number of connections; at most `limit`.
    virtual void groups(std::string pattern, std::size_t limit,
                        answer<std::map<std::string, std::uint64_t>> done) = 0;
    // How many connections did it.
    virtual void command(client_selector whom, client_command what, answer<std::size_t> done) = 0;
    virtual void figures(answer<std::vector<node_figures>> done) = 0;
    // As they are now. A reload gives others; what was given stays, and every name in it is in them.
    virtual const namespace_table& namespaces() const noexcept = 0;

  protected:
    ~stream_port() = default;
};

}  // namespace madang
