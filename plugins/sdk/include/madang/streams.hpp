// What is kept of groups and who is in them: what the layer's publish, history, presence and last_seen take
// and answer. What an answer holds is borrowed for the call that brings it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "madang/payload.hpp"
#include "madang/streams.h"

namespace madang {

// Another epoch: offsets count something else now. Offset 0: before the first publication, or nothing is
// kept.
struct Position {
    std::string epoch;                                                   // which life of the stream
    std::uint64_t offset = 0;                                            // which publication of that life
    friend bool operator==(const Position&, const Position&) = default;  // the same place
};

// A member of a group.
struct ClientInfo {
    std::string_view client;          // a consumer's is its channel name
    std::string_view user;            // "" for an anonymous user
    std::string_view conn_info = {};  // what its token says of the connection: JSON or ""
    std::string_view chan_info = {};  // what its token says of it in this group: JSON or ""
};
using Tag = std::pair<std::string_view, std::string_view>;  // name and value, of a publication

// Why there is no answer: code 0: there is one. Otherwise as in the client protocol: 102 no such namespace,
// 107 bad request, 108 history or presence is off, 112 the position is not kept any more, 503 busy, 530 the
// disk is full, ...
struct Answer {
    std::uint32_t code = 0;                                        // 0: there is an answer
    std::string_view message = {};                                 // for people, of what went wrong
    explicit operator bool() const noexcept { return code == 0; }  // there is an answer
};

namespace detail {
inline ClientInfo from_abi(const madang_client_info& who) noexcept {
    return {from_abi(who.client), from_abi(who.user), from_abi(who.conn_info), from_abi(who.chan_info)};
}
inline madang_client_info to_abi(const ClientInfo& who) noexcept {
    return {to_abi(who.client), to_abi(who.user), to_abi(who.conn_info), to_abi(who.chan_info)};
}
}  // namespace detail

// What was published to a group. Borrowed for the call that brings it.
class Publication {
  public:
    // By the SDK, of what the ABI passed.
    Publication(const Host& host, const madang_publication& what) noexcept : host_(&host), what_(what) {}

    std::string_view bytes() const noexcept { return payload().bytes(); }  // one JSON value
    PayloadRef payload() const noexcept { return {*host_, what_.data}; }   // to keep it, or to send it on
    std::uint64_t offset() const noexcept { return what_.offset; }         // 0: not kept
    std::int64_t time_ms() const noexcept { return what_.time_ms; }        // Unix time
    // Who published it; nothing: the server.
    std::optional<ClientInfo> info() const noexcept {
        if (what_.has_info == 0) return std::nullopt;
        return detail::from_abi(what_.info);
    }
    // As given when it was published, in that order.
    std::vector<Tag> tags() const {
        std::vector<Tag> list;
        for (std::size_t i = 0; i < what_.tags_count; ++i)
            list.emplace_back(detail::from_abi(what_.tags[i].name), detail::from_abi(what_.tags[i].value));
        return list;
    }

