// The actor around a loop's hub.
//
//   accepts    mail and credit from the hubs of other nodes; envelope_ptr from other loops' hubs and from
//              threads that are no loops; ok_atom: credit is available again
//   sends      envelopes, through hub
//   spawned by yard, one per loop, before the loops run
//   runs on    its loop
//   dies       with the system; a handler that throws is logged and counted, and the actor goes on
//   queue      its mailbox, bounded by the loop's credit
#include <caf/all.hpp>

#include "actors/cluster_words_impl.hpp"
#include "actors/hub_impl.hpp"
#include "actors/pinned_actor_impl.hpp"
#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

class hub_actor final : public pinned_actor {
  public:
    hub_actor(caf::actor_config& config, hub& around) : pinned_actor(config, around.on()), hub_(around) {}

    caf::behavior make_behavior() override {
        return {
            [this](envelope_ptr& mail) { contained([&] { hub_.open(*mail); }); },
            // From the hubs of other nodes.
            [this](peer_mail_atom, std::uint64_t place, std::uint64_t link, const std::string& bytes) {
                contained([&] { hub_.mail_came(place, link, bytes); });
            },
            [this](peer_credit_atom, std::uint64_t place, std::uint64_t link, std::uint64_t bytes) {
                contained([&] { hub_.credit_came(place, link, bytes); });
            },
            [this](caf::ok_atom) { contained([&] { hub_.credit_returned(); }); },
        };
    }

  private:
    template <class Function>
    void contained(Function fn) {
        try {
            fn();
        } catch (const std::exception& e) {
            hub_.on().metrics().add(labelled_counter::actor_restarts, "hub");
            log_error("hub.failed", {{"what", e.what()}});
        }
    }
    hub& hub_;
};

}  // namespace

caf::actor spawn_hub_actor(hub& around) {
    caf::actor_config config{&around.on()};
    return around.on().system().spawn_class<hub_actor, caf::no_spawn_options>(config, around);
}

}  // namespace madang
