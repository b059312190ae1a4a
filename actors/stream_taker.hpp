// The streams of groups that a loop is home of and that became this node's: whoever touches one before it
// came waits for it. No actors, no clock.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "actors/hand_over.hpp"

namespace madang {

// One thread.
class stream_taker {
  public:
    struct limits {
        std::int64_t patience_ms = 5'000;  // without a piece; 0: nothing is taken
        std::size_t waiting = 8'192;       // requests
        std::size_t bytes = 16 * 1024 * 1024;
    };
    stream_taker(hand_over_host& host, limits most) : host_(host), limits_(most) {}

    // -- Views and links, in this order. A link's number is 0 while there is none.
    void end_all(std::string_view reason);                     // nothing more can be known to be whole
    void end_peer(std::size_t peer, std::string_view reason);  // it is dead, or another process
    void no_longer_owned(const std::function<bool(std::uint32_t shard)>& owned);
    void gained(const shard_move& what);
    void link_is(std::size_t peer, std::uint64_t link);

    // Whether `go` may be done now; otherwise it is called later, in its turn: also when the group is another
    // node's by then.
    enum class verdict : std::uint8_t { now, later, refused };
    verdict hold(const std::string& group, std::size_t bytes, std::function<void()> go);
    // Requests wait for the group's stream, or it is just coming.
    bool awaits(const std::string& group) const { return awaited_.contains(group); }
    // Whoever touches the stream has to hold().
    bool concerns(const std::string& group) const { return awaits(group) || source_of(group) != nullptr; }
    // Not all of its streams have come.
    bool is_taking(std::uint32_t shard) const { return sources_.contains(shard); }

    void came(std::size_t peer, peer_parcels::handed&& what);
    void came(std::size_t peer, const peer_parcels::given_all& what);
    void expire();  // those whose patience is over

  private:
    struct move {
        std::size_t peer = 0;
        view_name before, now;
        std::uint64_t link = 0;
        std::set<std::uint64_t> given;  // by the giver's loops
    };
    struct source {
        std::uint64_t move = 0;  // its key in moves_
        std::uint64_t tenure = 0;
    };
    struct awaiting {
        std::uint64_t move = 0;
        std::int64_t until_ms = 0;
        std::deque<std::function<void()>> waiting;
        std::size_t bytes = 0;
        // Of what is coming
        bool coming = false;
        bool storing = false;
        std::uint64_t ticket = 0;
        std::uint64_t next_piece = 0;
        std::uint64_t run_begins = 0, run_ends = 0;  // publications without a gap
        std::string meanwhile;
        std::uint64_t life = 0;  // tells it from another of that group
    };
    using entry = std::unordered_map<std::string, awaiting>::iterator;

    const source* source_of(const std::string& group) const;
    entry await(const std::string& group, std::uint64_t move);
    void ask(const std::string& group, const move& of);
    void stored(const std::string& group, std::uint64_t life, std::size_t peer,
                const peer_parcels::took& told, bool last, const store_answer& answer);
    void anew(entry which, std::string_view reason);
    void release(entry which);
    void end(std::uint64_t move, std::string_view reason);

    hand_over_host& host_;
    const limits limits_;
    std::map<std::uint64_t, move> moves_;
    std::unordered_map<std::uint32_t, source> sources_;  // by shard
    std::unordered_map<std::string, awaiting> awaited_;
    std::size_t waiting_ = 0, bytes_ = 0;
    std::uint64_t next_ = 1;
};

}  // namespace madang
