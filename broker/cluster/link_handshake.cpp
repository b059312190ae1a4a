#include "broker/cluster/link_handshake.hpp"

#include <algorithm>
#include <utility>

namespace madang {

namespace {

struct refusal_row {
    std::string_view word, sentence;
};
constexpr refusal_row refusals[] = {
    {"protocol", "it broke the protocol of links"},
    {"hello", "its hello cannot be read"},
    {"cluster", "it belongs to a cluster of another name (cluster-name)"},
    {"self", "it has this node's own name (node-name)"},
    {"incarnation", "a later process of its name was here"},
    {"version", "there is no version of links that both speak"},
    {"shards", "its data has another number of shards"},
    {"replay", "it repeated what another link had said"},
    {"name", "its certificate has not the name that it says (node-name)"},
    {"nodes", "as many nodes are linked as cluster-nodes allows"},
    {"duplicate", "there is a link to it"},
    {"certificate", "its certificate is not of this cluster's authority (cluster-ca)"},
    {"expired", "its certificate's time is over, or has not come"},
    {"tls", "it does not speak TLS as it should, or refused this node's certificate"},
    {"timeout", "it did not say who it is within cluster-handshake-timeout"},
    {"handshakes", "more than cluster-handshakes were waiting"},
    {"workers", "as many workers have joined as worker-connections allows"},
    {"closed", "it went before it had said who it is"},
};

}  // namespace

std::string_view to_string(link_refusal why) noexcept { return refusals[static_cast<std::size_t>(why)].word; }
std::string_view describe(link_refusal why) noexcept {
    return refusals[static_cast<std::size_t>(why)].sentence;
}

std::optional<link_refusal> judge(const worker_hello& what, const peer_hello& self,
                                  const std::optional<std::vector<std::string>>& certified) {
    if (std::max(what.least, self.least) > std::min(what.most, self.most)) return link_refusal::version;
    if (what.cluster != self.cluster) return link_refusal::cluster;
    if (certified && std::ranges::find(*certified, what.name) == certified->end()) return link_refusal::name;
    return std::nullopt;
}

std::optional<link_refusal> link_book::judge(const node_id& who) const {
    if (who.name == self_.name) return link_refusal::self;
    const auto it = seen_.find(who.name);
    if (it != seen_.end() && it->second.incarnation > who.incarnation) return link_refusal::incarnation;
    if (it != seen_.end() && it->second.link) {
        const bool same = it->second.incarnation == who.incarnation;
        if (same && decides(who.name)) return link_refusal::duplicate;
        return std::nullopt;  // takes that one's place
    }
    if (linked_ >= limit_) return link_refusal::nodes;
    return std::nullopt;
}

link_book::claimed link_book::claim(const node_id& who, link_id link) {
    if (const auto why = judge(who)) return {why, {}};
    if (!seen_.contains(who.name)) forget_one();
    auto& it = seen_[who.name];
    it.incarnation = who.incarnation;
    const auto before = std::exchange(it.link, link);
    if (!before) ++linked_;
    return {{}, before};
}

void link_book::release(link_id link) {
    for (auto& [name, it] : seen_)
        if (it.link == link) {
            it.link.reset();
            --linked_;
        }
}

bool link_book::has(std::string_view name) const {
    const auto it = seen_.find(name);
    return it != seen_.end() && it->second.link;
}

void link_book::forget_one() {
    if (seen_.size() < 2 * limit_) return;
    const auto gone = std::ranges::find_if(seen_, [](const auto& each) { return !each.second.link; });
    if (gone != seen_.end()) seen_.erase(gone);
}

link_handshake::link_handshake(peer_hello self, std::string nonce, bool dialed, link_book::link_id link)
    : mine_(std::move(self)), dialed_(dialed), link_(link) {
    mine_.nonce = std::move(nonce);
    mine_.answers.clear();
}

std::uint16_t link_handshake::version() const noexcept {
    return peer_ ? std::min(mine_.most, peer_->most) : std::uint16_t{0};
}

std::optional<link_refusal> link_handshake::judge(const peer_hello& what,
                                                  const std::optional<std::vector<std::string>>& certified,
                                                  const link_book& book) const {
    if (std::max(what.least, mine_.least) > std::min(what.most, mine_.most)) return link_refusal::version;
    if (what.cluster != mine_.cluster) return link_refusal::cluster;
    if (certified && std::ranges::find(*certified, what.from.name) == certified->end())
        return link_refusal::name;
    if (what.nonce == mine_.nonce && what.from != mine_.from) return link_refusal::replay;
    if (what.shards != mine_.shards) return link_refusal::shards;
    return book.judge(what.from);
}

link_handshake::step link_handshake::claimed(link_book& book) {
    const auto [refused, replaces] = book.claim(peer_->from, link_);
    return {.refused = refused, .say = {}, .welcome = false, .replaces = replaces};
}

link_handshake::step link_handshake::heard(const peer_hello& what,
                                           const std::optional<std::vector<std::string>>& certified,
                                           link_book& book) {
    if (stage_ == stage::first) {
        // Not yet an answer to anything, or the answer to this very dial.
        if (what.answers != (dialed_ ? mine_.nonce : std::string()))
            return {link_refusal::replay, {}, false, {}};
        const auto why = judge(what, certified, book);
        mine_.answers = what.nonce;
        // A node that is linked, or itself, hears who this is all the same: it need not dial this place
        // again.
        const bool known = why == link_refusal::duplicate || why == link_refusal::self;
        if (!why || known) peer_ = what;
        step refused{why, {}, false, {}};
        if (known && !dialed_) refused.say = mine_;
        if (why) return refused;
        stage_ = dialed_ ? stage::welcome : stage::second;
        step next;
        if (dialed_ && book.decides(what.from.name)) next = claimed(book);
        if (!next.refused) next.say = mine_;
        return next;
    }
    if (stage_ != stage::second) return {link_refusal::protocol, {}, false, {}};
    peer_hello expected = *peer_;
    expected.answers = mine_.nonce;
    if (what != expected) return {link_refusal::replay, {}, false, {}};
    auto next = claimed(book);
    if (!next.refused) {
        next.welcome = true;
        stage_ = stage::up;
    }
    return next;
}

link_handshake::step link_handshake::welcomed(link_book& book) {
    if (stage_ != stage::welcome) return {link_refusal::protocol, {}, false, {}};
    step next;
    if (!book.decides(peer_->from.name)) next = claimed(book);
    if (!next.refused) stage_ = stage::up;
    return next;
}

}  // namespace madang
