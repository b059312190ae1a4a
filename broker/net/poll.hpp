// Long polling: one GET /connection/poll is one session of the client protocol, made for the request and
// ended with its answer. This is its logic, without I/O: the request's parameters to the session's commands,
// the session's lines to the answer. docs/client-protocol-http.md has the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/position.hpp"
#include "broker/core/result.hpp"

namespace madang {

struct poll_group {
    std::string name;
    std::optional<position> since;
};

struct poll_request {
    std::vector<poll_group> groups;  // at least one, none twice
    std::string token;               // "" for none
};

// From `group` (repeatable), `since` and `token` of a query. errc::bad_request, with a sentence for the
// client; limit_exceeded.
result<poll_request> read_poll_request(std::string_view query, std::size_t most_groups);

// connect, and a subscribe for each group: the text of one frame.
std::string poll_commands(const poll_request& what);

class poll_collector {
  public:
    struct refusal {
        unsigned status;
        std::uint16_t code;  // the protocol's
        std::string message;
        std::string group;  // "" when it is not about one
    };

    // `most_bytes`: of the publications of one answer; more are left for the next poll where they are kept.
    poll_collector(poll_request what, std::size_t most_bytes);

    // One line of the session's. True: a ping, which wants a pong.
    bool on_line(std::string_view line);

    // Every group is subscribed: answer() is one.
    bool complete() const noexcept { return waiting_ == 0 && !refused_; }
    // And there is something to tell.
    bool full() const noexcept { return complete() && (found_ || lost_ || over_); }
    const std::optional<refusal>& refused() const noexcept { return refused_; }
    std::string answer() const;

  private:
    struct group_state {
        poll_group asked;
        std::optional<position> at;
        bool subscribed = false;
        bool lost = false;
        bool skipping = false;
    };

    void on_subscribed(group_state& group, std::string_view result);
    void on_connected(std::string_view result);
    void on_error(std::uint64_t id, std::string_view error);
    void on_push(std::string_view push);
    void on_publication(group_state& group, std::string_view publication);
    group_state* find(std::string_view raw_name);

    std::vector<group_state> groups_;
    const std::size_t most_bytes_;
    std::string publications_;  // with commas between
    std::size_t waiting_;
    bool found_ = false;
    bool lost_ = false;
    bool over_ = false;  // the session ends, or a subscription did
    std::optional<refusal> refused_;
};

}  // namespace madang
