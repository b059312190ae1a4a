// Several nodes in one process, linked by socket pairs.
#pragma once

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "actors/peers.hpp"
#include "actors/stream_calls.hpp"
#include "tests/integration/actors/stream_node_impl.hpp"

namespace madang::testing {

inline constexpr std::uint32_t shards = 64;

// Nodes "a", "b", … that all hear each other, until they are cut.
class mesh {
  public:
    // The last of them have links and own nothing yet.
    explicit mesh(std::size_t count, std::uint32_t loops = 2, std::size_t joining = 0,
                  std::chrono::milliseconds patience = std::chrono::seconds{20},
                  std::uint32_t turn_handlers = options{}.turn_handlers) {
        for (std::size_t i = 0; i < count; ++i) {
            auto& made = all_.emplace_back();
            made.id = {std::string(1, static_cast<char>('a' + i)), 1};
            made.on = std::make_unique<stream_node>(loops, clustered::yes, patience, turn_handlers);
            made.links = std::make_unique<peers>(
                *made.on->all, made.id, shards, 16 << 20,
                [](const node_id& who, const std::string& why) { ADD_FAILURE() << who.name << ": " << why; });
        }
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t j = 0; j < i; ++j) link(i, j);
        std::vector<node_state> states(count, node_state::up);
        std::fill(states.end() - static_cast<std::ptrdiff_t>(joining), states.end(), node_state::joining);
        go_by(states);
        for (std::size_t i = 0; i < count; ++i) wait_for_links(i, count - 1);
        settle();
    }
    ~mesh() {
        for (auto& each : all_) each.links.reset();
    }

    stream_node& operator[](std::size_t which) { return *all_[which].on; }
    void link(std::size_t i, std::size_t j) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        all_[i].links->attach(all_[j].id, pair[0], true);
        all_[j].links->attach(all_[i].id, pair[1], false);
    }
    void wait_for_links(std::size_t which, std::size_t count) {
        all_[which].on->until([&] { return all_[which].links->linked() == count; });
    }
    std::size_t linked(std::size_t which) const { return all_[which].links->linked(); }
    void cut(std::size_t i, std::size_t j) {
        all_[i].links->lost(all_[j].id);
        all_[j].links->lost(all_[i].id);
        settle();
    }
    std::vector<std::size_t> everybody() const {
        std::vector<std::size_t> list;
        for (std::size_t i = 0; i < all_.size(); ++i) list.push_back(i);
        return list;
    }
    // These are up, the others dead; told to those that are up.
    void view(const std::vector<std::size_t>& up) {
        std::vector<node_state> states(all_.size(), node_state::dead);
        for (const auto each : up) states[each] = node_state::up;
        go_by(states);
    }
    // Told to those that live.
    void go_by(const std::vector<node_state>& states) {
        last_ = view_of(states);
        last_.number = ++number_;
        for (std::size_t i = 0; i < states.size(); ++i)
            if (is_living(states[i])) all_[i].links->view_changed(last_);
    }
    // That one is not listed; told to the others.
    void view_without(std::size_t which) {
        last_ = view_of(std::vector<node_state>(all_.size(), node_state::up));
        std::erase_if(last_.members, [&](const auto& each) { return each.who == all_[which].id; });
        last_.number = ++number_;
        for (std::size_t i = 0; i < all_.size(); ++i)
            if (i != which) all_[i].links->view_changed(last_);
    }
    cluster_view view_of(const std::vector<node_state>& states) const {
        cluster_view made;
        for (std::size_t i = 0; i < states.size(); ++i) made.members.push_back({all_[i].id, states[i], ""});
        return made;
    }
    void settle() {
        for (auto& each : all_)
            for (std::size_t loop = 0; loop < each.on->all->loops(); ++loop)
                each.on->on_loop(loop, [] { return 0; });
    }
    std::size_t owner_of(const std::string& group) const { return owner_in(last_, group); }
    static std::size_t owner_in(const cluster_view& view, const std::string& group) {
        const shard_map owners(view, shards);
        return static_cast<std::size_t>(owners.owner(cluster_shard_of(group, shards))->name[0] - 'a');
    }
    // A group in that namespace that the node owns.
    std::string group_of(std::size_t which, const std::string& space = "live") const {
        const shard_map owners(last_, shards);
        for (int i = 0;; ++i) {
            auto name = space + ":" + std::to_string(i);
            const auto* owner = owners.owner(cluster_shard_of(name, shards));
            if (owner != nullptr && *owner == all_[which].id) return name;
        }
    }

  private:
    struct member {
        node_id id;
        std::unique_ptr<stream_node> on;
        std::unique_ptr<peers> links;
    };
    std::vector<member> all_;
    std::uint64_t number_ = 0;
    cluster_view last_;
};

// Until what it sends to the group comes back: then the owner knows of the node.
inline void join(client& who, const std::string& group) {
    static int number = 0;
    who.say("join " + group);
    const auto token = "joined " + std::to_string(++number);
    who.say("pub " + group + " " + token);
    for (auto text = who.next(); text != token; text = who.next())
        ASSERT_THAT(text, ::testing::StartsWith("joined"));
}
inline std::string next_said(client& who) {
    for (;;)
        if (auto text = who.next(); !text.starts_with("joined")) return text;
}

inline bool recovers(stream_node& at, const std::string& group, const position& since) {
    auto session = at.open_session(0);
    const auto reply = at.tell(
        session,
        {{"id", 2},
         {"subscribe",
          {{"channel", group}, {"recover", true}, {"epoch", since.epoch}, {"offset", since.offset}}}});
    EXPECT_TRUE(reply.contains("subscribe")) << reply;
    return reply["subscribe"].value("recovered", false);
}

}  // namespace madang::testing
