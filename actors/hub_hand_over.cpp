// A hub as the home of groups whose streams come from another node, or go to one.
#include "actors/hub_impl.hpp"
#include "broker/core/clock.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::chrono::milliseconds taker_pause{100};  // between two looks at whose patience is over
constexpr std::chrono::milliseconds giver_pause{50};   // until credit is looked at again

}  // namespace

// Behind what the desks did with the new routes: what was held may go, and finds its group's owner.
void hub::move_streams() {
    using direction = shard_move::direction;
    if (routes_->parted) {
        taker_.end_all("owners");
        giver_.end_all();
    }
    for (std::size_t peer = 0; peer < routes_->peers.size(); ++peer)
        if (routes_->peers[peer].gone) {
            taker_.end_peer(peer, "link");
            giver_.end_peer(peer);
        }
    const auto owned = [&](std::uint32_t shard) { return routes_->since[shard] != 0; };
    for (const auto& each : routes_->moves)
        if (each.how == direction::lost)
            giver_.lost(each, [&](std::uint32_t shard) { return taker_.is_taking(shard); });
    for (const auto& each : routes_->moves)
        if (each.how == direction::gained) taker_.gained(each);
    giver_.owned_again(owned);
    taker_.no_longer_owned(owned);
    for (std::size_t peer = 0; peer < routes_->peers.size(); ++peer) {
        const auto& is = routes_->peers[peer];
        const auto link = is.hubs.empty() ? 0 : is.link;
        taker_.link_is(peer, link);
        giver_.link_is(peer, link);
    }
    giver_.view_is(routes_->owners.view());
}

// ------------------------------------------------------------------------------------------- who waits

void hub::ask_stream(const std::string& group, std::shared_ptr<subscribe_ticket> ask) {
    if (away(group)) return away_.joined(group, 0, nullptr, std::move(ask));
    const bool of_stream = desk_.keeps(group) && (ask->how.positioned || ask->how.recover_since);
    if (of_stream && taker_.concerns(group)) {
        const auto how =
            taker_.hold(group, sizeof(subscribe_ticket), [this, group, ask] { ask_stream(group, ask); });
        if (how == stream_taker::verdict::later) return;
        if (how == stream_taker::verdict::refused)
            return answer(std::move(ask), fail(errc::busy, "the group's stream is being handed over"));
    }
    desk_.joined(group, 0, nullptr, std::move(ask));
}

// Publications of the stream, and whatever is sent to the group behind them.
bool hub::hold_publish(parcels::publish& what) {
    const bool kept = what.what.what == event::kind::publication && desk_.keeps(what.group) &&
                      !(what.ticket && what.ticket->skip_history);
    if (kept ? !taker_.concerns(what.group) : !taker_.awaits(what.group)) return false;
    const auto bytes = sizeof(event) + what.what.body.bytes().size();
    auto held = std::make_shared<parcel>(std::move(what));
    const auto how =
        taker_.hold(std::get<parcels::publish>(*held).group, bytes, [this, held] { handle(*held); });
    if (how == stream_taker::verdict::later) return true;
    what = std::move(std::get<parcels::publish>(*held));
    if (how == stream_taker::verdict::now) return false;
    count_refused();
    if (what.ticket && what.ticket->done)
        what.ticket->done(fail(errc::busy, "the group's stream is being handed over"));
    return true;
}

bool hub::hold_question(parcels::question& what) {
    if (!taker_.concerns(what.group)) return false;
    auto held = std::make_shared<parcel>(std::move(what));
    const auto how = taker_.hold(std::get<parcels::question>(*held).group, sizeof(parcel),
                                 [this, held] { handle(*held); });
    if (how == stream_taker::verdict::later) return true;
    what = std::move(std::get<parcels::question>(*held));
    if (how == stream_taker::verdict::now) return false;
    what.done(fail(errc::busy, "the group's stream is being handed over"));
    return true;
}

// ------------------------------------------------------------------------------------------- hand_over_host

bool hub::has_credit(std::size_t peer) const {
    const auto& to = routes_->peers[peer];
    return !to.hubs.empty() && !to.under_way->exhausted();
}

void hub::ask_store(const std::string& group, store_request&& what, hand_over_host::answer done) {
    desk_.ask_as_it_is(desk_.durability_of(group), std::move(what), std::move(done));
}

// A turn's buffered batch is submitted before its synced one.
void hub::ask_store_last(store_request&& what, hand_over_host::answer done) {
    desk_.ask_as_it_is(durability::synced, std::move(what), std::move(done));
}

std::function<bool(std::string_view group)> hub::is_home_here() const {
    return [&all = all_, loop = loop_.index()](std::string_view group) { return all.home_of(group) == loop; };
}

std::int64_t hub::steady_now_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void hub::stream_taken(const std::string& group, const position& at) {
    loop_.metrics().add(counter::cluster_streams_taken);
    desk_.adopted(group, at);
}

void hub::stream_anew(const std::string& group, std::string_view reason) {
    loop_.metrics().add(labelled_counter::cluster_streams_anew, reason);
    desk_.begin_anew(group);
}

void hub::awaited_changed(std::int64_t by) { loop_.metrics().gauge_add(gauge::cluster_streams_awaited, by); }

void hub::wake_taker() {
    if (std::exchange(taker_waking_, true)) return;
    loop_.schedule(taker_pause, [this] {
        taker_waking_ = false;
        taker_.expire();
    });
}

void hub::stream_given() { loop_.metrics().add(counter::cluster_streams_given); }

void hub::all_is_given() { all_.giving.fetch_sub(1); }

void hub::wake_giver() {
    if (std::exchange(giver_waking_, true)) return;
    loop_.schedule(giver_pause, [this] {
        giver_waking_ = false;
        giver_.go_on();
    });
}

}  // namespace madang
