#include "broker/net/static_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "broker/core/lower_case.hpp"
#include "broker/core/trim.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {

namespace {

// Where an open file really lies; "" when that is not known.
std::string path_of(int file) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), error).string();
}

// Opened first, then asked where it lies: no link that changes meanwhile can lead out of the folder. The
// kernel's own openat2 would do it in one call, but under RestrictSUIDSGID= of systemd and in its containers
// it does not exist (ENOSYS).
file_handle open_beneath(int root, const std::string& path) {
    // A FIFO must not block the loop.
    file_handle file(::openat(root, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return {};
    auto folder = path_of(root);
    if (!folder.ends_with('/')) folder += '/';
    return folder.starts_with('/') && path_of(file.get()).starts_with(folder) ? std::move(file)
                                                                              : file_handle();
}

bool hidden(std::string_view path) {
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] == '.' && (at == 0 || path[at - 1] == '/')) return true;
    }
    return false;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// If-None-Match compares weakly (RFC 9110 13.1.2).
bool matches_any(std::string_view list, std::string_view etag) {
    if (trim(list) == "*") return true;
    while (!list.empty()) {
        auto comma = list.find(',');
        auto one = trim(list.substr(0, comma));
        if (one.starts_with("W/")) one.remove_prefix(2);
        if (one == etag) return true;
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    }
    return false;
}

std::string strong_etag(const struct stat& info) {
    char text[80];
    std::snprintf(text, sizeof text, "\"%llx-%llx-%llx\"",
                  static_cast<unsigned long long>(info.st_mtim.tv_sec) * 1'000'000'000ull +
                      static_cast<unsigned long long>(info.st_mtim.tv_nsec),
                  static_cast<unsigned long long>(info.st_size),
                  static_cast<unsigned long long>(info.st_ino));
    return text;
}

bool not_modified(const http_request& request, std::string_view etag, std::int64_t modified) {
    auto none_match = request.joined("if-none-match");
    if (!none_match.empty()) return matches_any(none_match, etag);
    auto since = parse_http_date(request.header("if-modified-since"));
    return since && modified <= *since;
}

byte_range wanted_range(const http_request& request, std::string_view etag, std::int64_t modified,
                        std::uint64_t size) {
    if (request.method != "GET") return {};
    if (auto condition = request.header("if-range"); !condition.empty()) {
        auto date = parse_http_date(condition);
        if (condition != etag && (!date || *date != modified)) return {};
    }
    return parse_range(request.header("range"), size);
}

}  // namespace

byte_range parse_range(std::string_view header, std::uint64_t size) {
    header = trim(header);
    if (!header.starts_with("bytes=") || header.find(',') != std::string_view::npos) return {};
    header = trim(header.substr(6));
    auto dash = header.find('-');
    if (dash == std::string_view::npos) return {};
    auto first = header.substr(0, dash), last = header.substr(dash + 1);
    using kind = byte_range::kind;
    if (first.empty()) {
        auto tail = parse_number(last);
        if (!tail) return {};
        if (*tail == 0 || size == 0) return {kind::unsatisfiable};
        auto length = std::min(*tail, size);
        return {kind::part, size - length, length};
    }
    auto begin = parse_number(first);
    auto end = last.empty() ? std::optional<std::uint64_t>(~std::uint64_t{0}) : parse_number(last);
    if (!begin || !end || *end < *begin) return {};
    if (*begin >= size) return {kind::unsatisfiable};
    return {kind::part, *begin, std::min(*end, size - 1) - *begin + 1};
}

std::string_view content_type_of(std::string_view path) {
    static constexpr std::pair<std::string_view, std::string_view> types[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"webmanifest", "application/manifest+json"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"ico", "image/x-icon"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"wasm", "application/wasm"},
        {"pdf", "application/pdf"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"gz", "application/gzip"},
        {"zip", "application/zip"},
    };
    auto dot = path.rfind('.');
    if (dot != std::string_view::npos) {
        const auto extension = lower_case(path.substr(dot + 1));
        for (const auto& [name, type] : types) {
            if (name == extension) return type;
        }
    }
    return "application/octet-stream";
}

std::optional<static_files> static_files::open(const std::string& folder, std::string& error) {
    file_handle root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (root) return static_files(std::move(root));
    error = "cannot open the folder " + folder + ": " + std::strerror(errno);
    return std::nullopt;
}

std::optional<http_response> static_files::serve(const http_request& request) const {
    auto name =
        request.path.substr(std::min<std::size_t>(request.path.find_first_not_of('/'), request.path.size()));
    if (hidden(name) || name.find('\0') != std::string::npos) return std::nullopt;
    const bool of_folder = name.empty() || name.back() == '/';
    if (of_folder) name += "index.html";

    auto file = open_beneath(root_.get(), name);
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0) return std::nullopt;
    http_response response;
    if (S_ISDIR(info.st_mode) && !of_folder) {
        // One leading slash only: "//host" would be another server's address.
        auto first = request.raw_path.find_first_not_of('/');
        response.status = 308;
        response.set("Location", "/" + request.raw_path.substr(first) + "/" +
                                     (request.query.empty() ? "" : "?" + request.query));
        return response;
    }
    if (!S_ISREG(info.st_mode)) return std::nullopt;

    auto size = static_cast<std::uint64_t>(info.st_size);
    auto etag = strong_etag(info);
    response.set("ETag", etag);
    response.set("Last-Modified", http_date(info.st_mtim.tv_sec));
    response.set("Cache-Control", "no-cache");  // names carry no version: ask, and be told 304
    if (not_modified(request, etag, info.st_mtim.tv_sec)) {
        response.status = 304;
        return response;
    }
    auto type = content_type_of(name);
    response.set("Content-Type", type);
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Accept-Ranges", "bytes");
    if (type.starts_with("text/html") || type == "image/svg+xml")
        response.set("Content-Security-Policy",
                     "default-src 'self'; connect-src 'self'; img-src 'self' data:; object-src 'none'; "
                     "base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    auto range = wanted_range(request, etag, info.st_mtim.tv_sec, size);
    if (range.what == byte_range::kind::unsatisfiable) {
        auto refusal = error_response(416, "the range lies outside the file", request.request_id);
        refusal.set("Content-Range", "bytes */" + std::to_string(size));
        return refusal;
    }
    if (range.what == byte_range::kind::part) {
        response.status = 206;
        response.set("Content-Range", "bytes " + std::to_string(range.offset) + "-" +
                                          std::to_string(range.offset + range.size - 1) + "/" +
                                          std::to_string(size));
    } else {
        range.size = size;
    }
    response.file = file_range{std::move(file), range.offset, range.size};
    return response;
}

}  // namespace madang
