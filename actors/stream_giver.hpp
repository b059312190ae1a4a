// The streams of groups that a loop is home of and that became another node's: given when that node asks for
// one, and all the others one after the other. No actors, no clock.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/hand_over.hpp"

namespace madang {

// One thread.
class stream_giver {
  public:
    static constexpr std::size_t piece_bytes = 256 * 1024;  // of records; a large one makes a larger piece
    static constexpr std::size_t at_once = 16;              // streams under way to a node
    static constexpr std::size_t looked_at_once = 1'024;    // groups of the store
    static constexpr std::size_t early_limit = 65'536;      // questions about views that are to come

    // Who did not ask for what became its own within that time does not want it: it was apart, or older.
    explicit stream_giver(hand_over_host& host, std::int64_t unasked_ms = 30'000)
        : host_(host), unasked_ms_(unasked_ms) {}

    // -- Views and links, in this order. A link's number is 0 while there is none.
    void end_all();                   // nothing is known to be whole any more
    void end_peer(std::size_t peer);  // it is dead, or another process
    void owned_again(const std::function<bool(std::uint32_t shard)>& owned);
    // `unfinished`: shards whose streams this node had not all taken itself.
    void lost(const shard_move& what, const std::function<bool(std::uint32_t shard)>& unfinished);
    void link_is(std::size_t peer, std::uint64_t link);
    void view_is(std::uint64_t number);  // at last: who asked early is answered

    void came(std::size_t peer, peer_parcels::take&& what);
    void came(std::size_t peer, peer_parcels::take_all&& what);
    void came(std::size_t peer, const peer_parcels::took& what);
    void go_on();  // what waited for credit, or for too long

  private:
    struct shard_left {
        std::uint64_t tenure = 0;
        bool unfinished = false;
    };
    struct move {
        std::size_t peer = 0;
        view_name before, now;
        std::uint64_t link = 0;
        std::int64_t until_ms = 0;
        std::unordered_map<std::uint32_t, shard_left> shards;
        std::set<std::uint64_t> ready;  // of the taker's loops
        enum class stage : std::uint8_t { waits, looks, looked } all = stage::waits;
        bool looking = false;  // an answer is to come
        std::string after;
        std::deque<std::string> asked, queue;  // to be given: those first that the taker asked for
        std::unordered_set<std::string> done;  // or asked for: not to be given again
        std::size_t under_way = 0;
    };
    struct transfer {
        std::uint64_t move = 0;
        std::uint64_t ticket = 0;
        std::uint64_t piece = 0;
        std::string epoch;
        std::string next;
        bool last = false;
    };
    struct early {
        std::size_t peer;
        std::uint64_t view;
        std::function<void()> ask;
    };
    using move_table = std::map<std::uint64_t, move>;

    move_table::iterator find(std::size_t peer, const view_name& before, const view_name& now);
    bool later(std::size_t peer, std::uint64_t view, std::function<void()> ask);
    void nothing(std::size_t peer, const std::string& group, const view_name& now);
    void give(std::uint64_t key, const std::string& group);
    void send_piece(const std::string& group);
    void over(const std::string& group);
    void look(std::uint64_t key);
    void pump(std::uint64_t key);
    void end(std::uint64_t key);
    transfer* current(const std::string& group, std::uint64_t ticket);

    hand_over_host& host_;
    const std::int64_t unasked_ms_;
    move_table moves_;
    std::unordered_map<std::string, transfer> transfers_;
    std::vector<early> early_;
    std::unordered_map<std::size_t, std::uint64_t> links_;  // by peer
    std::uint64_t view_ = 0;
    std::uint64_t next_ = 1;
};

}  // namespace madang
