// What a loop does, as the home of groups that another node owns: everything that a stream_desk would do is
// asked of the owner, and done here when it answers. No actors, no sockets, no clock.
//
//   publish, subscribe, who is there --> the owner --> positions, what was missed
//
// Which node owns a group changes while all this is under way. Then what is under way is asked again (who
// subscribes, who is there) or refused (publications: nobody knows whether they came to be).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/peer_mail.hpp"
#include "actors/stream_desk.hpp"

namespace madang {

class away_desk_host {
  public:
    // To the node that owns parcel's group now. False: there is no link to it, or its credit is used up and
    // the parcel is a publication; nothing was sent.
    virtual bool to_owner(peer_parcel&& what) = 0;
    // As stream_desk_host's.
    virtual void answer_away(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) = 0;
    virtual void count_refused() = 0;

  protected:
    ~away_desk_host() = default;
};

// One thread.
class away_desk {
  public:
    // Of each kind that wait for an answer; more: busy.
    static constexpr std::size_t tickets_limit = 65'536;

    explicit away_desk(away_desk_host& host) : host_(host) {}

    void send(const std::string& group, event&& what, std::shared_ptr<publish_ticket> ticket);
    void joined(const std::string& group, std::uint64_t member, std::shared_ptr<const member_info> info,
                std::shared_ptr<subscribe_ticket> ask);
    // One that the stream_desk handed over; owners_changed tells the owner of it.
    void joined_before(const std::string& group, std::uint64_t member,
                       std::shared_ptr<const member_info> info) {
        present_[group][member] = std::move(info);
    }
    void left(const std::string& group, std::uint64_t member);

    // The owner's answers. Ignored when nobody waits for them (any more).
    void came(peer_parcels::published&& what);
    void came(peer_parcels::answer&& what);

    // Groups have other owners than before: publications under way are refused, the rest is told and asked
    // again, or handed back where this node is the owner now: what the stream_desk is to be told, by group.
    enum class change : std::uint8_t { none, other, here };  // other: also the same one behind a new link
    struct taken {
        std::vector<std::pair<std::uint64_t, std::shared_ptr<const member_info>>> members;
        std::vector<std::shared_ptr<subscribe_ticket>> asks;
    };
    std::map<std::string, taken> owners_changed(const std::function<change(const std::string& group)>& how);

    std::size_t waiting() const noexcept { return publishing_.size() + subscribing_.size(); }  // for tests

  private:
    struct publishing {
        std::string group;
        std::shared_ptr<publish_ticket> ticket;
    };
    struct subscribing {
        std::string group;
        std::shared_ptr<subscribe_ticket> ask;
    };
    void ask(const std::string& group, std::shared_ptr<subscribe_ticket> what);

    away_desk_host& host_;
    std::uint64_t next_ticket_ = 1;
    std::map<std::uint64_t, publishing> publishing_;  // in the order in which they were sent
    std::map<std::uint64_t, subscribing> subscribing_;
    std::unordered_map<std::string, std::map<std::uint64_t, std::shared_ptr<const member_info>>> present_;
};

}  // namespace madang
