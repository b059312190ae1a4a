#include "broker/net/http_message.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "broker/core/trim.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {

namespace {

constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

}  // namespace

std::vector<name_value> views_of(const header_list& headers) {
    std::vector<name_value> result;
    result.reserve(headers.size());
    for (const auto& [name, value] : headers) result.push_back({name, value});
    return result;
}

std::string_view http_request::header(std::string_view lower_case_name) const noexcept {
    for (const auto& [name, value] : headers) {
        if (name == lower_case_name) return value;
    }
    return {};
}

std::string http_request::joined(std::string_view lower_case_name) const {
    std::string result;
    for (const auto& [name, value] : headers) {
        if (name != lower_case_name) continue;
        if (!result.empty()) result += ", ";
        result += value;
    }
    return result;
}

http_response error_response(unsigned status, std::string_view message, std::string_view request_id) {
    http_response response;
    response.status = status;
    response.set("Content-Type", "application/json");
    response.body =
        nlohmann::json{{"error", {{"status", status}, {"message", message}, {"request_id", request_id}}}}
            .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    response.body += '\n';
    return response;
}

std::string of_limit(std::string_view option, std::uint64_t bytes) {
    return std::string(" (--").append(option).append(": ").append(std::to_string(bytes)).append(")");
}

std::string response_head(const http_response& response, std::uint64_t length, std::string_view request_id,
                          bool keep_alive) {
    std::string head = "HTTP/1.1 ";
    head += std::to_string(response.status);
    head += ' ';
    head += reason_phrase(response.status);
    head += "\r\nDate: ";
    head += http_date(::time(nullptr));
    for (const auto& [name, value] : response.headers) {
        head += "\r\n";
        head += name;
        head += ": ";
        head += value;
    }
    if (response.status >= 200 && response.status != 204 && response.status != 304) {
        head += "\r\nContent-Length: ";
        head += std::to_string(length);
    }
    if (!request_id.empty()) {
        head += "\r\nX-Request-ID: ";
        head += request_id;
    }
    head += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
    return head;
}

std::string http_date(std::int64_t unix_seconds) {
    auto seconds = static_cast<time_t>(unix_seconds);
    tm t{};
    ::gmtime_r(&seconds, &t);
    char text[64];
    int n = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday],
                          t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    return {text, static_cast<std::size_t>(n)};
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
    // Only the preferred form (RFC 9110 5.6.7): who sends the obsolete ones gets a whole response.
    std::string clean(trim(text));
    char month[4] = {};
    tm t{};
    int end = 0;
    if (std::sscanf(clean.c_str(), "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &t.tm_mday, month,
                    &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec, &end) != 6 ||
        end != static_cast<int>(clean.size()))
        return std::nullopt;
    auto found = std::find(months.begin(), months.end(), std::string_view(month));
    if (found == months.end()) return std::nullopt;
    t.tm_mon = static_cast<int>(found - months.begin());
    t.tm_year -= 1900;
    return ::timegm(&t);
}

std::string_view reason_phrase(unsigned status) {
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Status";
    }
}

scope_builder scope_of(const http_request& request, std::string_view type) {
    scope_builder builder;
    bool websocket = type == "websocket";
    builder.set(scope_field::type, type);
    builder.set(scope_field::http_version, request.version == 10 ? "1.0" : "1.1");
    builder.set(scope_field::method, request.method);
    builder.set(scope_field::scheme, websocket ? (request.client.secure ? "wss" : "ws")
                                               : (request.client.secure ? "https" : "http"));
    builder.set(scope_field::path, request.path);
    builder.set(scope_field::raw_path, request.raw_path);
    builder.set(scope_field::query_string, request.query);
    builder.set(scope_field::client_address, request.client.address);
    builder.set(scope_field::client_port, request.client.port);
    builder.set(scope_field::server_address, request.server_address);
    builder.set(scope_field::server_port, request.server_port);
    builder.set(scope_field::request_id, request.request_id);
    for (const auto& [name, value] : request.headers) builder.add(scope_list::headers, name, value);
    return builder;
}

}  // namespace madang
