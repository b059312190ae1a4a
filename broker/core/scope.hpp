// What is known of a connection or request: Channels' scope.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace madang {

struct name_value {
    std::string_view name;
    std::string_view value;
};

// The values of a scope. Numbered as madang_scope_field in the plugin ABI (plugins/host asserts it).
enum class scope_field : std::uint8_t {
    type, http_version, method, scheme, path, raw_path, query_string, root_path, client_address, client_port,
    server_address, server_port, request_id, user_id, user_json, session_json,
};
inline constexpr std::size_t scope_field_count = 16;

enum class scope_list : std::uint8_t { headers, subprotocols, url_args };
inline constexpr std::size_t scope_list_count = 3;

// Immutable once built, and compact because every idle connection keeps one: all text lies in one allocation, found by
// offsets. Build with scope_builder. Total text is limited to 16 MiB by the HTTP head limit long before that.
class scope {
  public:
    scope() = default;
    std::string_view get(scope_field field) const noexcept;
    std::size_t count(scope_list list) const noexcept;
    name_value at(scope_list list, std::size_t index) const noexcept;  // index < count(list)
    // First header of that name (lower case), or "".
    std::string_view header(std::string_view lower_case_name) const noexcept;

  private:
    friend class scope_builder;
    struct span {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };
    std::string text_;         // the spans (as bytes), then the text
    std::uint16_t counts_[scope_list_count] = {};
    span read(std::size_t index) const noexcept;
    std::string_view view(span s) const noexcept;
};

class scope_builder {
  public:
    void set(scope_field field, std::string_view value) { fields_[static_cast<std::size_t>(field)] = value; }
    void add(scope_list list, std::string_view name, std::string_view value);
    std::string_view get(scope_field field) const { return fields_[static_cast<std::size_t>(field)]; }
    scope build() const;

  private:
    std::string fields_[scope_field_count];
    std::vector<std::pair<std::string, std::string>> lists_[scope_list_count];
};

}  // namespace madang
