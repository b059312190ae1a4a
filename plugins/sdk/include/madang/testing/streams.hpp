// Groups' streams in the test kit: what is kept, by which namespace, on the kit's clock. No members here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "madang/testing/duration.hpp"
#include "madang/testing/state.hpp"

namespace madang::testing::detail {

struct Stored {
    BlockRef data;
    std::uint64_t offset = 0;
    std::uint64_t time_ms = 0;
    bool has_info = false;
    std::string client, user, conn_info, chan_info;
    Texts tags;
};

// A stored publication as the ABI shows it.
class Shown {
  public:
    explicit Shown(const Stored& from) {
        for (const auto& [name, value] : from.tags) tags_.push_back({to_abi(name), to_abi(value)});
        what_.struct_size = sizeof what_;
        what_.data = from.data->handle();
        what_.offset = from.offset;
        what_.time_ms = static_cast<std::int64_t>(from.time_ms);
        what_.has_info = from.has_info;
        what_.info = {to_abi(from.client), to_abi(from.user), to_abi(from.conn_info), to_abi(from.chan_info)};
        what_.tags = tags_.data();
        what_.tags_count = tags_.size();
    }
    const madang_publication& get() const noexcept { return what_; }

  private:
    std::vector<madang_pair> tags_;
    madang_publication what_{};
};

class Streams {
  public:
    static constexpr std::string_view epoch = "test";

    // What is wrong with it, or nothing.
    std::optional<std::string> declare(std::string_view name, std::string_view text) {
        static constexpr std::string_view known[] = {
            "history_size", "history_ttl",     "history_meta_ttl", "history_durability", "recovery",
            "positioning",  "cache",           "presence",         "join_leave",         "crash_leaves",
            "ordered",      "allow_subscribe", "allow_publish",    "allow_presence",     "allow_history",
            "user_limited", "subscribe_proxy", "publish_proxy"};
        const auto given = nlohmann::json::parse(text, nullptr, false);
        if (!given.is_object()) return "takes an object";
        auto& space = spaces_[std::string(name)];
        for (const auto& [key, value] : given.items()) {
            if (std::find(std::begin(known), std::end(known), key) == std::end(known))
                return "there is no option " + key;
            space[key] = value;
        }
        if (number(space, "history_size") != 0 && duration_ms(space, "history_ttl") == 0)
            return "history_size and history_ttl go together";
        return std::nullopt;
    }

    bool keeps_history(std::string_view group) const { return number(space_of(group), "history_size") != 0; }
    bool keeps_presence(std::string_view group) const { return space_of(group).value("presence", false); }

    struct Stream {
        std::vector<Stored> kept;
        std::uint64_t top = 0;
        std::map<std::string, std::uint64_t, std::less<>> seen;  // user -> when it left
        std::map<std::string, std::pair<std::uint64_t, std::uint64_t>, std::less<>>
            answered;  // key -> offset, until
    };
    Stream& stream(std::string_view group) { return streams_[std::string(group)]; }

    // Gives it its offset, and keeps it if its namespace says so.
    void keep(std::string_view group, Stored& what) {
        if (!keeps_history(group)) return;
        Stream& stream = this->stream(group);
        what.offset = ++stream.top;
        stream.kept.push_back(what);
        expire(group, what.time_ms);
    }
    void expire(std::string_view group, std::uint64_t now_ms) {
        const auto& space = space_of(group);
        auto& kept = stream(group).kept;
        const auto ttl = duration_ms(space, "history_ttl");
        std::vector<Stored> rest;
        const auto size = number(space, "history_size");
        for (std::size_t i = kept.size() - std::min<std::size_t>(kept.size(), size); i < kept.size(); ++i)
            if (kept[i].time_ms + ttl > now_ms) rest.push_back(kept[i]);
        kept.swap(rest);
    }
    // In the order asked for.
    std::vector<Stored> page(std::string_view group, std::uint64_t limit, bool reverse,
                             std::optional<std::uint64_t> since) {
        std::vector<Stored> list = stream(group).kept;
        if (reverse) std::reverse(list.begin(), list.end());
        std::vector<Stored> result;
        for (const Stored& each : list) {
            if (since && (reverse ? each.offset >= *since : each.offset <= *since)) continue;
            if (result.size() == limit) break;
            result.push_back(each);
        }
        return result;
    }

  private:
    const nlohmann::json& space_of(std::string_view group) const {
        static const nlohmann::json none = nlohmann::json::object();
        const auto colon = group.find(':');
        const auto found = spaces_.find(group.substr(0, colon == group.npos ? 0 : colon));
        return found == spaces_.end() ? none : found->second;
    }
    static std::uint64_t number(const nlohmann::json& space, const char* key) {
        return space.value(key, std::uint64_t{0});
    }
    static std::uint64_t duration_ms(const nlohmann::json& space, const char* key) {
        const auto found = space.find(key);
        return found == space.end() ? 0 : time_ms(*found);
    }

    std::map<std::string, nlohmann::json, std::less<>> spaces_;
    std::map<std::string, Stream, std::less<>> streams_;
};

}  // namespace madang::testing::detail
