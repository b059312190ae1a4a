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
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/batch.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/reloadable.hpp"
#include "broker/core/streams.hpp"
#include "broker/protocol/client_port.hpp"
#include "storage/store.hpp"

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
    std::string group;
    subscribe_spec how;
    std::size_t loop = 0;  // where the member is
    std::uint64_t member = 0;
    std::function<void(result<subscribed>)> done;  // on that loop, while the member lives
};

// What was submitted together, until its answers come.
struct desk_batch {
    enum class purpose : std::uint8_t { publish, subscribe, enter, leave, renew, question, plain };
    struct waiting {
        purpose why = purpose::publish;
        bool kept = true;      // publications: part of a stream
        bool again = false;    // enter, leave: the store had refused it
        bool quiet = false;    // enter, leave: nobody is told of it
        std::uint64_t id = 0;  // of the member
        std::string group;
        event what;                                 // publications
        std::shared_ptr<publish_ticket> ticket;     // or null
        std::shared_ptr<subscribe_ticket> ask;      // of a subscriber; or null
        std::shared_ptr<const member_info> member;  // enter, leave; or null
        std::string stale_of;                       // leave: the incarnation, of an entry that was found
        std::vector<event> behind;                  // sent to the group meanwhile
        std::function<void(store_answer&&)> asked;  // questions, plain
        std::uint64_t tenure = 0;                   // of the stream's, when it was staged
        bool renewing = false;                      // the stream's renewal was not answered yet
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
    // Since when this node owns the group, by any count that grows: in another tenure its stream has another
    // epoch, as other nodes may have given its offsets to other publications in between. 0: none can have.
    virtual std::uint64_t tenure_of(const std::string& group) const = 0;
    virtual void count_refused() = 0;  // a publication that was not accepted
    // The group's stream is a new one: members that know a position of the one before are to be told.
    virtual void stream_began(const std::string& group) = 0;
    // So many entries of presence could not be written: repair_presence() after a while, unless it is 0.
    virtual void presence_unwritten(std::size_t count) = 0;
    virtual void count_repaired() = 0;

  protected:
    ~stream_desk_host() = default;
};

// One thread.
class stream_desk {
  public:
    // All outlive it. `incarnation`: this process's.
    stream_desk(stream_desk_host& host, const reloadable<namespace_table>& namespaces,
                std::string incarnation)
        : host_(host), namespaces_(namespaces), incarnation_(std::move(incarnation)) {}

    // Publications to the group are kept.
    bool keeps(std::string_view group) const noexcept { return keeping(group) != nullptr; }
    // What is sent to the group needs the desk, even without a ticket.
    bool concerns(const std::string& group) const {
        return keeps(group) || (!in_store_.empty() && in_store_.contains(group));
    }
    // Everything that is sent to a group comes this way, but for events of groups that do not concern it.
    void send(const std::string& group, event&& what, std::shared_ptr<publish_ticket> ticket);
    // A member came (before or after its group knows it, in this turn). Null info: no presence. Null ask: no
    // answer.
    void joined(const std::string& group, std::uint64_t member, std::shared_ptr<const member_info> info,
                std::shared_ptr<subscribe_ticket> ask);
    void left(const std::string& group, std::uint64_t member);
    // Any request about the group's stream, which is kept. `done` is called later, on this thread; busy: the
    // group has another owner by now.
    void ask(const std::string& group, store_request&& what, std::function<void(store_answer&&)> done);

    // -- Streams that move between nodes. `tenure`: by stream_desk_host::tenure_of
    // The stream's epoch is of that tenure; has_begun: or will be as soon as the store has said so, or nobody
    // remembers that it is not.
    bool is_settled(const std::string& group, std::uint64_t tenure) const;
    bool has_begun(const std::string& group, std::uint64_t tenure) const;
    void adopted(const std::string& group, const position& at);  // in the tenure that is now
    void begin_anew(const std::string& group);
    // As the group's namespace asks. (A reload reaches the nodes one by one: one of them may know it before
    // this.)
    durability durability_of(std::string_view group) const noexcept;
    // Just that, in order with what else is asked of the store about the group.
    void ask_as_it_is(durability how, store_request&& what, std::function<void(store_answer&&)> done);

