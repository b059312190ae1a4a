#include "storage/codec.hpp"

#include <limits>

#include "broker/core/fnv1a.hpp"
#include "storage/bytes.hpp"

namespace madang {
namespace {

enum : std::uint8_t { has_info = 1, has_tags = 2 };

}  // namespace

std::uint16_t shard_of(std::string_view group, std::uint32_t shards) noexcept {
    return static_cast<std::uint16_t>(fnv1a(group) % shards);
}

std::int64_t end_of(std::int64_t start_ms, std::int64_t length_ms) noexcept {
    std::int64_t end = 0;
    return __builtin_add_overflow(start_ms, length_ms, &end) ? 0 : end;
}

namespace keys {

std::string where(std::uint16_t shard, std::string_view group) {
    std::string key;
    key.reserve(4 + group.size() + 8);
    byte_writer(key).number(shard).text16(group);
    return key;
}

std::string publication(std::string_view where, std::uint64_t offset) {
    std::string key;
    key.reserve(where.size() + 8);
    byte_writer(key).raw(where).number(offset);
    return key;
}

std::string named(std::string_view where, std::string_view name) {
    std::string key;
    key.reserve(where.size() + name.size());
    return key.append(where).append(name);
}

std::string shard_begin(std::uint32_t shard) {
    std::string key;
    if (shard > 0xffff) return std::string(3, '\xff');  // behind every key
    byte_writer(key).number(static_cast<std::uint16_t>(shard));
    return key;
}

std::string end(std::string_view where) {
    std::string key(where);
    while (!key.empty() && key.back() == '\xff') key.pop_back();
    if (!key.empty()) key.back() = static_cast<char>(static_cast<unsigned char>(key.back()) + 1);
    return key;
}

std::optional<parts> parse(std::string_view key) noexcept {
    byte_reader in(key);
    parts result;
    result.shard = in.number<std::uint16_t>();
    result.group = in.text16();
    result.rest = in.rest();
    return in.whole() ? std::optional(result) : std::nullopt;
}

std::optional<std::uint64_t> offset_of(std::string_view publication_key) noexcept {
    const auto split = parse(publication_key);
    if (!split) return {};
    byte_reader in(split->rest);
    const auto offset = in.number<std::uint64_t>();
    return in.whole() ? std::optional(offset) : std::nullopt;
}

}  // namespace keys

void encode(const stream_record& what, std::string& into) {
    into.clear();
    byte_writer(into)
        .number(what.ends_ms)
        .number(static_cast<std::uint8_t>(what.kept))
        .number(what.generation)
        .number(what.top)
        .number(what.oldest)
        .text32(what.epoch);
}

std::optional<stream_record> decode_stream(std::string_view value) {
    byte_reader in(value);
    stream_record what;
    what.ends_ms = in.number<std::int64_t>();
    const auto kept = in.number<std::uint8_t>();
    what.kept = static_cast<durability>(kept);
    what.generation = in.number<std::uint32_t>();
    what.top = in.number<std::uint64_t>();
    what.oldest = in.number<std::uint64_t>();
    what.epoch = in.text32();
    if (!in.whole() || kept > 1) return {};
    return what;
}

void encode(const idempotency_record& what, std::string& into) {
    into.clear();
    byte_writer(into).number(what.ends_ms).number(what.at.offset).text32(what.at.epoch);
}

std::optional<idempotency_record> decode_idempotency(std::string_view value) {
    byte_reader in(value);
    idempotency_record what;
    what.ends_ms = in.number<std::int64_t>();
    what.at.offset = in.number<std::uint64_t>();
    what.at.epoch = in.text32();
    return in.whole() ? std::optional(std::move(what)) : std::nullopt;
}

void encode(const present_client& who, std::string_view incarnation, std::string& into) {
    into.clear();
    byte_writer(into)
        .number(who.since_ms)
        .text32(who.who.user)
        .text32(who.who.conn_info)
        .text32(who.who.chan_info)
        .text32(incarnation);
}

std::optional<presence_record> decode_presence(std::string_view client, std::string_view value) {
    byte_reader in(value);
    presence_record what;
    what.who.since_ms = in.number<std::int64_t>();
    what.who.who.client = client;
    what.who.who.user = in.text32();
    what.who.who.conn_info = in.text32();
    what.who.who.chan_info = in.text32();
    what.incarnation = in.text32();
    return in.whole() ? std::optional(std::move(what)) : std::nullopt;
}

void encode(const publication& what, std::int64_t ends_ms, std::string& into) {
    into.clear();
    const auto* extra = what.extra.get();
    const auto parts = static_cast<std::uint8_t>(
        extra ? (extra->info ? has_info : 0) | (extra->tags.empty() ? 0 : has_tags) : 0);
    byte_writer out(into);
    out.number(ends_ms).number(what.time_ms).number(parts).text32(what.data.bytes());
    if (parts & has_info) {
        const auto& who = *extra->info;
        out.text32(who.client).text32(who.user).text32(who.conn_info).text32(who.chan_info);
    }
    if (parts & has_tags) {
        out.number(static_cast<std::uint32_t>(extra->tags.size()));
        for (const auto& each : extra->tags) out.text32(each.name).text32(each.value);
    }
}

std::optional<kept_publication> decode_publication(std::uint64_t offset, std::string_view value) {
    byte_reader in(value);
    kept_publication kept;
    kept.ends_ms = in.number<std::int64_t>();
    kept.what.offset = offset;
    kept.what.time_ms = in.number<std::int64_t>();
    const auto parts = in.number<std::uint8_t>();
    const auto data = in.text32();
    if (!in.good() || parts > (has_info | has_tags)) return {};
    if (parts != 0) {
        publication_extra extra;
        if (parts & has_info) {
            client_info who;
            who.client = in.text32();
            who.user = in.text32();
            who.conn_info = in.text32();
            who.chan_info = in.text32();
            extra.info = std::make_shared<const client_info>(std::move(who));
        }
        if (parts & has_tags)
            for (auto n = in.number<std::uint32_t>(); n > 0 && in.good(); --n) {
                std::string name(in.text32());
                extra.tags.push_back({std::move(name), std::string(in.text32())});
            }
        kept.what.extra = std::make_shared<const publication_extra>(std::move(extra));
    }
    if (!in.whole()) return {};
    kept.what.data = payload::copy_of(data);
    return kept;
}

void encode_time(std::int64_t ms, std::string& into) {
    into.clear();
    byte_writer(into).number(ms);
}

std::optional<std::int64_t> decode_time(std::string_view value) {
    byte_reader in(value);
    const auto ms = in.number<std::int64_t>();
    return in.whole() ? std::optional(ms) : std::nullopt;
}

}  // namespace madang
