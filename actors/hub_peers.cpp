// A hub's dealings with other nodes: as the home of groups that one of them owns, and of groups that they
// have members of.
#include <caf/all.hpp>

#include "actors/cluster_words_impl.hpp"
#include "actors/hub_impl.hpp"
#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::size_t mail_at_once = 1024 * 1024;            // bytes, then a mail goes before the turn's end
constexpr std::size_t early_limit = 16 * 1024 * 1024;        // bytes, of all nodes
constexpr std::size_t handled_at_once = 16 * 1024;           // bytes, then the sender is told
constexpr std::uint8_t hops_limit = 2;                       // while nodes go by different views
constexpr std::chrono::milliseconds return_patience{5'000};  // for members of a node behind a new link

// What may be lost when a node does not keep up; the rest is little, and others wait for it.
bool droppable(const peer_parcel& what) {
    return std::holds_alternative<peer_parcels::publish>(what) ||
           std::holds_alternative<peer_parcels::deliver>(what) ||
           std::holds_alternative<peer_parcels::send_event>(what);
}

// A peer as a member of a group.
std::uint64_t member_of(std::size_t peer) { return stream_desk::member_of(peer + 1, 0); }

}  // namespace

// ------------------------------------------------------------------------------------------- to them

template <class Append>
bool hub::send_peer(std::size_t peer, bool may_drop, Append append) {
    if (!routes_ || peer >= routes_->peers.size()) return false;
    const auto& to = routes_->peers[peer];
    auto& box = boxes_[peer];
    if (to.hubs.empty() || (may_drop && to.under_way->exhausted())) {
        if (may_drop) {
            loop_.metrics().add(counter::cluster_drops);
            ++box.dropped;
        }
        return false;
    }
    loop_.touch_early(*this);
    const auto before = box.mail.size();
    if (box.dropped != 0)
        madang::append(box.mail, routes_->owners.view(), peer_parcels::gap{std::exchange(box.dropped, 0)});
    append(box.mail, routes_->owners.view());
    to.under_way->take(box.mail.size() - (before == 0 ? peer_mail_head : before));
    if (box.mail.size() >= mail_at_once) post_mail(peer);
    return true;
}

bool hub::send_peer(std::size_t peer, const peer_parcel& what) {
    return send_peer(peer, droppable(what),
                     [&](std::string& mail, std::uint64_t view) { append(mail, view, what); });
}

bool hub::send_peer(std::size_t peer, const batch& what) {
    return send_peer(peer, true,
                     [&](std::string& mail, std::uint64_t view) { append_deliver(mail, view, what); });
}

void hub::post_mail(std::size_t peer) {
    auto& box = boxes_[peer];
    const auto& to = routes_->peers[peer];
    if (to.hubs.empty()) return;
    const auto& there = to.hubs[loop_.index() % to.hubs.size()];
    if (!box.mail.empty())
        caf::anon_send(there, peer_mail_atom::value, to.known_as.place, to.known_as.link,
                       std::exchange(box.mail, {}));
    if (box.handled >= handled_at_once)
        caf::anon_send(there, peer_credit_atom::value, to.known_as.place, to.known_as.link,
                       static_cast<std::uint64_t>(std::exchange(box.handled, 0)));
}

// What a group tells a "loop" that is another node.
void hub::tell_peer(std::size_t peer, parcel& what) {
    if (auto* batch = std::get_if<parcels::deliver>(&what))
        if (send_peer(peer, *batch->what) && batch->what->has_joins()) tell_residents(peer, *batch->what);
    if (auto* answer = std::get_if<parcels::answer>(&what)) answer->whom->done(std::move(*answer->what));
}

void hub::tell_residents(std::size_t peer, const batch& what) {
    peer_parcels::residents told{what.group(), false, {}, {}};
    for (const auto& each : what.events()) {
        if (!each.resident) continue;
        if (each.what == event::kind::join)
            told.came.push_back(*each.who);
        else
            told.left.push_back(each.who->client);
    }
    if (!told.came.empty() || !told.left.empty()) send_peer(peer, told);
}

void hub::tell_residents(std::size_t peer, const std::string& group) {
    peer_parcels::residents told{group, true, desk_.residents(group), {}};
    const auto* options = all_.namespaces->now().of_group(group);
    if (!told.came.empty() || (options != nullptr && options->join_leave)) send_peer(peer, told);
}

