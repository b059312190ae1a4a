#include "actors/shard_tenures.hpp"

#include <utility>

namespace madang {

cluster_view shard_tenures::without_self(cluster_view view) const {
    for (auto& each : view.members)
        if (each.who.name == self_) each.state = node_state::joining;
    return view;
}

// There was a view between them, or a node is back that had lived apart.
bool shard_tenures::parts(const cluster_view& now) {
    const bool next = now.number == view_.number + 1;
    bool found = !next && now.name() != view_.name();
    for (const auto& each : now.members) {
        if (!is_living(each.state)) continue;
        auto& incarnation = lived_[each.who.name];
        found = found || (incarnation == each.who.incarnation && !view_.has_living(each.who));
        incarnation = each.who.incarnation;
    }
    return found;
}

shard_tenures::change shard_tenures::go_by(
    const cluster_view& now, const std::function<std::size_t(const std::string& name)>& place_of) {
    change made;
    made.parted = parts(now);
    const auto before = std::exchange(view_, now);
    // In its first view it owns for the first time: what would be another's without it was that one's, who
    // knows better.
    const bool first = before.number == 0;
    const bool follows = first || (before.number + 1 == now.number && !made.parted);
    const auto shards = static_cast<std::uint32_t>(since_.size());
    const shard_map then(first ? without_self(now) : before, shards), owners(now, shards);
    const auto add = [&](shard_move::direction how, const node_id& who, shard_move::shard what) {
        const auto peer = place_of(who.name);
        for (auto& each : made.moves)
            if (each.how == how && each.peer == peer) return each.shards.push_back(what);
        made.moves.push_back({how, peer, before.name(), now.name(), {what}});
    };
    ++count_;
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        const auto *was = then.owner(shard), *is = owners.owner(shard);
        const bool ours = is != nullptr && is->name == self_;
        const auto ended = since_[shard];
        if (!ours)
            since_[shard] = 0;
        else if (made.parted || ended == 0)
            since_[shard] = count_;
        if (!follows || was == nullptr || is == nullptr || *was == *is) continue;
        if (ours && now.has_living(*was)) add(shard_move::direction::gained, *was, {shard, since_[shard]});
        if (!ours && ended != 0) add(shard_move::direction::lost, *is, {shard, ended});
    }
    return made;
}

}  // namespace madang
