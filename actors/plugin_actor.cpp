// A plugin's supervisor: makes its background consumers, hands them what is sent to their channels, and makes
// those anew that failed.
//
//   accepts    start_atom, drain_atom; parcels::background_event; background_idle: an instance would take
//              more; background_gone: one is destroyed
//   sends      nothing: its instances are connections on the same loop, which it calls
//   spawned by yard::run, one for each plugin with background consumers
//   runs on    the loop that the plugin was given
//   dies       with the system; a handler that throws is logged and counted, and the actor goes on
//   queue      its mailbox, within its loop's credit; events for an instance that is not there wait, bounded
#include <caf/all.hpp>

#include "actors/background_core.hpp"
#include "actors/hub_impl.hpp"
#include "actors/pinned_actor_impl.hpp"
#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::chrono::milliseconds drain_look{20};  // how often it is asked whether the clients are gone

// Tells of the end of the connection that it was given to: nothing of that instance is left then, in no
// thread.
class instance_token final : public connection_permit {
  public:
    instance_token(caf::actor supervisor, std::size_t which)
        : supervisor_(std::move(supervisor)), which_(which) {}
    ~instance_token() override { caf::anon_send(supervisor_, parcels::background_gone{which_}); }
    void idle() override { caf::anon_send(supervisor_, parcels::background_idle{which_}); }

  private:
    caf::actor supervisor_;
    std::size_t which_;
};

std::vector<std::size_t> queues_of(const std::vector<const consumer_route*>& routes) {
    std::vector<std::size_t> queues;
    for (const auto* each : routes) queues.push_back(each->sync_queue);
    return queues;
}

class plugin_actor final : public pinned_actor {
  public:
    plugin_actor(caf::actor_config& config, hub& home, std::vector<const consumer_route*> routes)
        : pinned_actor(config, home.on()),
          home_(home),
          routes_(std::move(routes)),
          core_(queues_of(routes_)) {}

    caf::behavior make_behavior() override {
        return {
            [this](start_atom) {
                for (std::size_t i = 0; i < core_.size(); ++i) contained([&] { make(i); });
            },
            [this](parcels::background_event& e) {
                contained([&] {
                    if (!core_.wait(e.which, std::move(e.what))) return dropped(1);
                    hand_out(e.which);
                });
            },
            [this](parcels::background_idle idle) { contained([&] { hand_out(idle.which); }); },
            [this](parcels::background_gone gone) { contained([&] { on_gone(gone.which); }); },
            [this](drain_atom) { stop_when_quiet(); },
        };
    }

  private:
    void make(std::size_t which) {
        if (core_.running(which) || home_.draining()) return;
        scope_builder known;
        known.set(scope_field::type, "channel");
        connection_request request;
        request.known = known.build();
        request.route = routes_[which];
        request.permit = std::make_unique<instance_token>(caf::actor_cast<caf::actor>(ctrl()), which);
        home_.on().metrics().gauge_add(gauge::background_consumers, 1);
        core_.started(which, open_connection(home_, std::move(request)));
        hand_out(which);
    }
    // Null: it has failed, or is not made yet.
    connection* instance_of(std::size_t which) const {
        const auto id = core_.running(which);
        return id ? home_.find(*id) : nullptr;
    }
    // One after the other: what waits behind the event at which an instance fails is the next one's.
    void hand_out(std::size_t which) {
        while (auto* instance = instance_of(which)) {
            if (instance->busy()) return;
            const auto next = core_.next(which);
            if (!next) return;
            instance->on_event(*next);
        }
    }
    void on_gone(std::size_t which) {
        home_.on().metrics().gauge_add(gauge::background_consumers, -1);
        const auto delay = core_.ended(which, home_.on().now());
        if (home_.draining()) {
            dropped(core_.waiting(which));
            return;
        }
        home_.on().metrics().add(labelled_counter::actor_restarts, "background");
        log_error("background.failed", {{"plugin", routes_[which]->plugin},
                                        {"consumer", routes_[which]->name},
                                        {"channel", routes_[which]->channel},
                                        {"restart_in_ms", static_cast<std::int64_t>(delay.count())}});
        home_.on().schedule(delay, [this, which] { contained([&] { make(which); }); });
    }
    void stop_when_quiet() {
        if (!home_.quiet()) {
            home_.on().schedule(drain_look, [this] { stop_when_quiet(); });
            return;
        }
        for (std::size_t i = 0; i < core_.size(); ++i) {
            while (auto* instance = instance_of(i)) {
                const auto next = core_.next(i);
                if (!next) {
                    instance->go_away();  // behind what it was told
                    break;
                }
                instance->on_event(*next);
            }
        }
    }
    void dropped(std::size_t count) { home_.on().metrics().add(counter::background_drops, count); }
    template <class Function>
    void contained(Function fn) {
        try {
            fn();
        } catch (const std::exception& e) {
            home_.on().metrics().add(labelled_counter::actor_restarts, "plugin");
            log_error("plugin.failed", {{"what", e.what()}});
        }
    }

    hub& home_;
    const std::vector<const consumer_route*> routes_;
    background_core core_;
};

}  // namespace

caf::actor spawn_plugin_actor(hub& home, std::vector<const consumer_route*> routes) {
    caf::actor_config config{&home.on()};
    return home.on().system().spawn_class<plugin_actor, caf::no_spawn_options>(config, home,
                                                                               std::move(routes));
}

}  // namespace madang
