// The actor around a connection.
//
//   accepts    parcels::send_event (an event sent to its channel); exit messages: the connection ends like a
//              lost one
//   sends      nothing by itself: what its consumer sends goes through the hub
//   spawned by yard::open, on the loop that accepted the socket
//   runs on    that loop
//   dies       when its connection ended; groups that monitor it hear of it
//   queue      its mailbox: events to its channel, within the receiving loop's credit
#include <caf/all.hpp>

#include "actors/hub_impl.hpp"
#include "actors/pinned_actor_impl.hpp"

namespace madang {
namespace {

using end_atom = caf::atom_constant<caf::atom("end")>;

class connection_actor final : public pinned_actor, private connection_keeper {
  public:
    connection_actor(caf::actor_config& config, hub& at, connection_request&& request)
        : pinned_actor(config, at.on()), connection_(std::move(request), at.on(), at, *this) {}

    caf::behavior make_behavior() override {
        return {
            [this](parcels::send_event& e) { connection_.on_event(e.what); },
            [this](end_atom) { quit(); },
        };
    }
    connection& get() noexcept { return connection_; }

  private:
    void on_exit() override { connection_.abandon(); }

    // -- connection_keeper
    std::uint64_t id() const noexcept override { return pinned_actor::id(); }
    void retain() noexcept override { caf::intrusive_ptr_add_ref(ctrl()); }
    void release() noexcept override { caf::intrusive_ptr_release(ctrl()); }
    void ended() override { caf::anon_send(caf::actor_cast<caf::actor>(ctrl()), end_atom::value); }

    connection connection_;
};

}  // namespace

std::uint64_t open_connection(hub& at, connection_request&& request) {
    caf::actor_config config{&at.on()};
    const caf::actor self =
        at.on().system().spawn_class<connection_actor, caf::no_spawn_options>(config, at, std::move(request));
    auto* actor = static_cast<connection_actor*>(caf::actor_cast<caf::abstract_actor*>(self));
    at.seat_connection(actor->get(), caf::actor_cast<caf::strong_actor_ptr>(self));
    actor->get().start();
    return self.id();
}

}  // namespace madang
