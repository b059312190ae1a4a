// Several nodes' desks, takers, givers and stores over a network, a clock and an order of things that a seed
// makes; and their clients, who notice every gap and every offset that stands for two publications.
#pragma once

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include "actors/shard_tenures.hpp"
#include "actors/stream_giver.hpp"
#include "actors/stream_taker.hpp"
#include "storage/memory_kv.hpp"
#include "storage/shard.hpp"

namespace madang::moving {

inline constexpr std::uint32_t cluster = 8;  // shards
inline constexpr std::int64_t noon = 1'700'000'000'000;
inline constexpr std::int64_t patience = 50;

// A store's logic, one round per submission.
class small_store {
  public:
    std::vector<store_answer> apply(const std::vector<store_request>& all, durability how) {
        auto batch = bytes_.new_batch();
        ++round_;
        std::vector<store_answer> answers;
        std::vector<std::pair<std::size_t, late_read>> late;
        for (const auto& each : all) {
            auto got = logic_.apply(each, how, {*batch, round_, {}});
            if (got.later) late.emplace_back(answers.size(), std::move(*got.later));
            answers.push_back(std::move(got.answer));
        }
        for (auto& [index, what] : late) answers[index] = run(what, bytes_);
        logic_.seal_round(*batch);
        EXPECT_TRUE(bytes_.commit(*batch));
        logic_.end_round();
        return answers;
    }

