// Beats as bytes. Integers are big-endian, text16 is a length of 16 bits and the bytes, a list is a count of
// 32 bits and as many records, a record is a length of 32 bits and its fields:
//
//     beat     = version:u8 (1) node state:u8 vouches:u8 stamp:u64 address:text16 view hears removed others
//     node     = name:text16 incarnation:u64
//     view     = a record of number:u64 proposer:text16 members
//     members  = a list of node state:u8 address:text16
//     hears    = a list of node stamp:u64
//     removed  = a list of node
//     others   = a list of node stamp:u64 address:text16 view:u64 proposer:text16 count:u32 nodes
//
// Lists are in the order of their names.
//
// What a record has behind the fields that a reader knows is skipped, so that a node of the next version can
// join; a version of another number is refused.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "broker/cluster/membership.hpp"
#include "broker/core/result.hpp"

namespace madang {

inline constexpr std::size_t beat_bytes_limit = 1024 * 1024;  // holds what the limits below allow
inline constexpr std::size_t beat_list_limit = 1024;          // items of a list; of others: sightings_limit
inline constexpr std::size_t beat_address_limit = 261;        // a name of 255 (RFC 1035 2.3.4), ":65535"

std::string encode(const beat& what);
// Errors: bad_request, with the name of the field that is wrong.
result<beat> decode_beat(std::string_view bytes);

}  // namespace madang
