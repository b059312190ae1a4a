// The record that opens a link, in each direction, once TLS has said who the other is: bytes. Versioned: a
// reader skips what it does not know at its end, so that a node of the next version can join.
//
//     hello = "MDLK" least:u16 most:u16 cluster:text name:text incarnation:u64 address:text shards:u32
//             nonce:16 bytes answers:text         text = length:u16 bytes; integers big-endian
//
// The versions stand in front: they can be judged whatever the rest has become. A worker process that joins
// a node says less, and is answered with welcome:
//
//     worker = "MDWK" least:u16 most:u16 cluster:text name:text
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/cluster/view.hpp"
#include "broker/core/result.hpp"

namespace madang {

inline constexpr std::uint16_t cluster_protocol_least = 1;  // versions that this node speaks
inline constexpr std::uint16_t cluster_protocol_most = 1;

inline constexpr std::size_t hello_bytes_limit = 4 * 1024;
inline constexpr std::size_t hello_nonce_bytes = 16;
inline constexpr std::size_t node_name_limit = 64;      // of a cluster's name, too
inline constexpr std::size_t node_address_limit = 320;  // a host's name has 253 at most (RFC 1035 2.3.4)

struct peer_hello {
    std::string cluster;  // both must say the same
    node_id from;
    std::string address;  // its own cluster listener's; "": dials only
    std::uint16_t least = cluster_protocol_least;
    std::uint16_t most = cluster_protocol_most;
    std::uint32_t shards = 0;  // both must have the same
    std::string nonce;    // 16 random bytes; the answer repeats them, so that a recording is worth nothing
    std::string answers;  // the other's nonce; "" in the dialer's first
    friend bool operator==(const peer_hello&, const peer_hello&) = default;
};

struct worker_hello {
    std::string cluster;
    std::string name;  // is_node_name; its certificate's
    std::uint16_t least = cluster_protocol_least;
    std::uint16_t most = cluster_protocol_most;
    friend bool operator==(const worker_hello&, const worker_hello&) = default;
};

std::string encode(const worker_hello& what);
result<worker_hello> decode_worker_hello(std::string_view bytes);  // errors as decode_hello's

std::string encode(const peer_hello& what);
// Errors: bad_request, with the name of the field that is wrong.
result<peer_hello> decode_hello(std::string_view bytes);

}  // namespace madang