  private:
    const Host* host_;
    madang_publication what_;
};

// How something is published.
struct PublishOptions {
    bool skip_history = false;              // live only
    std::string_view idempotency_key = {};  // again within 5 minutes: answered like the first, and not sent
    std::optional<ClientInfo> info = {};    // on whose behalf; nothing: the server's
    std::vector<Tag> tags = {};             // travel with it
};
// publish's answer.
struct Published : Answer {
    Position position;  // {"", 0} where nothing is kept
};

// Which part of a group's history.
struct HistoryQuery {
    static constexpr std::uint64_t all = UINT64_MAX;  // of limit: all that is kept
    std::uint64_t limit = all;                        // 0: the position only
    bool reverse = false;                             // newest first
    // Behind it (in reverse: before it), not itself; nothing: from the oldest (newest).
    std::optional<Position> since = {};
};
// history's answer.
struct History : Answer {
    Position top;                           // of the stream now
    std::vector<Publication> publications;  // in the order asked for
};

// Which members of a group.
struct PresenceQuery {
    std::uint64_t limit = 0;      // 0: 1000
    std::string_view after = {};  // the next page: the last client of the page before
};
// One who is there.
struct Present {
    ClientInfo who;             // the connection
    std::int64_t since_ms = 0;  // Unix time at which it joined
};
// presence's answer: one page.
struct Presence : Answer {
    std::vector<Present> clients;  // by client, ascending
    bool more = false;             // there is another page
};
// presence_stats' answer.
struct PresenceStats : Answer {
    std::uint64_t clients = 0;  // connections
    std::uint64_t users = 0;    // several connections of one user are one; each anonymous connection is one
};
// last_seen's answer.
struct LastSeen : Answer {
    // One who was there.
    struct User {
        std::string_view user;  // never "": anonymous users are not listed
        std::int64_t time_ms;   // Unix time at which the user's last connection left
    };
    std::vector<User> users;  // newest first; who is there is not listed
};

namespace detail {

inline const madang_streams& streams_of(const Host& host) {
    if (host.streams == nullptr) throw Error(MADANG_UNSUPPORTED, "this server keeps no streams");
    return *host.streams;
}

// A call with an answer: what it needs until then. Handed to the server as context and drop.
template <class Result>
struct Pending {
    using Call = std::function<void(const Result&)>;
    const Host* host;
    madang_connection* connection;
    Call call;

    static void drop(void* context) { delete static_cast<Pending*>(context); }
    // Makes the answer; then tells it. An exception of the consumer's is the end of its connection, as in any
    // of its functions.
    template <class Fill>
    static void answer(void* context, const madang_failure* failed, Fill fill) noexcept {
        const auto& self = *static_cast<const Pending*>(context);
        const auto wrong = [&](const char* what) noexcept {
            if (self.connection == nullptr) return self.host->log(Level::error, "answer_failed", what);
            self.host->api.report_error(self.connection, to_abi("answer"), to_abi(what));
            self.host->api.close(self.connection, 1011, to_abi("the consumer failed"));
        };
        try {
            Result result{};
            if (failed != nullptr) {
                result.code = failed->code;
                result.message = from_abi(failed->message);
            } else {
                fill(result, *self.host);
            }
            self.call(result);
        } catch (const std::exception& error) {
            wrong(error.what());
        } catch (...) {
            wrong("an exception that is not a std::exception");
        }
    }

    static void publish(void* context, const madang_failure* failed, madang_position where) {
        answer(context, failed, [&](Result& made, const Host&) {
            made.position = {std::string(from_abi(where.epoch)), where.offset};
        });
    }
    static void history(void* context, const madang_failure* failed, const madang_history_page* page) {
        answer(context, failed, [&](Result& made, const Host& host) {
            made.top = {std::string(from_abi(page->top.epoch)), page->top.offset};
            for (std::size_t i = 0; i < page->count; ++i)
                made.publications.emplace_back(host, page->publications[i]);
        });
    }
    static void presence(void* context, const madang_failure* failed, const madang_presence_page* page) {
        answer(context, failed, [&](Result& made, const Host&) {
            made.more = page->more != 0;
            for (std::size_t i = 0; i < page->count; ++i)
                made.clients.push_back({from_abi(page->clients[i].who), page->clients[i].since_ms});
        });
    }
    static void stats(void* context, const madang_failure* failed, const madang_presence_counts* counts) {
        answer(context, failed, [&](Result& made, const Host&) {
            made.clients = counts->clients;
            made.users = counts->users;
        });
    }
    static void last_seen(void* context, const madang_failure* failed, const madang_last_seen* users,
                          std::size_t count) {
        answer(context, failed, [&](Result& made, const Host&) {
            for (std::size_t i = 0; i < count; ++i)
                made.users.push_back({from_abi(users[i].user), users[i].time_ms});
        });
    }
};

}  // namespace detail
}  // namespace madang