void hub::tell_here(std::vector<resident_list::news>&& what) {
    for (auto& each : what) {
        event told;
        told.what = each.what;
        told.only_here = true;
        told.who = std::make_shared<const client_info>(std::move(each.who));
        hand_to_group(each.group, std::move(told));
    }
}

bool hub::to_owner(peer_parcel&& what) {
    const auto owner = owner_of(group_of(what));
    return owner != cluster_routes::here && send_peer(owner, what);
}

void hub::publish_away(parcels::publish& what) {
    away_.send(what.group, std::move(what.what), std::move(what.ticket));
}

// ------------------------------------------------------------------------------------------- from them

void hub::credit_came(std::size_t peer, std::uint64_t link, std::size_t bytes) {
    if (linked(peer, link)) routes_->peers[peer].under_way->give_back(bytes);
}

// Whether it is a link that this loop has not heard of, and not one that is gone.
bool hub::may_come(std::size_t peer, std::uint64_t link) const noexcept {
    if (!routes_ || peer >= routes_->peers.size()) return true;
    const auto known = routes_->peers[peer].link;
    return link > known || (link == known && link > boxes_[peer].over);
}

// The other node may know of a link before all of this node's loops do.
void hub::came_early(std::size_t peer, std::uint64_t link, std::size_t bytes, std::function<void()> take) {
    if (!may_come(peer, link)) return;
    if (early_bytes_ + bytes > early_limit) {
        log_error("cluster.mail_early", {{"place", static_cast<std::int64_t>(peer)}});
        return;
    }
    early_bytes_ += bytes;
    early_.push_back({peer, link, std::move(take)});
}

void hub::mail_came(std::size_t peer, std::uint64_t link, std::string_view bytes) {
    if (!linked(peer, link))
        return came_early(peer, link, bytes.size(),
                          [this, peer, link, mail = std::string(bytes)] { mail_came(peer, link, mail); });
    auto mail = read_peer_mail(bytes);
    if (!mail) {
        loop_.metrics().add(labelled_counter::cluster_refused, "mail");
        log_error("cluster.mail_malformed",
                  {{"node", routes_->peers[peer].who.name}, {"what", mail.error().detail}});
        return;
    }
    boxes_[peer].handled += mail->unknown_bytes;
    loop_.touch_early(*this);
    for (auto& each : mail->parcels) {
        if (std::holds_alternative<peer_parcels::gap>(each.what) ||  // any group that it owns
            std::holds_alternative<peer_parcels::take_all>(each.what) ||
            std::holds_alternative<peer_parcels::given_all>(each.what)) {
            for (std::size_t loop = 0; loop < loops(); ++loop)
                tell(loop, parcels::from_peer{peer, link, {each.what, loop == 0 ? each.bytes : 0}});
            continue;
        }
        const auto& group = group_of(each.what);
        const auto home = group.empty() ? loop_.index() : home_of(group);
        tell(home, parcels::from_peer{peer, link, std::move(each)});
    }
}

// Tells the peer what became of what it asked, while the link stands over which it did. On this loop.
template <class Value, class Reply, class Asked>
auto hub::replier(std::size_t peer, std::uint64_t link, const Asked& what, Value Reply::*place) {
    return [this, peer, link, place, group = what.group, ticket = what.ticket](result<Value> got) {
        if (!linked(peer, link)) return;
        Reply told;
        told.group = group;
        told.ticket = ticket;
        told.good = got.has_value();
        if (got)
            told.*place = std::move(*got);
        else
            told.refused = got.error();
        send_peer(peer, told);
    };
}

