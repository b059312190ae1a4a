// What is known of a connection or request: Channels' scope.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace madang {

struct name_value {
    std::string_view name;
    std::string_view value;
};

// The values of a scope. Numbered as madang_scope_field in the plugin ABI (plugins/host asserts it).
enum class scope_field : std::uint8_t {
    type,
    http_version,
    method,
    scheme,
    path,
    raw_path,
    query_string,
    root_path,
    client_address,
    client_port,
    server_address,
    server_port,
    request_id,
    user_id,
    user_json,
    session_json,
};
inline constexpr std::size_t scope_field_count = 16;

enum class scope_list : std::uint8_t { headers, subprotocols, url_args };
inline constexpr std::size_t scope_list_count = 3;

// Immutable once built, and compact because every idle connection keeps one: all text lies in one allocation
// of exactly the size needed, found by offsets of two bytes (four when there is more than 64 KiB of text).
// Build with scope_builder.
class scope {
  public:
    scope() = default;  // every value and list is empty
    std::string_view get(scope_field field) const noexcept;
    std::size_t count(scope_list list) const noexcept { return counts_[static_cast<std::size_t>(list)]; }
    name_value at(scope_list list, std::size_t index) const noexcept;  // index < count(list)
    // First header of that name (lower case), or "".
    std::string_view header(std::string_view lower_case_name) const noexcept;

  private:
    friend class scope_builder;
    // Pieces in order: the fields, then name and value of each list entry. Piece i ends where offset i says,
    // counted from the end of the offsets; it begins where the piece before it ends.
    std::string_view piece(std::size_t index) const noexcept;
    std::size_t piece_count() const noexcept;

    std::string text_;  // the offsets, then the text
    std::uint16_t counts_[scope_list_count] = {};
    std::uint8_t offset_size_ = sizeof(std::uint16_t);
};

class scope_builder {
  public:
    scope_builder() { text_.reserve(1024); }
    // Copy what they are given.
    void set(scope_field field, std::string_view value) {
        fields_[static_cast<std::size_t>(field)] = keep(value);
    }
    // Names of headers are put in lower case.
    void add(scope_list list, std::string_view name, std::string_view value);
    std::string_view get(scope_field field) const { return view(fields_[static_cast<std::size_t>(field)]); }
    // Throws std::length_error past 65,535 entries in a list or 4 GiB: the limit of an HTTP head is far
    // below.
    scope build() const;

  private:
    struct piece {  // of text_
        std::size_t begin = 0;
        std::size_t size = 0;
    };
    piece keep(std::string_view value) {
        text_.append(value);
        return {text_.size() - value.size(), value.size()};
    }
    std::string_view view(piece p) const noexcept { return {text_.data() + p.begin, p.size}; }

    std::string text_;  // in the order given: one allocation instead of one for each piece
    piece fields_[scope_field_count];
    std::vector<std::pair<piece, piece>> lists_[scope_list_count];  // name, value
};

}  // namespace madang
