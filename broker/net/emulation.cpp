#include "broker/net/emulation.hpp"

#include <utility>

#include "actors/loop.hpp"
#include "broker/net/client_frame.hpp"

namespace madang {

emulation_inbox::outcome emulation_inbox::deliver(std::string_view text) {
    bool tell = false;
    {
        std::lock_guard lock(mutex_);
        if (closed_) return outcome::closed;
        if (!frames_.empty() && frames_.size() + text.size() > bound_) return outcome::full;
        append_client_frame(frames_, ws_opcode::text, text);
        tell = !std::exchange(told_, true);
    }
    if (tell)
        loop_.post([self = shared_from_this()] {
            if (self->owner_ != nullptr) self->owner_->on_mail();
        });
    return outcome::delivered;
}

void emulation_inbox::take(std::string& into) {
    std::lock_guard lock(mutex_);
    told_ = false;
    if (into.empty())
        into.swap(frames_);
    else
        into += frames_;
    std::string().swap(frames_);  // an idle session keeps no memory
}

void emulation_inbox::close() noexcept {
    owner_ = nullptr;
    std::lock_guard lock(mutex_);
    closed_ = true;
    std::string().swap(frames_);
}

emulation_registry::ticket& emulation_registry::ticket::operator=(ticket&& other) noexcept {
    leave();
    registry_ = std::move(other.registry_);
    inbox_ = std::move(other.inbox_);
    session_ = std::move(other.session_);
    return *this;
}

void emulation_registry::ticket::leave() noexcept {
    if (!registry_) return;
    inbox_->close();
    {
        std::lock_guard lock(registry_->mutex_);
        registry_->inboxes_.erase(session_);
    }
    registry_.reset();
    inbox_.reset();
}

std::shared_ptr<emulation_registry> emulation_registry::make(std::size_t inbox_bytes) {
    return std::shared_ptr<emulation_registry>(new emulation_registry(inbox_bytes));
}

emulation_registry::ticket emulation_registry::enter(const std::shared_ptr<emulation_registry>& registry,
                                                     loop& on, std::string session) {
    ticket made;
    made.inbox_ = std::make_shared<emulation_inbox>(on, registry->inbox_bytes_);
    made.session_ = std::move(session);
    {
        std::lock_guard lock(registry->mutex_);
        registry->inboxes_.emplace(made.session_, made.inbox_);
    }
    made.registry_ = registry;
    return made;
}

emulation_registry::outcome emulation_registry::deliver(std::string_view session, std::string_view text) {
    std::shared_ptr<emulation_inbox> found;
    {
        std::lock_guard lock(mutex_);
        const auto entry = inboxes_.find(std::string(session));
        if (entry == inboxes_.end()) return outcome::unknown;
        found = entry->second;
    }
    switch (found->deliver(text)) {
        case emulation_inbox::outcome::delivered:
            return outcome::delivered;
        case emulation_inbox::outcome::full:
            return outcome::full;
        default:
            return outcome::unknown;
    }
}

std::size_t emulation_registry::sessions() const {
    std::lock_guard lock(mutex_);
    return inboxes_.size();
}

}  // namespace madang
