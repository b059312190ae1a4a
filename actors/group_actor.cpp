#include "actors/group_actor_impl.hpp"

#include <caf/all.hpp>

#include "actors/delivery_span.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

group_actor::group_actor(caf::actor_config& config, hub& home, std::string name)
    : pinned_actor(config, home.on()), home_(home), core_(std::move(name), home.loops()) {
    set_down_handler([this](caf::down_msg& down) {
        const auto member = down.source.id();  // a connection's id is its actor's
        home_.member_left(core_.name(), member);
        on_leave(member);
        end_if_empty();
    });
}

caf::behavior group_actor::make_behavior() {
    return {
        [this](parcels::publish& what) {
            if (core_.publish(std::move(what.what)) && !std::exchange(touched_, true))
                home_.group_touched(*this);
            end_if_empty();
        },
        [this](parcels::join& what) { on_join(what); },
        [this](parcels::behind) {
            home_.group_passed(*this);
            end_if_empty();
        },
        [this](parcels::leave& what) {
            if (what.who) demonitor(caf::actor_cast<caf::actor_addr>(what.who));
            on_leave(what.member);
            end_if_empty();
        },
    };
}

void group_actor::on_join(parcels::join& what) {
    const auto from = core_.next_sequence();
    const bool made = core_.join(what.member, what.loop);
    if (what.loop >= home_.loops()) return;  // another node: its hub says when it goes
    if (made) {
        monitor(caf::actor_cast<caf::actor>(what.who));
        ++members_here_;
        home_.on().metrics().gauge_add(gauge::members, 1);
    }
    home_.tell(what.loop, parcels::joined{core_.name(), what.member, from});
}

void group_actor::on_leave(std::uint64_t member) {
    const auto loop = core_.leave(member);
    if (!loop || *loop >= home_.loops()) return;
    --members_here_;
    home_.on().metrics().gauge_add(gauge::members, -1);
    const auto pending = core_.has_pending() ? member_table::pending::yes : member_table::pending::no;
    home_.tell(*loop, parcels::left{core_.name(), member, core_.next_sequence(), pending});
}

// Nobody is left and nothing waits: the hub forgets this actor, and with that it is gone. A mailbox whose
// reader sleeps, as at the turn's end, is "blocked" to CAF and not "empty".
void group_actor::end_if_empty() {
    if (core_.members() == 0 && !touched_ && (mailbox().blocked() || mailbox().empty()))
        home_.group_emptied(*this);
}

void group_actor::hand_out() {
    touched_ = false;
    if (const auto batch = core_.take_batch()) {
        if (home_.on().tracing() != nullptr && members_here_ != 0)
            record_deliveries(*home_.on().tracing(), *batch, members_here_);
        for (std::size_t loop = 0; loop < core_.loops(); ++loop)
            if (core_.owes(loop)) home_.tell(loop, parcels::deliver{batch});
        core_.settle();
    }
    end_if_empty();
}

void group_actor::on_exit() {
    home_.on().metrics().gauge_add(gauge::members, -static_cast<std::int64_t>(members_here_));
    home_.group_exited(*this);
}

std::pair<caf::actor, group_actor*> spawn_group_actor(hub& home, std::string name) {
    caf::actor_config config{&home.on()};
    auto actor =
        home.on().system().spawn_class<group_actor, caf::no_spawn_options>(config, home, std::move(name));
    auto* const made = static_cast<group_actor*>(caf::actor_cast<caf::abstract_actor*>(actor));
    return {std::move(actor), made};
}

}  // namespace madang
