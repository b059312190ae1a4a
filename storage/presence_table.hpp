// Who is in a shard's groups, all of it in memory: as many entries as there are connections in groups.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/core/streams.hpp"
#include "storage/stream_table.hpp"

namespace madang {

class presence_table {
  public:
    explicit presence_table(cache_totals& totals) : totals_(totals) {}
    ~presence_table();
    presence_table(const presence_table&) = delete;
    presence_table& operator=(const presence_table&) = delete;

    // Puts `now` there, or takes away what was there (nothing). The result: what was there.
    std::optional<present_client> exchange(std::string_view group, const std::string& client,
                                           std::optional<present_client> now);
    bool has_user(std::string_view group, std::string_view user) const;
    std::vector<std::string> users(std::string_view group) const;
    presence_counts counts(std::string_view group) const;  // O(1)
    presence_page page(const presence_request& what) const;

  private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };
    template <class T>
    using by_text = std::unordered_map<std::string, T, text_hash, std::equal_to<>>;
    struct members {
        std::map<std::string, present_client, std::less<>> clients;
        by_text<std::uint32_t> users;  // connections by user; not the anonymous
        std::uint64_t anonymous = 0;
        void count(const std::string& user, int change);
    };
    const members* of(std::string_view group) const;
    static presence_counts counts_of(const members& in) noexcept {
        return {in.clients.size(), in.users.size() + in.anonymous};
    }

    cache_totals& totals_;
    by_text<members> groups_;
};

}  // namespace madang
