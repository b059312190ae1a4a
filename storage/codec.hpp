// Keys and values of the store as bytes: pure. Integers are big-endian, so that keys sort as their numbers
// do; text16 and text32 are a length of so many bits and the bytes. A change here is a new
// store_format_version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/publication.hpp"
#include "broker/core/streams.hpp"

namespace madang {

// 2: has the jobs' columns. A folder of version 1 gains them when a server opens it.
// 3: jobs' leases are in rows of several, and ids that say when they came have no row of it besides. What a
// server finds in a folder of version 2 it goes on with.
inline constexpr std::uint32_t store_format_version = 3;
inline constexpr std::size_t longest_key_text = 0xffff;  // of a group, client, user or idempotency key

// Of the shard that a group belongs to: FNV-1a, 64 bits, modulo the count. Frozen.
std::uint16_t shard_of(std::string_view group, std::uint32_t shards) noexcept;

namespace keys {

// What all of a group's keys begin with, in every column but facts.
std::string where(std::uint16_t shard, std::string_view group);
std::string publication(std::string_view where, std::uint64_t offset);
std::string named(std::string_view where, std::string_view name);  // a client, a user, an idempotency key
std::string shard_begin(std::uint32_t shard);                      // the first key that a shard may have
std::string end(std::string_view where);                           // behind all of a group's keys

struct parts {
    std::uint16_t shard = 0;
    std::string_view group;
    std::string_view rest;  // behind `where`
};
std::optional<parts> parse(std::string_view key) noexcept;
std::optional<std::uint64_t> offset_of(std::string_view publication_key) noexcept;

}  // namespace keys

// A stream without its publications.
struct stream_record {
    std::int64_t ends_ms = 0;                // 0: never
    durability kept = durability::buffered;  // of what was published last
    std::uint32_t generation = 0;            // see facts.hpp
    std::uint64_t top = 0;
    std::uint64_t oldest = 1;  // that is kept, unless its time was over; top + 1: none
    std::string epoch;
    friend bool operator==(const stream_record&, const stream_record&) = default;
};
struct idempotency_record {
    std::int64_t ends_ms = 0;
    position at;
    friend bool operator==(const idempotency_record&, const idempotency_record&) = default;
};
struct presence_record {
    present_client who;  // who.who.client is in the key
    std::string incarnation;
};
struct kept_publication {
    std::int64_t ends_ms = 0;
    publication what;  // its offset is in the key
};

// Over what `into` held.
void encode(const stream_record& what, std::string& into);
void encode(const idempotency_record& what, std::string& into);
void encode(const present_client& who, std::string_view incarnation, std::string& into);
void encode(const publication& what, std::int64_t ends_ms, std::string& into);
void encode_time(std::int64_t ms, std::string& into);

// Nothing: not what `encode` writes.
std::optional<stream_record> decode_stream(std::string_view value);
std::optional<idempotency_record> decode_idempotency(std::string_view value);
std::optional<presence_record> decode_presence(std::string_view client, std::string_view value);
std::optional<kept_publication> decode_publication(std::uint64_t offset, std::string_view value);
std::optional<std::int64_t> decode_time(std::string_view value);

// `start` + `length`, or 0 (never) where that is beyond what can be counted.
std::int64_t end_of(std::int64_t start_ms, std::int64_t length_ms) noexcept;
inline bool is_over(std::int64_t ends_ms, std::int64_t now_ms) noexcept {
    return ends_ms != 0 && ends_ms <= now_ms;
}

}  // namespace madang
