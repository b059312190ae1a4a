// The channel layer: events to groups and to single channels. Any thread; at most once; what one sender sends
// to one group arrives in that order.
#pragma once

#include <string_view>

#include "madang/payload.hpp"

namespace madang {

class Layer {
  public:
    explicit Layer(const Host& host) noexcept : host_(&host) {}

    // Calls the handler of `type` in every member that joined with Delivery::to_handler, and sends the
    // payload to the client of every other. False: a queue is full, nothing was sent. Throws Error for a
    // malformed name or type.
    bool group_send(std::string_view group, std::string_view type, PayloadRef payload) const {
        return detail::done(host_->api.group_send(host_->handle, detail::to_abi(group), detail::to_abi(type),
                                                  payload.handle()),
                            "group_send", group);
    }
    bool group_send(std::string_view group, std::string_view type, std::string_view bytes) const {
        return group_send(group, type, Payload(*host_, bytes));
    }
    // To the one consumer with that channel name. False: there is none, or a queue is full.
    bool send(std::string_view channel, std::string_view type, PayloadRef payload) const {
        return detail::done(host_->api.channel_send(host_->handle, detail::to_abi(channel),
                                                    detail::to_abi(type), payload.handle()),
                            "send", channel);
    }
    bool send(std::string_view channel, std::string_view type, std::string_view bytes) const {
        return send(channel, type, Payload(*host_, bytes));
    }

    Payload payload(std::string_view bytes) const { return {*host_, bytes}; }  // copies
    const Host& host() const noexcept { return *host_; }

  private:
    const Host* host_;
};

}  // namespace madang
