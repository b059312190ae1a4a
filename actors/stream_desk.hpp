// What a loop does, as the home of groups, between their senders and members on the one side and the store on
// the other: publications get their position before anybody sees them, presence follows membership,
// subscribers get what they missed. No actors, no sockets, no clock.
//
//   publish --kept?--> staged --turn's end--> the store --> handed to the group, its sender told
//
// Only what is durable enough is handed on, so that no client saw what a crash undoes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/batch.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/streams.hpp"
#include "broker/protocol/client_port.hpp"
#include "storage/command.hpp"

namespace madang {

// How a member is told to presence.
struct member_info {
    client_info who;
    bool presence = false;
    bool join_leave = false;
};

// Who waits for a publication's position.
struct publish_ticket {
    std::string key;  // idempotency
    bool skip_history = false;
    stream_port::answer<position> done;  // may be null
};

// What a subscriber asks of the home, beside its join.
struct subscribe_ticket {
    subscribe_spec how;
    std::size_t loop = 0;  // where the member is
    std::uint64_t member = 0;
    std::function<void(result<subscribed>)> done;  // on that loop, while the member lives
};

// What was submitted together, until its answers come.
struct desk_batch {
    enum class purpose : std::uint8_t { publish, subscribe, enter, leave };
    struct waiting {
        purpose why = purpose::publish;
        std::string group;
        event what;                                 // publications
        std::shared_ptr<publish_ticket> ticket;     // or null
        std::shared_ptr<subscribe_ticket> ask;      // of a subscriber; or null
        std::shared_ptr<const member_info> member;  // enter, leave; or null
        std::vector<event> behind;                  // sent to the group meanwhile
    };
    std::vector<store_request> requests;  // moved to the store
    // Each stays where it is until it is answered: stream_desk refers to it.
    std::deque<waiting> contexts;
};

class stream_desk_host {
  public:
    // To the group's members, if it has any.
    virtual void hand_to_group(const std::string& group, event&& what) = 0;
    // stream_desk::complete with the answers, later, on this thread.
    virtual void submit(std::shared_ptr<desk_batch> what, durability how) = 0;
    virtual void touched() = 0;  // flush() at the turn's end
    // To the member, behind all that was handed to its group so far: what the answer holds does not come
    // again.
    virtual void answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) = 0;
    virtual std::int64_t now_ms() const = 0;
    virtual std::string random_epoch() = 0;
    virtual void count_refused() = 0;  // a publication that was not accepted

  protected:
    ~stream_desk_host() = default;
};

// One thread.
class stream_desk {
  public:
    // All outlive it. `incarnation`: this process's.
    stream_desk(stream_desk_host& host, const namespace_table& namespaces, std::string incarnation)
        : host_(host), namespaces_(namespaces), incarnation_(std::move(incarnation)) {}

    // Publications to the group are kept.
    bool keeps(std::string_view group) const noexcept { return keeping(group) != nullptr; }
    // Everything that is sent to a group comes this way, but for events of groups that keep nothing.
    void send(const std::string& group, event&& what, std::shared_ptr<publish_ticket> ticket);
    // A member came (before or after its group knows it, in this turn). Null info: no presence. Null ask: no
    // answer.
    void joined(const std::string& group, std::uint64_t member, std::shared_ptr<const member_info> info,
                std::shared_ptr<subscribe_ticket> ask);
    void left(const std::string& group, std::uint64_t member);
    // An entry of a process that ended.
    void stale(const std::string& group, const std::string& client);
    // The group's actor was restarted: whoever is not joined() again until confirm() is gone.
    void doubt(const std::string& group);
    void confirm(const std::string& group);

    void flush();  // submits what was staged
    void complete(desk_batch& batch, std::vector<store_answer>&& answers);

    std::size_t present() const noexcept;  // for tests

  private:
    // The options of a group whose publications are kept; else null.
    const namespace_options* keeping(std::string_view group) const noexcept;

    struct member {
        std::shared_ptr<const member_info> info;
        bool doubted = false;
    };
    // Publications of a group that are with the store: what is sent to it meanwhile waits behind the last.
    struct in_store {
        std::size_t count = 0;
        desk_batch::waiting* last = nullptr;
    };

    desk_batch::waiting& stage(durability how, store_request&& request, desk_batch::purpose why,
                               std::string group);
    void complete_publish(desk_batch::waiting& each, store_answer&& answer);
    void complete_subscribe(desk_batch::waiting& each, store_answer&& answer);
    void complete_presence(desk_batch::waiting& each, store_answer&& answer, event::kind what);
    void ask_history(const std::string& group, std::shared_ptr<subscribe_ticket> ask, bool top_only);
    void leave(const std::string& group, std::shared_ptr<const member_info> who);

    stream_desk_host& host_;
    const namespace_table& namespaces_;
    const std::string incarnation_;
    std::shared_ptr<desk_batch> staged_[2];  // by durability
    std::unordered_map<std::string, in_store> in_store_;
    std::unordered_map<std::string, std::unordered_map<std::uint64_t, member>> present_;
};

}  // namespace madang
