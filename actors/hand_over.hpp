// A stream moves to its group's new owner. Values that both sides share, and what they need of their loop.
//
//        taker (owner now)                     giver (owner until now)
//          take -------------------------------->  surrender: the store gives the stream another epoch here
//          adopt <------------------------ handed  a piece of it, under the epoch that it had
//          took ---------------------------------> the next piece, the next stream
//          .. <-------------------------- given_all
//
// An epoch has one holder: who surrendered it gives no offset under it any more, who adopted it is the only
// one that does. Whatever goes wrong in between leaves it without any, and the stream begins anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/peer_mail.hpp"
#include "broker/cluster/shard_map.hpp"
#include "storage/command.hpp"

namespace madang {

// Shards that went from one living node to another between two views that follow each other, as this node saw
// it: nobody else owned them in between.
struct shard_move {
    enum class direction : std::uint8_t { gained, lost } how = direction::gained;
    std::size_t peer = 0;  // who had them, or has them now
    view_name before, now;
    struct shard {
        std::uint32_t number = 0;
        std::uint64_t tenure = 0;  // this node's that ended, or that began
    };
    std::vector<shard> shards;
};

class hand_over_host {
  public:
    using answer = std::function<void(store_answer&&)>;

    virtual bool send_to(std::size_t peer, peer_parcel&& what) = 0;  // false: there is no link to it
    virtual bool has_credit(std::size_t peer) const = 0;
    // As the group's namespace asks; in the order of the calls, and behind what the group's desk asked
    // before.
    virtual void ask_store(const std::string& group, store_request&& what, answer done) = 0;
    // Behind everything that was asked before, for whatever group.
    virtual void ask_store_last(store_request&& what, answer done) = 0;
    virtual std::uint32_t shards() const = 0;  // of the cluster
    std::uint32_t shard_of(std::string_view group) const { return cluster_shard_of(group, shards()); }
    virtual std::size_t loop() const = 0;
    virtual std::size_t loops() const = 0;
    virtual std::function<bool(std::string_view group)> is_home_here() const = 0;  // any thread
    virtual bool keeps_stream(std::string_view group) const = 0;
    virtual std::string fresh_epoch() = 0;
    virtual std::int64_t unix_now_ms() const = 0;
    virtual std::int64_t steady_now_ms() const = 0;
    // The stream has an epoch of that tenure: it was adopted in it, or renewed, or (has_begun) is about to
    // be.
    virtual bool is_settled(const std::string& group, std::uint64_t tenure) const = 0;
    virtual bool has_begun(const std::string& group, std::uint64_t tenure) const = 0;

    // -- Of who takes
    virtual void stream_taken(const std::string& group, const position& at) = 0;
    virtual void stream_anew(const std::string& group, std::string_view reason) = 0;
    virtual void awaited_changed(std::int64_t by) = 0;
    virtual void wake_taker() = 0;  // expire() before long
    // -- Of who gives
    virtual void stream_given() = 0;
    virtual void all_is_given() = 0;  // of one move
    virtual void wake_giver() = 0;    // go_on() before long

  protected:
    ~hand_over_host() = default;
};

}  // namespace madang
