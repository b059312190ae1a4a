#include <caf/all.hpp>

#include <fnmatch.h>

#include <algorithm>
#include <tuple>

#include "actors/delivery_span.hpp"
#include "actors/group_actor_impl.hpp"
#include "actors/hub_impl.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/log.hpp"
#include "broker/core/names.hpp"
#include "broker/core/random_text.hpp"
#include "monitoring/metrics.hpp"
#include "storage/store.hpp"

namespace madang {
namespace {

constexpr std::size_t waiting_limit = 1024;                  // parcels for a group that is being restarted
constexpr std::chrono::milliseconds rejoin_patience{5'000};  // for members of a restarted group

std::size_t bytes_of(const event& e) { return e.type.size() + e.body.bytes().size() + sizeof(event); }

}  // namespace

hub::hub(asio_loop& on, hub_directory& all)
    : loop_(on),
      all_(all),
      desk_(*this, *all.namespaces, all.node),
      outgoing_(all.credits.size()),
      taker_(*this, all.hand_over) {}
// Groups that go with it find themselves forgotten already.
hub::~hub() { auto last = std::move(homes_); }

// ------------------------------------------------------------------------------------------- connections

void hub::seat_connection(connection& who, caf::strong_actor_ptr actor) {
    const auto id = actor->id();
    const auto made = connections_.emplace(id, seat{&who, std::move(actor), by_user_.end()}).first;
    index_user(made->second, id);
}

void hub::user_known(connection& who) {
    const auto found = connections_.find(who.member_id());
    if (found != connections_.end()) index_user(found->second, found->first);
}

void hub::index_user(seat& where, std::uint64_t id) {
    if (where.user != by_user_.end()) by_user_.erase(where.user);
    const auto user = where.who->user();
    where.user = user.empty() ? by_user_.end() : by_user_.emplace(user, id);
}

void hub::exit(connection& who) noexcept {
    auto found = connections_.find(who.member_id());
    if (found == connections_.end()) return;
    auto keep = std::move(found->second.actor);
    if (found->second.user != by_user_.end()) by_user_.erase(found->second.user);
    connections_.erase(found);
}

void hub::post(std::uint64_t id, std::function<void(connection&)> fn) {
    loop_.post([this, id, fn = std::move(fn)] {
        if (auto* who = find(id)) fn(*who);
    });
}

connection* hub::find(std::uint64_t id) const noexcept {
    auto found = connections_.find(id);
    return found == connections_.end() ? nullptr : found->second.who;
}

caf::actor hub::actor_of(std::string_view group) const {
    auto found = homes_.find(group);
    return found == homes_.end() ? nullptr : found->second.actor;
}

caf::actor hub::actor_of(std::uint64_t connection) const {
    auto found = connections_.find(connection);
    return found == connections_.end() ? nullptr : caf::actor_cast<caf::actor>(found->second.actor);
}

std::vector<std::uint64_t> hub::connection_ids() const {
    std::vector<std::uint64_t> ids;
    ids.reserve(connections_.size());
    for (const auto& [id, seat] : connections_) ids.push_back(id);
    return ids;
}

std::string hub::channel_name(std::uint64_t id) const {
    return "specific." + all_.node + "." + std::to_string(loop_.index()) + "!" + std::to_string(id);
}

madang_status hub::group_add(connection& who, std::string_view group, delivery how,
                             std::shared_ptr<const member_info> info) {
    if (members_.add(who, group, how) != member_table::change::tell_home) return MADANG_OK;
    if (!info && all_.namespaces->now().any_presence()) info = presence_of(who, group);
    tell_join(who.member_id(), group, std::move(info), nullptr);
    return MADANG_OK;
}

madang_status hub::subscribe(connection& who, std::string_view group, std::shared_ptr<const member_info> info,
                             std::shared_ptr<subscribe_ticket> ask) {
    members_.add(who, group, delivery::client_held);
    ask->group = group;
    ask->loop = loop_.index();
    ask->member = who.member_id();
    tell_join(who.member_id(), group, std::move(info), std::move(ask));
    return MADANG_OK;
}

void hub::tell_join(std::uint64_t member, std::string_view group, std::shared_ptr<const member_info> info,
                    std::shared_ptr<subscribe_ticket> ask) {
    tell(home_of(group), parcels::join{std::string(group), member, loop_.index(),
                                       connections_.at(member).actor, std::move(info), std::move(ask)});
}

// A consumer's connection, where its group's namespace keeps presence.
std::shared_ptr<const member_info> hub::presence_of(connection& who, std::string_view group) const {
    if (const auto* client = who.client()) return client->info(group);
    if (who.background()) return nullptr;
    const auto* options = all_.namespaces->now().of_group(group);
    if (options == nullptr || !options->presence) return nullptr;
    auto info = std::make_shared<member_info>();
    info->who.client = who.channel();
    info->who.user = who.user();
    info->presence = true;
    info->join_leave = options->join_leave;
    return info;
}

madang_status hub::group_discard(connection& who, std::string_view group) {
    if (members_.remove(who, group) == member_table::change::tell_home)
        tell(home_of(group),
             parcels::leave{std::string(group), who.member_id(), connections_.at(who.member_id()).actor});
    return MADANG_OK;
}

void hub::leave_all(connection& who) noexcept {
    auto found = connections_.find(who.member_id());
    members_.remove_all(who, [&](std::string_view group) {
        if (found != connections_.end())
            tell(home_of(group), parcels::leave{std::string(group), who.member_id(), found->second.actor});
    });
}

// ------------------------------------------------------------------------------------------- credit

bool hub::congested() const noexcept {
    for (const auto& each : all_.credits)
        if (each->exhausted()) return true;
    return false;
}

void hub::wait_for_credit(connection& who) { waiting_publishers_.push_back(who.member_id()); }

void hub::credit_returned() {
    for (auto id : std::exchange(waiting_publishers_, {}))
        if (auto* who = find(id)) who->resume_publisher();
}

// ------------------------------------------------------------------------------------------- sending

madang_status hub::group_send(std::string_view group, event what, std::shared_ptr<publish_ticket> ticket) {
    loop_.metrics().add(counter::publications);
    tell(home_of(group), parcels::publish{std::string(group), std::move(what), std::move(ticket)});
    return MADANG_OK;
}

madang_status hub::channel_send(std::size_t loop, std::uint64_t member, event what) {
    loop_.metrics().add(counter::channel_sends);
    if (loop == loop_.index() && find(member) == nullptr) return MADANG_NOT_FOUND;
    tell(loop, parcels::send_event{member, std::move(what)});
    return MADANG_OK;
}

madang_status hub::background_send(const hub_directory::background_address& to, event what) {
    loop_.metrics().add(counter::channel_sends);
    tell(to.loop, parcels::background_event{to.plugin, to.which, std::move(what)});
    return MADANG_OK;
}

// To this loop: done now, as an actor message where an actor is meant. To another: into its envelope.
void hub::tell(std::size_t loop, parcel what) {
    if (loop == loop_.index()) return handle(what);
    if (loop >= loops()) return tell_peer(loop - loops(), what);
    auto& mail = outgoing_[loop];
    if (!mail) {
        mail = std::make_shared<envelope>();
        mail->from = loop_.index();
        loop_.touch_early(*this);
    }
    std::size_t bytes = 0;
    if (auto* publish = std::get_if<parcels::publish>(&what)) bytes = bytes_of(publish->what);
    if (auto* batch = std::get_if<parcels::deliver>(&what))
        bytes = batch->what->frames(0, batch->what->size()).size();
    if (auto* direct = std::get_if<parcels::send_event>(&what)) bytes = bytes_of(direct->what);
    if (auto* direct = std::get_if<parcels::background_event>(&what)) bytes = bytes_of(direct->what);
    if (auto* mail_item = std::get_if<parcels::from_peer>(&what)) bytes = mail_item->what.bytes;
    mail->bytes += bytes;
    if (bytes != 0) all_.credits[loop]->take(bytes);
    mail->parcels.push_back(std::move(what));
}

void hub::open(envelope& mail) {
    for (auto& each : mail.parcels) handle(each);
    if (mail.bytes != 0 && all_.credits[loop_.index()]->give_back(mail.bytes))
        for (const auto& each : all_.hubs) caf::anon_send(each, caf::ok_atom_v);
}

void hub::handle(parcel& what) {
    struct visitor {
        hub& self;
        void operator()(parcels::publish& p) {
            if (self.away(p.group)) return self.publish_away(p);
            if (!p.ticket && !self.desk_.concerns(p.group)) return self.at_home(p.group, p, create::no);
            if (self.hold_publish(p)) return;
            self.desk_.send(p.group, std::move(p.what), std::move(p.ticket));
        }
        void operator()(parcels::join& p) { self.join_home(p); }
        void operator()(parcels::leave& p) {
            self.member_left(p.group,
                             p.member);  // here and now, as joins are: it may come again in this turn
            self.at_home(p.group, p, create::no);
        }
        void operator()(parcels::joined& p) {
            if (auto* who = self.find(p.member)) self.members_.joined(*who, p.group, p.from);
        }
        void operator()(parcels::left& p) {
            if (auto* who = self.find(p.member)) self.members_.left(*who, p.group, p.until, p.batches);
        }
        void operator()(parcels::deliver& p) { self.members_.deliver(*p.what); }
        void operator()(parcels::rejoin& p) { self.rejoin(p.group); }
        void operator()(parcels::stale& p) { self.desk_.stale(p.who); }
        void operator()(parcels::lost& p) { self.tell_lost(p.group, losers::those_who_know_a_position); }
        void operator()(parcels::answer& p) {
            if (auto* who = self.find(p.whom->member))
                who->run("subscribed", [&] { p.whom->done(std::move(*p.what)); });
        }
        void operator()(parcels::question& p) {
            if (self.away(p.group)) return p.done(fail(errc::busy, "the group's node is another by now"));
            if (self.hold_question(p)) return;
            self.desk_.ask(p.group, std::move(p.what), std::move(p.done));
        }
        void operator()(parcels::stored& p) { self.desk_.complete(*p.what, std::move(p.answers)); }
        void operator()(parcels::send_event& p) {
            auto found = self.connections_.find(p.member);
            if (found == self.connections_.end()) return;
            if (auto* by = self.loop_.tracing()) record_delivery(*by, p.what, self.channel_name(p.member), 1);
            caf::anon_send(caf::actor_cast<caf::actor>(found->second.actor), std::move(p));
        }
        void operator()(parcels::from_peer& p) { self.peer_said(p.peer, p.link, p.what); }
        void operator()(parcels::to_peer& p) {
            if (self.send_peer(p.peer, p.what)) return;
            if (const auto* call = std::get_if<peer_parcels::call>(&p.what))
                self.all_.calls.refused(call->ticket,
                                        fail(errc::busy, "there is no link to the group's node"));
        }
        void operator()(parcels::background_event& p) {
            if (auto* by = self.loop_.tracing()) record_delivery(*by, p.what, "background", 1);
            caf::anon_send(self.all_.plugins[p.plugin], std::move(p));
        }
    };
    std::visit(visitor{*this}, what);
}

// ------------------------------------------------------------------------------------------- groups at home

template <class Parcel>
void hub::at_home(const std::string& group, Parcel& what, create missing) {
    auto found = homes_.find(group);
    if (found == homes_.end()) {
        if (missing == create::no) return;
        found = homes_.try_emplace(group).first;
        std::tie(found->second.actor, found->second.group) = spawn_group_actor(*this, group);
        loop_.metrics().gauge_add(gauge::groups, 1);
        if (away(group)) to_owner(peer_parcels::interest{group, true});
    }
    auto& home = found->second;
    if (home.actor)
        caf::anon_send(home.actor, std::move(what));
    else if (home.waiting.size() < waiting_limit)
        home.waiting.emplace_back(std::move(what));
    else
        loop_.metrics().add(counter::publications_refused);
}

void hub::group_touched(group_actor& which) {
    touched_groups_.emplace_back(which.ctrl(), &which);
    loop_.touch_early(*this);
}

// Behind all that was sent to the group.
void hub::go_behind(const std::string& group, parcel what) {
    const auto found = homes_.find(group);
    if (found == homes_.end() || !found->second.actor) return at_turns_end(std::move(what));
    found->second.behind.push_back(std::move(what));
    caf::anon_send(found->second.actor, parcels::behind{});
}

void hub::at_turns_end(parcel&& what) {
    if (auto* lost = std::get_if<parcels::lost>(&what))
        began_.push_back(std::move(lost->group));
    else
        answers_.push_back(std::move(std::get<parcels::answer>(what)));
    loop_.touch_early(*this);
}

void hub::group_passed(group_actor& which) {
    auto found = homes_.find(which.group());
    if (found == homes_.end() || !found->second.actor || found->second.actor.id() != which.id()) return;
    auto& behind = found->second.behind;
    at_turns_end(std::move(behind.front()));
    behind.pop_front();
}

void hub::group_emptied(group_actor& which) {
    auto found = homes_.find(which.group());
    if (found == homes_.end() || !found->second.actor || found->second.actor.id() != which.id()) return;
    for (auto& each : found->second.behind) at_turns_end(std::move(each));
    auto last = std::move(found->second.actor);
    homes_.erase(found);
    if (away(which.group())) to_owner(peer_parcels::interest{which.group(), false});
    desk_.emptied(which.group());
    residents_.emptied(which.group());
    loop_.metrics().gauge_add(gauge::groups, -1);
}

// Also called for one that was emptied: then it is not the home's actor any more. Otherwise it failed.
void hub::group_exited(group_actor& which) {
    auto found = homes_.find(which.group());
    if (found == homes_.end() || !found->second.actor || found->second.actor.id() != which.id()) return;
    auto& home = found->second;
    auto dead = std::move(home.actor);
    home.group = nullptr;
    for (auto& each : std::exchange(home.behind, {})) at_turns_end(std::move(each));
    desk_.doubt(which.group());
    const auto delay = home.restarts.next_delay(loop_.now());
    loop_.metrics().add(labelled_counter::actor_restarts, "group");
    log_error("group.failed",
              {{"group", which.group()}, {"restart_in_ms", static_cast<std::int64_t>(delay.count())}});
    loop_.schedule(delay, [this, name = which.group()] { restart_group(name); });
}

void hub::restart_group(const std::string& name) {
    auto found = homes_.find(name);
    if (found == homes_.end() || found->second.actor) return;
    std::tie(found->second.actor, found->second.group) = spawn_group_actor(*this, name);
    loop_.schedule(rejoin_patience, [this, name] { desk_.confirm(name); });
    for (std::size_t loop = 0; loop < loops(); ++loop) tell(loop, parcels::rejoin{name});
    rejoin_peers(name);
    // Members' joins are on their way; what waited comes behind those of this loop.
    for (auto& each : std::exchange(found->second.waiting, {})) handle(each);
}

void hub::rejoin(const std::string& group) {
    members_.restarted(group, [&](group_member& who) {
        auto info = all_.namespaces->now().any_presence() ? presence_of(static_cast<connection&>(who), group)
                                                          : nullptr;
        tell_join(who.member_id(), group, std::move(info), nullptr);
    });
    tell_lost(group, losers::all);  // what the actor that failed still had to hand out
}

// Such a session gets nothing more of the group: a later publication would move its client's position past
// what is missing. It is told later, not from within, since it leaves the group upon it.
void hub::tell_lost(const std::string& group, losers who) {
    members_.each(group, [&](group_member& member, delivery& how) {
        const auto* client = static_cast<connection&>(member).client();
        const bool live = how == delivery::client || how == delivery::client_and_joins;
        const bool held = how == delivery::client_held && who == losers::all;
        if (client == nullptr || !(live || held) || !client->knows_position(group)) return;
        how = delivery::client_held;
        post(member.member_id(), [group](connection& each) {
            if (auto* told = each.client()) each.run("lost", [&] { told->on_stream_lost(group); });
        });
    });
}

// ------------------------------------------------------------------------------------------- streams

void hub::join_home(parcels::join& what) {
    auto group = what.group;
    const auto member = what.member;
    auto info = std::move(what.info);
    auto ask = std::move(what.ask);
    at_home(group, what, create::yes);
    if (away(group)) return away_.joined(group, member, std::move(info), std::move(ask));
    desk_.joined(group, member, std::move(info), nullptr);
    if (ask) ask_stream(group, std::move(ask));
}

void hub::hand_to_group(const std::string& group, event&& what) {
    parcels::publish parcel{group, std::move(what), nullptr};
    at_home(group, parcel, create::no);
}

void hub::answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) {
    const auto group = whom->group;
    go_behind(group, parcels::answer{std::move(whom), std::make_shared<result<subscribed>>(std::move(what))});
}

void hub::submit(std::shared_ptr<desk_batch> what, durability how) {
    auto requests = std::move(what->requests);
    all_.asked.fetch_add(1, std::memory_order_relaxed);
    all_.kept->submit(
        std::move(requests), how,
        [&all = all_, what, self = all_.hubs[loop_.index()]](std::vector<store_answer> answers) mutable {
            auto mail = std::make_shared<envelope>();
            mail->parcels.push_back(parcels::stored{std::move(what), std::move(answers)});
            caf::anon_send(std::exchange(self, nullptr), std::move(mail));
            all.answered();
        });
}

std::int64_t hub::now_ms() const { return unix_ms(); }

std::string hub::random_epoch() { return madang::random_epoch(); }

void hub::count_refused() { loop_.metrics().add(counter::publications_refused); }

void hub::stream_began(const std::string& group) {
    tell_began(group);
    // To those whose answers are on their way.
    if (const auto found = homes_.find(group); found != homes_.end() && !found->second.behind.empty())
        go_behind(group, parcels::lost{group});
    else if (!answers_.empty())
        began_.push_back(group);
}

void hub::tell_began(const std::string& group) {
    for (std::size_t loop = 0; loop < loops(); ++loop) tell(loop, parcels::lost{group});
    for (std::size_t peer = 0; peer < boxes_.size(); ++peer)
        if (boxes_[peer].interests.contains(group)) send_peer(peer, peer_parcels::lost{group});
}

void hub::presence_unwritten(std::size_t count) {
    loop_.metrics().gauge_add(gauge::presence_unwritten,
                              static_cast<std::int64_t>(count) - static_cast<std::int64_t>(unwritten_));
    unwritten_ = count;
    if (count == 0 || std::exchange(repairing_, true)) return;
    loop_.schedule(all_.presence_retry, [this] { repair_presence(); });
}

void hub::repair_presence() {
    repairing_ = false;
    if (all_.kept->health())
        desk_.repair_presence();
    else
        presence_unwritten(unwritten_);
}

void hub::count_repaired() { loop_.metrics().add(counter::presence_repaired); }

// ------------------------------------------------------------------------------------------- commands

std::vector<connection*> hub::selected(const client_selector& whom) const {
    std::vector<connection*> result;
    const auto add = [&](connection* who) {
        if (who == nullptr || who->background()) return;
        const auto* client = who->client();
        if (!whom.client.empty() && whom.client != (client != nullptr ? client->client() : who->channel()))
            return;
        if (!whom.session.empty() && (client == nullptr || whom.session != client->session())) return;
        result.push_back(who);
    };
    if (!whom.user.empty()) {
        for (auto [each, end] = by_user_.equal_range(whom.user); each != end; ++each) add(find(each->second));
    } else if (!whom.client.empty() || !whom.session.empty()) {
        for (const auto& [id, seat] : connections_) add(seat.who);
    }
    return result;
}

std::size_t hub::command(const client_selector& whom, const client_command& what) {
    std::size_t count = 0;
    for (auto* who : selected(whom)) {
        const auto* client = who->client();
        const std::string id{client != nullptr ? client->client() : who->channel()};
        if (std::find(what.whitelist.begin(), what.whitelist.end(), id) != what.whitelist.end()) continue;
        if (client == nullptr && what.what != client_command::verb::disconnect) continue;
        ++count;
        post(who->member_id(), [what](connection& each) { each.on_command(what); });
    }
    return count;
}

void hub::add_figures(node_figures& to, std::unordered_set<std::string>& users) const {
    to.groups += homes_.size();
    for (const auto& [id, seat] : connections_) {
        if (seat.who->background()) continue;
        ++to.clients;
        to.subscriptions += seat.who->membership_count();
    }
    for (const auto& [user, id] : by_user_) users.insert(user);
}

void hub::add_groups(std::map<std::string, std::uint64_t>& to, const std::string& pattern,
                     std::size_t limit) const {
    for (const auto& [name, home] : homes_) {
        if (home.group == nullptr || home.group->members() == 0) continue;
        if (!pattern.empty() && ::fnmatch(pattern.c_str(), name.c_str(), 0) != 0) continue;
        if (to.size() >= limit) return;
        to.emplace(name, home.group->members());
    }
}

// ------------------------------------------------------------------------------------------- the turn's end

void hub::flush() {
    desk_.flush();
    for (auto& [keep, group] : std::exchange(touched_groups_, {})) group->hand_out();
    for (auto& each : std::exchange(answers_, {})) {
        const auto loop = each.whom->loop;
        tell(loop, std::move(each));
    }
    // To those who knew no position before they were answered just now.
    for (const auto& group : std::exchange(began_, {})) tell_began(group);
    for (std::size_t loop = 0; loop < outgoing_.size(); ++loop)
        if (outgoing_[loop]) caf::anon_send(all_.hubs[loop], std::exchange(outgoing_[loop], nullptr));
    for (std::size_t peer = 0; peer < boxes_.size(); ++peer) post_mail(peer);
}

}  // namespace madang
