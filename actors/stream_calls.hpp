// Questions about a group's stream that another node owns: asked there, and answered as if they were this
// node's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "actors/peer_mail.hpp"
#include "broker/core/streams.hpp"

namespace madang {

// What waits for other nodes' answers. Any thread.
class stream_calls {
  public:
    static constexpr std::size_t limit = 65'536;  // that wait; more: busy

    using answer = std::function<void(result<std::string> body)>;
    // The parcel to be sent to that peer over that link; nothing when too many wait (then `done` was called).
    std::optional<peer_parcels::call> ask(std::size_t peer, std::uint64_t link, std::string group,
                                          peer_parcels::call::verb what, std::string body, answer done);
    void came(std::size_t peer, std::uint64_t link, peer_parcels::told&& what);
    void refused(std::uint64_t ticket, error why);  // it could not be sent
    // Those whose link is gone are answered busy.
    void links_changed(const std::function<bool(std::size_t peer, std::uint64_t link)>& stands);

  private:
    struct waiting {
        std::size_t peer;
        std::uint64_t link;
        answer done;
    };
    std::mutex mutex_;
    std::uint64_t next_ = 1;
    std::map<std::uint64_t, waiting> waiting_;
};

// The forms of requests and answers, by verb: see peer_parcels::call. Errors: bad_request.
template <class Value>
std::string to_call_body(const Value& what);
template <class Value>
result<Value> from_call_body(std::string_view body);

struct last_seen_question {
    std::string group;
    std::size_t limit = 0;
};
struct groups_question {
    std::string pattern;
    std::size_t limit = 0;
};
// With their numbers of connections.
using groups_answer = std::vector<std::pair<std::string, std::uint64_t>>;
struct command_question {
    client_selector whom;
    client_command what;
};
// Commands of an emulated session that came in at another node than its own.
struct session_mail {
    std::string session;
    std::string text;
};
enum class session_mail_outcome : std::uint8_t { delivered, full, unknown };
struct figures_answer {
    node_figures all;  // but for its uptime
    std::int64_t uptime_s = 0;
};

}  // namespace madang