// At the group's home. Its sender may send as much again as has been handled.
void hub::peer_said(std::size_t peer, std::uint64_t link, peer_mail::item& item) {
    if (!linked(peer, link))
        return came_early(peer, link, item.bytes,
                          [this, peer, link, item]() mutable { peer_said(peer, link, item); });
    boxes_[peer].handled += item.bytes;
    loop_.touch_early(*this);
    struct visitor {
        hub& self;
        std::size_t peer;
        std::uint64_t link;

        void operator()(peer_parcels::interest& p) {
            auto& known = self.boxes_[peer].interests;
            if (p.wanted) {
                if (!self.away(p.group)) self.tell_residents(peer, p.group);
                if (!known.insert(p.group).second) return;
                parcels::join join{p.group, member_of(peer), self.place_of(peer), nullptr, nullptr, nullptr};
                self.at_home(p.group, join, create::yes);
            } else if (known.erase(p.group) != 0) {
                parcels::leave leave{p.group, member_of(peer), nullptr};
                self.at_home(p.group, leave, create::no);
            }
        }
        void operator()(peer_parcels::publish& p) {
            if (self.away(p.group)) {  // this node's view is another
                if (++p.hops < hops_limit && p.ticket == 0 && self.to_owner(std::move(p))) return;
                self.loop_.metrics().add(counter::cluster_drops);
                if (p.ticket != 0)
                    self.send_peer(
                        peer, peer_parcels::published{p.group,
                                                      p.ticket,
                                                      false,
                                                      fail(errc::busy, "the group's node is another by now"),
                                                      {}});
                return;
            }
            std::shared_ptr<publish_ticket> ticket;
            if (p.ticket != 0 || !p.key.empty() || p.skip_history) {
                ticket = std::make_shared<publish_ticket>();
                ticket->key = std::move(p.key);
                ticket->skip_history = p.skip_history;
            }
            if (p.ticket != 0)
                ticket->done = self.replier<position>(peer, link, p, &peer_parcels::published::at);
            parcels::publish publish{std::move(p.group), std::move(p.what), std::move(ticket)};
            parcel whole{std::move(publish)};
            self.handle(whole);
        }
        void operator()(peer_parcels::enter& p) {
            if (self.away(p.group)) return;
            auto info = std::make_shared<const member_info>(std::move(p.who));
            const auto id = stream_desk::member_of(peer + 1, p.member);
            if (p.again)
                self.desk_.joined_before(p.group, id, std::move(info));
            else
                self.desk_.joined(p.group, id, std::move(info), nullptr);
        }
        void operator()(peer_parcels::leave& p) {
            self.desk_.left(p.group, stream_desk::member_of(peer + 1, p.member));
        }
        void operator()(peer_parcels::subscribe& p) {
            auto ask = std::make_shared<subscribe_ticket>();
            ask->group = p.group;
            ask->how = std::move(p.how);
            ask->loop = self.place_of(peer);
            ask->done = self.replier<subscribed>(peer, link, p, &peer_parcels::answer::what);
            if (self.away(p.group)) return ask->done(fail(errc::busy, "the group's node is another by now"));
            self.ask_stream(p.group, std::move(ask));
        }
        void operator()(peer_parcels::deliver& p) {
            if (self.owner_of(p.group) != peer) return;
            for (auto& each : p.events) self.hand_to_group(p.group, std::move(each));
        }
        void operator()(peer_parcels::residents& p) {
            if (self.owner_of(p.group) != peer || !self.homes_.contains(p.group)) return;
            self.tell_here(self.residents_.came(self.peer_as_owner(peer), std::move(p)));
        }
        void operator()(peer_parcels::published& p) { self.away_.came(std::move(p)); }
        void operator()(peer_parcels::answer& p) { self.away_.came(std::move(p)); }
        void operator()(peer_parcels::lost& p) {
            for (std::size_t loop = 0; loop < self.loops(); ++loop) self.tell(loop, parcels::lost{p.group});
        }
        void operator()(peer_parcels::send_event& p) {
            if (p.loop < self.loops())
                self.tell(static_cast<std::size_t>(p.loop), parcels::send_event{p.member, std::move(p.what)});
        }
        void operator()(peer_parcels::call& p) {
            const auto tell = self.replier<std::string>(peer, link, p, &peer_parcels::told::body);
            const auto later = [&on = self.loop_, tell](result<std::string> body) {
                on.post([tell, body = std::move(body)]() mutable { tell(std::move(body)); });
            };
            if (p.group.empty())
                self.all_.answer_for_node(p, later);
            else
                answer_call(self.all_, p, later);
        }
        void operator()(peer_parcels::told& p) { self.all_.calls.came(peer, link, std::move(p)); }
        void operator()(peer_parcels::take& p) { self.giver_.came(peer, std::move(p)); }
        void operator()(peer_parcels::take_all& p) { self.giver_.came(peer, std::move(p)); }
        void operator()(peer_parcels::took& p) { self.giver_.came(peer, p); }
        void operator()(peer_parcels::handed& p) { self.taker_.came(peer, std::move(p)); }
        void operator()(peer_parcels::given_all& p) { self.taker_.came(peer, p); }
        void operator()(peer_parcels::gap&) {
            for (const auto& [name, home] : self.homes_)
                if (self.owner_of(name) == peer) self.stream_began(name);
        }
    };
    std::visit(visitor{*this, peer, link}, item.what);
}

