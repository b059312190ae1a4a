// An event-based actor that lives on a loop: whoever sends to it, it is resumed there and nowhere else.
//
// CAF schedules a receiver on its sender's execution unit. A pinned actor overrides that in `enqueue` and
// `launch`, and calls itself an io_actor, by which the loop tells its own from ordinary actors
// (asio_loop::exec_later). This is how CAF's own brokers stay on their multiplexer.
#pragma once

#include <caf/event_based_actor.hpp>

namespace madang {

class pinned_actor : public caf::event_based_actor {
  public:
    pinned_actor(caf::actor_config& config, caf::execution_unit& on)
        : caf::event_based_actor(config), unit_(&on) {}

    void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
        caf::event_based_actor::enqueue(std::move(what), unit_);
    }
    void enqueue(caf::strong_actor_ptr sender, caf::message_id id, caf::message content,
                 caf::execution_unit*) override {
        enqueue(caf::make_mailbox_element(std::move(sender), id, {}, std::move(content)), unit_);
    }
    void launch(caf::execution_unit*, bool lazy, bool hide) override {
        caf::event_based_actor::launch(unit_, lazy, hide);
    }
    subtype_t subtype() const override { return caf::resumable::io_actor; }

    // As CAF's, but for what our actors never use: requests, streams and CAF's timeouts. Cancelling the
    // latter wakes CAF's clock thread at the end of every actor, twice per connection. The mailbox stays as
    // it is: what comes behind the end is freed with the actor, which nobody schedules any more.
    bool cleanup(caf::error&& why, caf::execution_unit* host) override {
        unregister_from_system();
        return caf::monitorable_actor::cleanup(std::move(why), host);
    }

  private:
    caf::execution_unit* unit_;  // outlives the actor: the loop is drained before the actor system goes
};

}  // namespace madang
