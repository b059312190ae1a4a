// The server API's requests and answers as JSON: Centrifugo's HTTP API (6.x), without HTTP. Unknown members
// are ignored, as there. Of those that it knows, `delta`, `version`, `version_epoch`, `override` and
// refresh's `info` are accepted and without effect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/streams.hpp"

namespace madang {

// All decode_…: `params` is a text that valid_json accepted. bad_request says which member is wrong and what
// it takes; limit_exceeded, that there are more than `limit`.

result<publish_request> decode_publish(std::string_view params);

struct broadcast_request {
    std::vector<std::string> groups;
    publish_request what;  // without a group
};
result<broadcast_request> decode_broadcast(std::string_view params, std::size_t limit);

struct client_order {
    client_selector whom;
    client_command what;
};
result<client_order> decode_client_order(client_command::verb what, std::string_view params,
                                         std::size_t whitelist_limit);

// "channel" alone.
result<std::string> decode_group(std::string_view params);
// A negative limit, or one beyond `most`, is `most`.
result<history_request> decode_history(std::string_view params, std::size_t most);
// 0 or nothing, or one beyond `most`, is `most`.
result<presence_request> decode_presence(std::string_view params, std::size_t most);
struct last_seen_request {
    std::string group;
    std::size_t limit = 0;
};
result<last_seen_request> decode_last_seen(std::string_view params, std::size_t most);
struct channels_request {
    std::string pattern;
    std::size_t limit = 0;
};
result<channels_request> decode_channels(std::string_view params, std::size_t most);
// "name": 1 to 100 letters, digits, '-', '_' and '.', and no '.' first: what may stand in a path.
result<std::string> decode_backup(std::string_view params);

// Views into the text that was decoded.
struct api_call {
    std::string method;  // "" when a batch's command names none that is known
    std::string_view params;
    std::string_view id;  // as written; "" when there was none
};
struct api_batch {
    std::vector<api_call> calls;
    bool parallel = false;
};
// A command's method is that member which `is_method`.
result<api_batch> decode_batch(std::string_view params, std::size_t limit,
                               bool (*is_method)(std::string_view name));
// POST /api: {"method":…,"params":…}, or several of them, each in a line of its own. Methods in lower case.
// `body` is any text.
result<std::vector<api_call>> decode_calls(std::string_view body, std::size_t limit);

std::string encode(const position& where);  // {} where no history is kept
std::string encode(const presence_counts& counts);
std::string encode(const std::vector<last_seen_entry>& users);
std::string encode(const std::vector<node_figures>& nodes);
// The `limit` with the most members, by name; "more" when there were more.
std::string encode(std::map<std::string, std::uint64_t> groups, std::size_t limit);
std::string encode_reached(std::size_t connections);
// One element of an answer that is gathered page by page.
std::string encode(const publication& one);
std::string encode(const present_client& one);  // with its key: "id":{…}
// {"code":…,"message":…}: for internal errors (100) the table's sentence, else the detail.
std::string encode(const error& what);
std::uint16_t wire_code(const error& what) noexcept;

}  // namespace madang
