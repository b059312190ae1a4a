// The channel layer: events to groups and to single channels, live and at most once; and groups' streams:
// what was published to them, and who is there. Any thread; what one sender sends to one group arrives in
// that order.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "madang/payload.hpp"
#include "madang/streams.hpp"

namespace madang {

// nlohmann::json, without a need for it here.
template <class Type>
concept JsonValue = requires(const Type& value) {
    { value.dump() } -> std::convertible_to<std::string>;
};

// What sends and asks, without a connection of its own. Answers of plugin.layer() come on any thread and must
// not block there. Answers of a consumer's layer() come on the consumer's own thread, and not after it is
// gone; so only the consumer itself may ask that one for answers.
class Layer {
  public:
    // By the SDK's layer() functions.
    explicit Layer(const Host& host, madang_connection* connection = nullptr) noexcept
        : host_(&host), connection_(connection) {}

    // Calls the handler of `type` in every member that joined with Delivery::to_handler, and sends the
    // payload to the client of every other. False: a queue is full, nothing was sent. Throws Error for a
    // malformed name or type.
    bool group_send(std::string_view group, std::string_view type, PayloadRef payload) const {
        return detail::done(host_->api.group_send(host_->handle, detail::to_abi(group), detail::to_abi(type),
                                                  payload.handle()),
                            "group_send", group);
    }
    // The same, of bytes that are copied, once however many members there are.
    bool group_send(std::string_view group, std::string_view type, std::string_view bytes) const {
        return group_send(group, type, Payload(*host_, bytes));
    }
    // To the one consumer with that channel name. False: there is none, or a queue is full.
    bool send(std::string_view channel, std::string_view type, PayloadRef payload) const {
        return detail::done(host_->api.channel_send(host_->handle, detail::to_abi(channel),
                                                    detail::to_abi(type), payload.handle()),
                            "send", channel);
    }
    // The same, of bytes that are copied.
    bool send(std::string_view channel, std::string_view type, std::string_view bytes) const {
        return send(channel, type, Payload(*host_, bytes));
    }

    // -- Streams. Functions that return bool: false: not now (busy, or the connection is closed); no answer
    // comes. What the caller did wrong is thrown.

    // One JSON value to the group's stream: into its history, if its namespace keeps one, and to every
    // member. Those who joined with Delivery::to_handler find it in their handler of "publication".
    // done(const Published&), or none: when it is as durable as its namespace asks.
    template <class Done = std::nullptr_t>
    bool publish(std::string_view group, PayloadRef json, const PublishOptions& options = {},
                 Done done = nullptr) const {
        std::vector<madang_pair> tags;
        for (const auto& [name, value] : options.tags)
            tags.push_back({detail::to_abi(name), detail::to_abi(value)});
        madang_client_info info{};
        if (options.info) info = detail::to_abi(*options.info);
        const madang_publish_options given{
            sizeof(madang_publish_options), options.skip_history, detail::to_abi(options.idempotency_key),
            options.info ? &info : nullptr, tags.data(),          tags.size()};
        if constexpr (std::is_same_v<Done, std::nullptr_t>) {
            return detail::done(
                detail::streams_of(*host_).publish(host_->handle, nullptr, detail::to_abi(group),
                                                   json.handle(), &given, nullptr, nullptr, nullptr),
                "publish", group);
        } else {
            return ask<Published>("publish", group, std::move(done), [&](auto* context, auto drop) {
                return detail::streams_of(*host_).publish(
                    host_->handle, connection_, detail::to_abi(group), json.handle(), &given,
                    &detail::Pending<Published>::publish, context, drop);
            });
        }
    }
    // The same, of a JSON text that is copied.
    template <class Done = std::nullptr_t>
    bool publish(std::string_view group, std::string_view json, const PublishOptions& options = {},
                 Done done = nullptr) const {
        return publish(group, PayloadRef(Payload(*host_, json)), options, std::move(done));
    }
    // The same, of a nlohmann::json.
    template <JsonValue Value, class Done = std::nullptr_t>
    bool publish(std::string_view group, const Value& json, const PublishOptions& options = {},
                 Done done = nullptr) const {
        return publish(group, std::string_view(json.dump()), options, std::move(done));
    }

    // done(const History&). Asked after group_add, the answer and the publications that come leave nothing
    // out; some may come both ways: their offsets tell.
    template <std::invocable<const History&> Done>
    bool history(std::string_view group, const HistoryQuery& query, Done done) const {
        madang_position since{};
        if (query.since) since = {detail::to_abi(query.since->epoch), query.since->offset};
        const madang_history_query given{sizeof(madang_history_query), query.reverse, query.limit,
                                         query.since ? &since : nullptr};
        return ask<History>("history", group, std::move(done), [&](auto* context, auto drop) {
            return detail::streams_of(*host_).history(host_->handle, connection_, detail::to_abi(group),
                                                      &given, &detail::Pending<History>::history, context,
                                                      drop);
        });
    }
    // done(const Presence&): who is there.
    template <std::invocable<const Presence&> Done>
    bool presence(std::string_view group, const PresenceQuery& query, Done done) const {
        const madang_presence_query given{sizeof(madang_presence_query), query.limit,
                                          detail::to_abi(query.after)};
        return ask<Presence>("presence", group, std::move(done), [&](auto* context, auto drop) {
            return detail::streams_of(*host_).presence(host_->handle, connection_, detail::to_abi(group),
                                                       &given, &detail::Pending<Presence>::presence, context,
                                                       drop);
        });
    }
    // The first page.
    template <std::invocable<const Presence&> Done>
    bool presence(std::string_view group, Done done) const {
        return presence(group, PresenceQuery{}, std::move(done));
    }
    // done(const PresenceStats&): how many.
    template <std::invocable<const PresenceStats&> Done>
    bool presence_stats(std::string_view group, Done done) const {
        return ask<PresenceStats>("presence_stats", group, std::move(done), [&](auto* context, auto drop) {
            return detail::streams_of(*host_).presence_stats(
                host_->handle, connection_, detail::to_abi(group), &detail::Pending<PresenceStats>::stats,
                context, drop);
        });
    }
    // done(const LastSeen&): the users who left last.
    template <std::invocable<const LastSeen&> Done>
    bool last_seen(std::string_view group, std::uint64_t limit, Done done) const {
        return ask<LastSeen>("last_seen", group, std::move(done), [&](auto* context, auto drop) {
            return detail::streams_of(*host_).last_seen(host_->handle, connection_, detail::to_abi(group),
                                                        limit, &detail::Pending<LastSeen>::last_seen, context,
                                                        drop);
        });
    }

    // Copies, once, what is to be sent several times.
    Payload payload(std::string_view bytes) const { return {*host_, bytes}; }
    const Host& host() const noexcept { return *host_; }  // the server's functions

  private:
    // The server takes the context only when it accepts.
    template <class Result, class Done, class Call>
    bool ask(std::string_view name, std::string_view group, Done done, Call call) const {
        using Pending = detail::Pending<Result>;
        auto context = std::unique_ptr<Pending>(new Pending{host_, connection_, std::move(done)});
        const auto status = call(context.get(), &Pending::drop);
        if (status == MADANG_OK) (void)context.release();
        return detail::done(status, name, group);
    }

    const Host* host_;
    madang_connection* connection_;
};

}  // namespace madang
