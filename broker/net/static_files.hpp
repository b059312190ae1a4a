// Files beneath one folder, as responses. Nothing outside it can be reached, whatever the path or a link
// says: a file that was opened is served only if it lies beneath the folder. Needs /proc.
#pragma once

#include <optional>
#include <string>

#include "broker/net/file_handle.hpp"
#include "broker/net/http_message.hpp"

namespace madang {

// Immutable; any thread. Opening and stat-ing are done on the caller's thread, a loop: local disks are
// assumed.
class static_files {
  public:
    // A folder. On failure `error` says why.
    static std::optional<static_files> open(const std::string& folder, std::string& error);

    // GET and HEAD; other methods are the caller's to refuse. Null when there is no such file: names that
    // begin with a dot are never found. A folder is answered with its index.html, or a redirect to its path
    // with a slash. A single byte range is honoured; several are answered with the whole file, as RFC
    // 9110 14.2 permits. The response's file is to be read in pieces of at most 256 KiB when that happens on
    // a loop.
    std::optional<http_response> serve(const http_request& request) const;

  private:
    explicit static_files(file_handle root) : root_(std::move(root)) {}
    file_handle root_;
};

// A Range header against a file of `size` bytes (RFC 9110 14.1.2).
struct byte_range {
    enum class kind : std::uint8_t { whole, part, unsatisfiable } what = kind::whole;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};
byte_range parse_range(std::string_view header, std::uint64_t size);

std::string_view content_type_of(std::string_view path);

}  // namespace madang