  private:
    memory_kv bytes_{1 << 20};
    cache_totals totals_;
    std::uint64_t round_ = 0;
    shard logic_{0, bytes_, {}, {2, 2'000}, totals_};  // so little memory that the disk is read
};

struct world;

// One node's only loop.
class node final : stream_desk_host, hand_over_host {
  public:
    node(world& in, std::size_t place, std::uint64_t incarnation);

    node_id id;
    std::uint64_t life;  // tells it from the process of that name before

    void go_by(const cluster_view& now);
    void links_changed();
    void mail(std::size_t from, peer_parcel&& what);
    bool owns(const std::string& group) const { return tenure_of(group) != 0; }
    void publish(const std::string& group, event what, std::shared_ptr<publish_ticket> ticket);
    void ask(const std::string& group, std::shared_ptr<subscribe_ticket> what);
    void tick() {
        taker.expire();
        giver.go_on();
        desk.flush();
    }
    // The oldest submission is applied; the oldest answer is told.
    bool apply();
    bool tell();
    bool busy() const { return !submitted_.empty() || !answered_.empty(); }

    std::map<std::string, int> anew;  // by reason
    int taken = 0, given = 0;
    stream_taker taker;
    stream_giver giver{*this, 4 * patience};
    std::size_t giving = 0;

  private:
    // -- stream_desk_host
    void hand_to_group(const std::string& group, event&& what) override;
    void submit(std::shared_ptr<desk_batch> what, durability how) override {
        submitted_.push_back({std::move(what), how, {}});
    }
    void touched() override {}
    void answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override {
        whom->done(std::move(what));
    }
    std::int64_t now_ms() const override;
    std::string random_epoch() override;
    std::uint64_t tenure_of(const std::string& group) const override {
        return tenures_.since()[cluster_shard_of(group, cluster)];
    }
    void count_refused() override {}
    void stream_began(const std::string& group) override;
    void presence_unwritten(std::size_t) override {}
    void count_repaired() override {}

    // -- hand_over_host
    bool send_to(std::size_t peer, peer_parcel&& what) override;
    bool has_credit(std::size_t) const override;
    void ask_store(const std::string&, store_request&& what, hand_over_host::answer done) override {
        desk.ask_as_it_is(durability::buffered, std::move(what), std::move(done));
    }
    void ask_store_last(store_request&& what, hand_over_host::answer done) override {
        desk.ask_as_it_is(durability::synced, std::move(what), std::move(done));
    }
    std::uint32_t shards() const override { return cluster; }
    std::size_t loop() const override { return 0; }
    std::size_t loops() const override { return 1; }
    std::function<bool(std::string_view)> is_home_here() const override {
        return [](std::string_view) { return true; };
    }
    bool keeps_stream(std::string_view group) const override { return desk.keeps(group); }
    std::string fresh_epoch() override { return random_epoch(); }
    std::int64_t unix_now_ms() const override { return now_ms(); }
    std::int64_t steady_now_ms() const override { return now_ms(); }
    bool is_settled(const std::string& group, std::uint64_t tenure) const override {
        return desk.is_settled(group, tenure);
    }
    bool has_begun(const std::string& group, std::uint64_t tenure) const override {
        return desk.has_begun(group, tenure);
    }
    void stream_taken(const std::string& group, const position& at) override {
        ++taken;
        desk.adopted(group, at);
    }
    void stream_anew(const std::string& group, std::string_view reason) override {
        ++anew[std::string(reason)];
        desk.begin_anew(group);
    }
    void awaited_changed(std::int64_t by) override { awaited_ += by; }
    void wake_taker() override {}
    void stream_given() override { ++given; }
    void all_is_given() override { --giving; }
    void wake_giver() override {}

    world& in_;
    const std::size_t place_;
    shard_tenures tenures_;
    stream_desk desk;
    std::int64_t awaited_ = 0;
    struct submission {
        std::shared_ptr<desk_batch> what;
        durability how;
        std::vector<store_answer> answers;
    };
    std::deque<submission> submitted_, answered_;
};

// A member that knows a position, as a client session does: held until it is answered, ended upon a gap.
struct subscriber {
    std::string group;
    enum class state : std::uint8_t { away, asking, attached } is = state::away;
    std::size_t at = 0;
    std::uint64_t life = 0, try_number = 0;
    std::optional<position> knows = {};
    std::vector<std::pair<std::uint64_t, std::string>> held = {};
    int recovered = 0, lost = 0;
};

struct world {
    struct how {
        bool faults = false;    // cuts, kills, skipped views
        bool overload = false;  // no credit now and then, patience that ends
    };
    world(std::uint64_t seed, std::size_t count, how faults) : random(seed), faults(faults) {
        namespace_table rules;
        EXPECT_TRUE(rules.set("kept", R"({"history_size":200,"history_ttl":"1h","recovery":true})", "test"));
        names.replace(std::move(rules));
        for (std::size_t i = 0; i < count; ++i) stores.push_back(std::make_unique<small_store>());
        links.assign(count, std::vector<std::uint64_t>(count, 0));
        mails.assign(count, std::vector<std::deque<peer_parcel>>(count));
        views.resize(count);
        incarnations.assign(count, 0);
        nodes.resize(count);
        in_view.assign(count, node_state::dead);
        for (std::size_t i = 0; i < 6; ++i) groups.push_back("kept:" + std::to_string(i));
        for (std::size_t i = 0; i < 12; ++i) members.push_back({groups[i % groups.size()]});
    }

    std::size_t pick(std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    }
    bool chance(int percent) { return pick(100) < static_cast<std::size_t>(percent); }

    // -- Nodes, links and views
    void start(std::size_t which) {
        nodes[which] = std::make_unique<node>(*this, which, ++incarnations[which]);
        for (std::size_t i = 0; i < nodes.size(); ++i)
            if (i != which && nodes[i]) connect(i, which);
    }
    void kill(std::size_t which) {
        for (std::size_t i = 0; i < nodes.size(); ++i)
            if (i != which) cut(i, which);
        for (auto& each : members)
            if (each.is != subscriber::state::away && each.at == which) detach(each);
        views[which].clear();
        nodes[which].reset();
    }
    void cut(std::size_t a, std::size_t b) {
        links[a][b] = links[b][a] = 0;
        mails[a][b].clear();
        mails[b][a].clear();
        for (const auto each : {a, b})
            if (nodes[each]) nodes[each]->links_changed();
    }
    void connect(std::size_t a, std::size_t b) {
        cut(a, b);
        links[a][b] = links[b][a] = ++link_count;
        for (const auto each : {a, b}) nodes[each]->links_changed();
    }
    // Told to those nodes, each in its own time.
    void propose(const std::set<std::size_t>& to) {
        cluster_view now;
        now.number = ++view_number;
        now.proposer = "n" + std::to_string(*to.begin());
        for (std::size_t i = 0; i < nodes.size(); ++i)
            if (incarnations[i] != 0)
                now.members.push_back({{"n" + std::to_string(i), incarnations[i]},
                                       to.contains(i) ? in_view[i] : node_state::dead,
                                       ""});
        for (const auto each : to) views[each].push_back(now);
    }
    std::set<std::size_t> living() const {
        std::set<std::size_t> all;
        for (std::size_t i = 0; i < nodes.size(); ++i)
            if (nodes[i]) all.insert(i);
        return all;
    }
    bool see_next_view(std::size_t which) {
        auto& queue = views[which];
        if (!nodes[which] || queue.empty()) return false;
        if (faults.faults && queue.size() > 1 && chance(10)) queue.pop_front();
        const auto now = queue.front();
        queue.pop_front();
        nodes[which]->go_by(now);
        return true;
    }
    bool carry(std::size_t from, std::size_t to) {
        auto& queue = mails[from][to];
        if (queue.empty() || !nodes[to]) return false;
        auto what = std::move(queue.front());
        queue.pop_front();
        nodes[to]->mail(from, std::move(what));
        return true;
    }

    // -- Clients
    void publish(std::size_t at, const std::string& group) {
        if (!nodes[at] || !nodes[at]->owns(group)) return;
        const auto data = std::to_string(++publications);
        event made{std::string(event::publication_type), payload::copy_of(data)};
        made.what = event::kind::publication;
        made.time_ms = now;
        auto ticket = std::make_shared<publish_ticket>();
        ticket->done = [this, group, data](result<position> got) {
            if (got) is_at(group, *got, data);
            acknowledged += got ? 1 : 0;
        };
        nodes[at]->publish(group, std::move(made), std::move(ticket));
    }
    // An offset of an epoch is one publication, for ever.
    void is_at(const std::string& group, const position& at, const std::string& data) {
        const auto [known, fresh] = history[group].emplace(std::pair(at.epoch, at.offset), data);
        EXPECT_EQ(known->second, data) << group << " " << at.epoch << " " << at.offset;
        epochs[group].insert(at.epoch);
    }
    void detach(subscriber& who) {
        who.is = subscriber::state::away;
        who.held.clear();
        ++who.try_number;
    }
    void subscribe(subscriber& who, std::size_t at) {
        if (!nodes[at] || !nodes[at]->owns(who.group)) return;
        who.is = subscriber::state::asking;
        who.at = at;
        who.life = nodes[at]->life;
        auto ask = std::make_shared<subscribe_ticket>();
        ask->how.positioned = true;
        ask->how.recover_since = who.knows;
        ask->how.recover_limit = 1000;
        ask->done = [this, &who, number = ++who.try_number](result<subscribed> got) {
            if (who.try_number != number) return;
            if (!got) return detach(who);
            answered(who, *got);
        };
        nodes[at]->ask(who.group, ask);
    }
    void answered(subscriber& who, const subscribed& got) {
        ASSERT_TRUE(got.top);
        if (who.knows && !got.recovered) {
            ++who.lost;
            ++told_lost;
            who.knows.reset();
        }
        if (who.knows) {
            ++who.recovered;
            EXPECT_EQ(got.top->epoch, who.knows->epoch);
            EXPECT_GE(got.top->offset, who.knows->offset) << "a stream does not go back";
            for (const auto& each : got.missed) receive(who, each.offset, std::string(each.data.bytes()));
            EXPECT_EQ(who.knows->offset, got.top->offset) << who.group << " has a gap";
        }
        who.knows = *got.top;
        who.is = subscriber::state::attached;
        for (const auto& [offset, data] : std::exchange(who.held, {}))
            if (who.is == subscriber::state::attached && offset > who.knows->offset) live(who, offset, data);
    }
    void receive(subscriber& who, std::uint64_t offset, const std::string& data) {
        EXPECT_EQ(offset, who.knows->offset + 1) << who.group << " in " << who.knows->epoch;
        who.knows->offset = offset;
        is_at(who.group, *who.knows, data);
        ++received;
    }
    void live(subscriber& who, std::uint64_t offset, const std::string& data) {
        if (offset <= who.knows->offset) return;
        if (offset != who.knows->offset + 1) return detach(who);  // as its session does
        receive(who, offset, data);
    }
    void handed(std::size_t at, const std::string& group, const event& what) {
        for (auto& each : members) {
            if (each.at != at || each.group != group || what.offset == 0) continue;
            if (each.is == subscriber::state::asking)
                each.held.emplace_back(what.offset, what.body.bytes());
            else if (each.is == subscriber::state::attached)
                live(each, what.offset, std::string(what.body.bytes()));
        }
    }
    void lost(std::size_t at, const std::string& group) {
        for (auto& each : members)
            if (each.at == at && each.group == group && each.is == subscriber::state::attached) detach(each);
    }

    // -- Time
    void step() {
        const auto count = nodes.size();
        switch (pick(12)) {
            case 0:
            case 1:
                return publish(pick(count), groups[pick(groups.size())]);
            case 2: {
                auto& who = members[pick(members.size())];
                if (who.is == subscriber::state::away)
                    subscribe(who, pick(count));
                else if (chance(5))
                    detach(who);
                return;
            }
            case 3:
            case 4:
            case 5: {
                const auto which = pick(count);
                if (nodes[which] && !nodes[which]->apply()) nodes[which]->tick();
                return;
            }
            case 6:
            case 7: {
                const auto which = pick(count);
                if (nodes[which]) nodes[which]->tell();
                return;
            }
            case 8:
                see_next_view(pick(count));
                return;
            case 9:
                now += faults.overload ? static_cast<std::int64_t>(pick(20)) : 0;
                return;
            default:
                carry(pick(count), pick(count));
        }
    }
    bool idle() const {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (!nodes[i]) continue;
            if (!views[i].empty() || nodes[i]->busy() || nodes[i]->giving != 0) return false;
            for (std::size_t j = 0; j < nodes.size(); ++j)
                if (!mails[i][j].empty()) return false;
        }
        return true;
    }
    void settle() {
        const bool overload = std::exchange(faults.overload, false);
        for (int i = 0; i < 100'000 && !idle(); ++i) {
            for (std::size_t a = 0; a < nodes.size(); ++a) {
                see_next_view(a);
                for (std::size_t b = 0; b < nodes.size(); ++b) carry(a, b);
                if (!nodes[a]) continue;
                nodes[a]->apply();
                nodes[a]->tell();
                nodes[a]->tick();
            }
            if (i % 100 == 99) now += patience;
        }
        EXPECT_TRUE(idle()) << "everything comes to its end";
        faults.overload = overload;
    }

    std::mt19937_64 random;
    how faults;
    reloadable<namespace_table> names;
    std::int64_t now = noon;
    std::vector<std::unique_ptr<small_store>> stores;
    std::vector<std::unique_ptr<node>> nodes;
    std::vector<std::uint64_t> incarnations;
    std::vector<node_state> in_view;
    std::vector<std::vector<std::uint64_t>> links;
    std::vector<std::vector<std::deque<peer_parcel>>> mails;
    std::vector<std::deque<cluster_view>> views;
    std::uint64_t link_count = 0, view_number = 0, publications = 0, lives = 0, epoch_count = 0;
    std::vector<std::string> groups;
    std::deque<subscriber> members;
    std::map<std::string, std::map<std::pair<std::string, std::uint64_t>, std::string>> history;
    std::map<std::string, std::set<std::string>> epochs;  // that somebody was told
    int acknowledged = 0, received = 0, told_lost = 0;
};

inline node::node(world& in, std::size_t place, std::uint64_t incarnation)
    : id{"n" + std::to_string(place), incarnation},
      life(++in.lives),
      taker(*this, {patience, 1000, 1 << 20}),
      in_(in),
      place_(place),
      tenures_(id.name, cluster),
      desk(*this, in.names, "me") {}

inline std::int64_t node::now_ms() const { return in_.now; }
inline std::string node::random_epoch() { return "e" + std::to_string(++in_.epoch_count); }
inline void node::hand_to_group(const std::string& group, event&& what) { in_.handed(place_, group, what); }
inline void node::stream_began(const std::string& group) { in_.lost(place_, group); }
inline bool node::has_credit(std::size_t) const { return !in_.faults.overload || in_.chance(80); }

inline bool node::send_to(std::size_t peer, peer_parcel&& what) {
    if (in_.links[place_][peer] == 0) return false;
    // By way of its bytes.
    std::string bytes;
    append(bytes, tenures_.view().number, what);
    in_.mails[place_][peer].push_back(std::move(read_peer_mail(bytes)->parcels.at(0).what));
    return true;
}

// As hub::routes_changed does.
inline void node::go_by(const cluster_view& now) {
    const auto before = tenures_.view();
    const auto change =
        tenures_.go_by(now, [](const std::string& name) { return std::stoul(name.substr(1)); });
    const shard_map was(before, cluster), is(now, cluster);
    for (const auto& group : in_.groups) {
        const auto *then = was.owner(cluster_shard_of(group, cluster)),
                   *next = is.owner(cluster_shard_of(group, cluster));
        if (change.parted || then == nullptr || next == nullptr || *then != *next) {
            desk.emptied(group);
            stream_began(group);
        }
    }
    if (change.parted) {
        taker.end_all("owners");
        giver.end_all();
    }
    for (std::size_t peer = 0; peer < in_.nodes.size(); ++peer) {
        const auto* member = now.find("n" + std::to_string(peer));
        if (member != nullptr && !is_living(member->state)) {
            taker.end_peer(peer, "link");
            giver.end_peer(peer);
        }
    }
    const auto owned = [&](std::uint32_t shard) { return tenures_.since()[shard] != 0; };
    for (const auto& each : change.moves)
        if (each.how == shard_move::direction::lost) {
            ++giving;
            giver.lost(each, [&](std::uint32_t shard) { return taker.is_taking(shard); });
        }
    for (const auto& each : change.moves)
        if (each.how == shard_move::direction::gained) taker.gained(each);
    giver.owned_again(owned);
    taker.no_longer_owned(owned);
    links_changed();
    giver.view_is(now.number);
    desk.flush();
}

inline void node::links_changed() {
    for (std::size_t peer = 0; peer < in_.nodes.size(); ++peer) {
        if (peer == place_) continue;
        taker.link_is(peer, in_.links[place_][peer]);
        giver.link_is(peer, in_.links[place_][peer]);
    }
    desk.flush();
}

inline void node::mail(std::size_t from, peer_parcel&& what) {
    std::visit(
        [&](auto& each) {
            using kind = std::decay_t<decltype(each)>;
            if constexpr (std::is_same_v<kind, peer_parcels::take> ||
                          std::is_same_v<kind, peer_parcels::take_all>)
                giver.came(from, std::move(each));
            else if constexpr (std::is_same_v<kind, peer_parcels::took>)
                giver.came(from, each);
            else if constexpr (std::is_same_v<kind, peer_parcels::handed> ||
                               std::is_same_v<kind, peer_parcels::given_all>)
                taker.came(from, std::move(each));
        },
        what);
    desk.flush();
}

inline void node::publish(const std::string& group, event what, std::shared_ptr<publish_ticket> ticket) {
    if (!owns(group)) return ticket->done(fail(errc::busy));
    if (taker.concerns(group)) {
        auto held = std::make_shared<event>(what);
        const auto how = taker.hold(group, 1, [this, group, held, ticket] { publish(group, *held, ticket); });
        if (how == stream_taker::verdict::later) return desk.flush();
        if (how == stream_taker::verdict::refused) return ticket->done(fail(errc::busy));
    }
    desk.send(group, std::move(what), std::move(ticket));
    desk.flush();
}

inline void node::ask(const std::string& group, std::shared_ptr<subscribe_ticket> what) {
    if (!owns(group)) return what->done(fail(errc::busy));
    if (taker.concerns(group)) {
        const auto how = taker.hold(group, 1, [this, group, what] { ask(group, what); });
        if (how == stream_taker::verdict::later) return desk.flush();
        if (how == stream_taker::verdict::refused) return what->done(fail(errc::busy));
    }
    desk.joined(group, 0, nullptr, std::move(what));
    desk.flush();
}

inline bool node::apply() {
    if (submitted_.empty()) return false;
    auto next = std::move(submitted_.front());
    submitted_.pop_front();
    next.answers = in_.stores[place_]->apply(next.what->requests, next.how);
    answered_.push_back(std::move(next));
    return true;
}

inline bool node::tell() {
    if (answered_.empty()) return false;
    auto next = std::move(answered_.front());
    answered_.pop_front();
    desk.complete(*next.what, std::move(next.answers));
    desk.flush();
    return true;
}

}  // namespace madang::moving
