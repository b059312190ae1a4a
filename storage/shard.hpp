// The logic of durable state: what a command changes and what a query answers. No thread, no clock, no dice.
//
// Memory is ahead of the disk within a round: what apply() does goes into a batch, completed by seal_round,
// and is either committed (end_round) or was never there (undo_round).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/command.hpp"
#include "storage/facts.hpp"
#include "storage/kv.hpp"
#include "storage/late_read.hpp"
#include "storage/presence_table.hpp"
#include "storage/store.hpp"
#include "storage/stream_table.hpp"

namespace madang {

inline constexpr std::int64_t idempotency_ms = 300'000;

std::string_view group_of(const store_request& what) noexcept;
bool is_change(const store_request& what) noexcept;
// Leaving and removing need little room and give more back.
bool frees_space(const store_request& what) noexcept;

struct applied {
    store_answer answer = store_value();
    std::optional<late_read> later;  // the answer is run(*later, what was committed before this round)
    std::uint64_t sync_round = 0;    // that has to be synced before the answer is given; 0: none
};

class shard {
  public:
    struct limits {
        std::size_t streams;
        std::size_t tail_bytes;
    };
    // `committed` and `totals` outlive the shard.
    shard(std::uint16_t number, const kv_view& committed, const generation& now, limits most,
          cache_totals& totals)
        : number_(number),
          committed_(committed),
          generation_(now),
          streams_(most.streams, most.tail_bytes, totals),
          presence_(totals) {}

    result<void> load_presence();
    // Loaded, and neither entered again nor left since.
    std::vector<stale_entry> stale() const;

    struct round {
        kv_batch& into;
        std::uint64_t number;            // ascending, from 1
        std::optional<error> refused{};  // no change is possible, and why
    };
    applied apply(const store_request& what, durability how, const round& in);
    void seal_round(kv_batch& into);
    void end_round();
    void undo_round();

  private:
    applied apply(const commands::publish& what, durability how, const round& in);
    applied apply(const commands::remove_history& what, durability how, const round& in);
    applied apply(const commands::enter& what, durability how, const round& in);
    applied apply(const commands::leave& what, durability how, const round& in);
    applied apply(const commands::renew& what, durability how, const round& in);
    applied apply(const commands::surrender& what, durability how, const round& in);
    applied apply(const commands::adopt& what, durability how, const round& in);
    applied apply(const queries::history& what, durability how, const round& in);
    applied apply(const queries::presence& what, durability how, const round& in);
    applied apply(const queries::presence_stats& what, durability how, const round& in);
    applied apply(const queries::last_seen& what, durability how, const round& in);
    applied apply(const queries::copy& what, durability how, const round& in);
    applied apply(const queries::streams& what, durability how, const round& in);

    // Null: there is none (any more). Its epoch is the present generation's, if it has to be.
    result<stream_state*> find(std::string_view group, std::int64_t now_ms);
    stream_state& begin(std::string_view group, const std::string& epoch, std::int64_t ends_ms);
    void touch(stream_state& which);  // its record changed
    template <class Command, class Change>
    applied change_stream(const Command& what, const round& in, Change change);
    void change_epoch(stream_state& of, const std::string& to, durability how, const round& in);
    result<void> clear(stream_state& which, const round& in);
    result<std::optional<position>> repeated(const commands::publish& what, const std::string& key);

    const std::uint16_t number_;
    const kv_view& committed_;
    const generation generation_;
    stream_table streams_;
    presence_table presence_;
    std::map<std::pair<std::string, std::string>, std::string> stale_;  // incarnation by group and client
    std::uint64_t forgotten_sync_round_ = 0;  // of streams that are not in memory any more
    std::string value_;                       // encoded, reused

    // Of the round
    std::vector<stream_state*> touched_;
    std::unordered_map<std::string, idempotency_record> keys_;
    struct presence_before {
        std::string group, client;
        std::optional<present_client> who;
        std::string stale;  // its incarnation
    };
    std::string forget_stale(const std::string& group, const std::string& client);
    std::vector<presence_before> presence_undo_;
    struct seen {
        std::string group, user;
        std::int64_t time_ms;
    };
    std::vector<seen> seen_;
};

}  // namespace madang
