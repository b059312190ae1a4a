// The forms (wire.hpp) of what is asked of streams and answered. For sources only.
#pragma once

#include <tuple>

#include "broker/core/streams.hpp"
#include "broker/core/wire.hpp"

namespace madang {

constexpr auto members(const position*) { return std::tuple{&position::epoch, &position::offset}; }
constexpr auto members(const client_info*) {
    return std::tuple{&client_info::client, &client_info::user, &client_info::conn_info,
                      &client_info::chan_info};
}
constexpr auto members(const tag*) { return std::tuple{&tag::name, &tag::value}; }
constexpr auto members(const publication_extra*) {
    return std::tuple{&publication_extra::info, &publication_extra::tags};
}
constexpr auto members(const publication*) {
    return std::tuple{&publication::data, &publication::offset, &publication::time_ms, &publication::extra};
}
constexpr auto members(const publish_request*) {
    return std::tuple{&publish_request::group, &publish_request::data, &publish_request::extra,
                      &publish_request::idempotency_key, &publish_request::skip_history};
}
constexpr auto members(const history_request*) {
    return std::tuple{&history_request::group, &history_request::limit, &history_request::since,
                      &history_request::reverse};
}
constexpr auto members(const history_page*) {
    return std::tuple{&history_page::top, &history_page::publications};
}
constexpr auto members(const presence_request*) {
    return std::tuple{&presence_request::group, &presence_request::limit, &presence_request::after};
}
constexpr auto members(const present_client*) {
    return std::tuple{&present_client::who, &present_client::since_ms};
}
constexpr auto members(const presence_page*) {
    return std::tuple{&presence_page::clients, &presence_page::more};
}
constexpr auto members(const presence_counts*) {
    return std::tuple{&presence_counts::clients, &presence_counts::users};
}
constexpr auto members(const last_seen_entry*) {
    return std::tuple{&last_seen_entry::user, &last_seen_entry::time_ms};
}

}  // namespace madang