    // Members of other nodes have the node's number above their own; this node's is 0.
    static constexpr std::uint64_t member_of(std::uint64_t node, std::uint64_t member) noexcept {
        return node << 48 | (member & ((std::uint64_t{1} << 48) - 1));
    }
    static constexpr std::uint64_t node_of(std::uint64_t member) noexcept { return member >> 48; }
    // A member that its group's owner before this node knew: entered, and nobody is told.
    void joined_before(const std::string& group, std::uint64_t member,
                       std::shared_ptr<const member_info> info);
    // The group is another node's from now on: all are out of it here, and nobody is told. This node's
    // members.
    std::vector<std::pair<std::uint64_t, std::shared_ptr<const member_info>>> hand_over(
        const std::string& group);
    // This node's members of a group whose coming and leaving is told.
    std::vector<client_info> residents(const std::string& group) const;
    // Groups with presence, for hand_over.
    std::vector<std::string> groups_with_members() const;
    void node_left(std::uint64_t node);   // all of its members leave
    void doubt_node(std::uint64_t node);  // whoever is not joined() again until confirm_node() is gone
    void confirm_node(std::uint64_t node);
    void emptied(const std::string& group);  // it has no members
    void stale(const stale_entry& who);
    // Presence that the store refused (a full disk, a full queue), anew and as it is now.
    void repair_presence();
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
    // The same for a request about a stream; behind its renewal in the same batch, where it has to be
    // renewed.
    desk_batch::waiting& stage_in_stream(durability how, store_request&& request, desk_batch::purpose why,
                                         const std::string& group);
    void renew(durability how, const std::string& group, std::uint64_t tenure);
    void note_tenure(const std::string& group, std::uint64_t tenure, bool done);
    // The answer is of the stream's life in the tenure that is now.
    bool holds(const desk_batch::waiting& each) const;
    void complete_renew(desk_batch::waiting& each, store_answer&& answer);
    void complete_publish(desk_batch::waiting& each, store_answer&& answer);
    void complete_subscribe(desk_batch::waiting& each, store_answer&& answer);
    void complete_presence(desk_batch::waiting& each, store_answer&& answer, event::kind what);
    void ask_history(const std::string& group, std::shared_ptr<subscribe_ticket> ask, bool top_only);
    desk_batch::waiting& enter(const std::string& group, std::uint64_t id,
                               std::shared_ptr<const member_info> who);
    desk_batch::waiting& leave(const std::string& group, std::uint64_t id,
                               std::shared_ptr<const member_info> who, std::string stale_of = {});
    void note_epoch(std::string& known, const std::string& group, const std::string& now);
    void tell_consumers(const std::string& group, const client_info& who);

    stream_desk_host& host_;
    const reloadable<namespace_table>& namespaces_;
    const std::string incarnation_;
    std::shared_ptr<desk_batch> staged_[2];  // by durability
    std::unordered_map<std::string, in_store> in_store_;
    std::unordered_map<std::string, std::unordered_map<std::uint64_t, member>> present_;
    // Which life of a stream was told to members last: one that is silent for long begins anew.
    std::unordered_map<std::string, std::string> epochs_;
    // In which tenure a stream was renewed last. Forgotten, all of them, when they are too many: another new
    // epoch is right too, but not that of another node. `forgotten_`: the tenures of those; at most as many
    // as the node has at once, for each time.
    struct renewal {
        std::uint64_t tenure = 0;
        bool done = false;  // the store said so
    };
    std::unordered_map<std::string, renewal> renewed_;
    std::unordered_set<std::uint64_t> forgotten_;
    // What the store refused, by group and client: as many as there were members at most.
    struct unwritten {
        std::uint64_t id = 0;
        std::shared_ptr<const member_info> member;
        std::string stale_of;
    };
    std::map<std::pair<std::string, std::string>, unwritten> unwritten_;
};

}  // namespace madang
