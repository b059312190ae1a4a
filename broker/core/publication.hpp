// What a group's stream holds, and what a group's members are told besides.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/payload.hpp"
#include "broker/core/position.hpp"

namespace madang {

// Who a member is: the client protocol's ClientInfo. The two *_info are JSON texts or "".
struct client_info {
    std::string client;  // unique per connection, over all nodes: a consumer's is its channel name
    std::string user;    // "" for an anonymous user
    std::string conn_info;
    std::string chan_info;
    friend bool operator==(const client_info&, const client_info&) = default;
};

struct tag {
    std::string name;
    std::string value;
    friend bool operator==(const tag&, const tag&) = default;
};

// What few publications have; shared, since publications are copied to whoever reads them.
struct publication_extra {
    std::shared_ptr<const client_info> info;  // of the client that published it; null: the server did
    std::vector<tag> tags;                    // in the order given
    friend bool operator==(const publication_extra& a, const publication_extra& b) {
        return a.tags == b.tags && (a.info == b.info || (a.info && b.info && *a.info == *b.info));
    }
};

struct publication {
    payload data;              // one JSON value, without raw newlines (publish sees to both)
    std::uint64_t offset = 0;  // 0: not kept
    std::int64_t time_ms = 0;  // Unix time
    std::shared_ptr<const publication_extra> extra;  // null: none
};

}  // namespace madang