void hub::drop_interests(std::size_t peer) {
    for (const auto& group : std::exchange(boxes_[peer].interests, {})) {
        parcels::leave leave{group, member_of(peer), nullptr};
        at_home(group, leave, create::no);
    }
}

void hub::rejoin_peers(const std::string& group) {
    for (std::size_t peer = 0; peer < boxes_.size(); ++peer) {
        if (!boxes_[peer].interests.contains(group)) continue;
        parcels::join join{group, member_of(peer), place_of(peer), nullptr, nullptr, nullptr};
        at_home(group, join, create::no);
        send_peer(peer, peer_parcels::lost{group});  // what the actor that failed still had to hand out
    }
}

// ------------------------------------------------------------------------------------------- views

void hub::routes_changed(std::shared_ptr<const cluster_routes> now) {
    const auto before = std::exchange(routes_, std::move(now));
    boxes_.resize(routes_->peers.size());
    std::vector<bool> relinked(routes_->peers.size());
    for (std::size_t peer = 0; peer < routes_->peers.size(); ++peer) {
        const auto& is = routes_->peers[peer];
        const auto* was = before && peer < before->peers.size() ? &before->peers[peer] : nullptr;
        // Who returns over the link that it had may have told already what it wants.
        if (was != nullptr && was->link == is.link && was->hubs.empty() == is.hubs.empty() &&
            (was->gone == is.gone || !is.gone))
            continue;
        auto& box = boxes_[peer];
        if (was == nullptr || was->link != is.link || is.hubs.empty()) {
            box.mail.clear();
            box.handled = 0;
        }
        if (was != nullptr && !was->hubs.empty()) box.over = was->link;
        drop_interests(peer);
        // A view may come between a link and its hubs: then the link's number is not new any more.
        relinked[peer] = !is.hubs.empty() && (was == nullptr || was->hubs.empty() || was->link != is.link);
        if (is.gone || (was != nullptr && was->who != is.who)) {
            desk_.node_left(peer + 1);
        } else if (relinked[peer]) {
            desk_.doubt_node(peer + 1);
            loop_.schedule(return_patience, [this, peer, link = is.link] {
                if (routes_->peers[peer].link == link) desk_.confirm_node(peer + 1);
            });
        }
    }

    tell_here(residents_.owners_changed([&](const std::string& group, const resident_list::owner& of) {
        using fate = resident_list::fate;
        if (of != peer_as_owner(of.peer)) return fate::other;
        if (routes_->peers[of.peer].gone) return fate::gone;
        return owner_of(group) == of.peer ? fate::owner : fate::moved;
    }));

    const auto change_of = [&](const std::string& group) {
        const auto was = before ? before->owner_of(group) : cluster_routes::here;
        const auto is = routes_->owner_of(group);
        if (is == cluster_routes::here) return was == is ? away_desk::change::none : away_desk::change::here;
        return was != is || relinked[is] || routes_->parted ? away_desk::change::other
                                                            : away_desk::change::none;
    };
    for (const auto& [name, home] : homes_) {
        const auto how = change_of(name);
        if (how == away_desk::change::none && !routes_->parted) continue;
        if (how == away_desk::change::other) to_owner(peer_parcels::interest{name, true});
        desk_.emptied(name);  // members ask again, whatever they were told of its stream
        stream_began(name);
    }
    for (const auto& group : desk_.groups_with_members())
        if (change_of(group) == away_desk::change::other)
            for (auto& [member, info] : desk_.hand_over(group))
                away_.joined_before(group, member, std::move(info));
    auto here = away_.owners_changed(change_of);
    move_streams();
    for (auto& [group, taken] : here) {
        for (auto& [member, info] : taken.members) desk_.joined_before(group, member, std::move(info));
        for (std::size_t peer = 0; peer < boxes_.size(); ++peer)  // those that had this view before
            if (boxes_[peer].interests.contains(group)) tell_residents(peer, group);
        for (auto& ask : taken.asks) ask_stream(group, std::move(ask));
    }
    early_bytes_ = 0;
    for (auto& each : std::exchange(early_, {})) each.take();
}

}  // namespace madang
