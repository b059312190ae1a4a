// Requests that must be answered 400 (or another refusal) and closed: each makes two parsers disagree, or
// asks for what it must not have. Used against the reader and against a running server.
#pragma once

#include <string>
#include <vector>

namespace madang::testing {

struct hostile_request {
    std::string name;
    std::string bytes;
};

inline std::vector<hostile_request> hostile_requests() {
    using namespace std::string_literals;
    auto get = [](std::string line, std::string headers = "Host: a\r\n") {
        return line + "\r\n" + headers + "\r\n";
    };
    auto post = [&](std::string headers, std::string body = "") {
        return "POST / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body;
    };
    std::string trailers;
    for (int i = 0; i < 3000; ++i) trailers += "X-Trailer: value\r\n";
    return {
        {"gzip transfer coding", post("Transfer-Encoding: gzip\r\n")},
        {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
        {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
        {"identity", post("Transfer-Encoding: identity\r\n")},
        {"obscured chunked", post("Transfer-Encoding: \x0b"s + "chunked\r\n", "0\r\n\r\n")},
        {"two Transfer-Encoding",
         post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n")},
        {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {"a list of equal lengths", post("Content-Length: 5, 5\r\n", "hello")},
        {"differing lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!")},
        {"repeated length", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")},
        {"negative length", post("Content-Length: -1\r\n")},
        {"signed length", post("Content-Length: +5\r\n", "hello")},
        {"hexadecimal length", post("Content-Length: 0x5\r\n", "hello")},
        {"length past 64 bits", post("Content-Length: 99999999999999999999999\r\n")},
        {"obs-fold", get("GET / HTTP/1.1", "Host: a\r\nX: b\r\n c\r\n")},
        {"no Host", get("GET / HTTP/1.1", "X: y\r\n")},
        {"two Hosts", get("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n")},
        {"bad Host", get("GET / HTTP/1.1", "Host: a b/c\r\n")},
        {"space before colon", get("GET / HTTP/1.1", "Host : a\r\n")},
        {"header without a name", get("GET / HTTP/1.1", "Host: a\r\n: b\r\n")},
        {"header without a colon", get("GET / HTTP/1.1", "Host: a\r\nnonsense\r\n")},
        {"bare LF", "GET / HTTP/1.1\nHost: a\n\n"},
        {"bare LF in the middle", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"},
        {"bare CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"},
        {"NUL in a header", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"s},
        {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s},
        {"climbing target", get("GET /../../etc/passwd HTTP/1.1")},
        {"encoded climbing target", get("GET /%2e%2e/%2E%2E/etc/passwd HTTP/1.1")},
        {"encoded NUL", get("GET /a%00b HTTP/1.1")},
        {"broken escape", get("GET /a%zz HTTP/1.1")},
        {"escape cut short", get("GET /a%2 HTTP/1.1")},
        {"not UTF-8", get("GET /%ff%fe HTTP/1.1")},
        {"fragment", get("GET /a#b HTTP/1.1")},
        {"absolute-form without Host", get("GET http://b/ HTTP/1.1", "X: y\r\n")},
        {"absolute-form with two Hosts", get("GET http://b/ HTTP/1.1", "Host: a\r\nHost: b\r\n")},
        {"absolute-form with a user", get("GET http://user@b/ HTTP/1.1")},
        {"absolute-form without an authority", get("GET http:///etc/passwd HTTP/1.1")},
        {"absolute-form with a bad port", get("GET http://b:http/ HTTP/1.1")},
        {"absolute-form that climbs", get("GET http://b/%2e%2e/etc/passwd HTTP/1.1")},
        {"absolute-form with a backslash", get("GET http://b\\a/ HTTP/1.1")},
        {"absolute-form with an encoded authority", get("GET http://b%2fa/ HTTP/1.1")},
        {"absolute-form of another scheme", get("GET ftp://b/ HTTP/1.1")},
        {"handshake with a Connection that is no list",
         get("GET / HTTP/1.1", "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade, a b\r\n")},
        {"authority-form", get("CONNECT a:80 HTTP/1.1")},
        {"no version", get("GET /")},
        {"HTTP/2.0", get("GET / HTTP/2.0")},
        {"HTTP/1.10", get("GET / HTTP/1.10")},
        {"two spaces", get("GET  / HTTP/1.1")},
        {"tab for a space", get("GET\t/ HTTP/1.1")},
        {"bad method", get("G(T / HTTP/1.1")},
        {"binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s},
        {"100 KB of chunk extension",
         post("Transfer-Encoding: chunked\r\n", "1;" + std::string(100'000, 'x') + "\r\n")},
        {"trailers past the limit", post("Transfer-Encoding: chunked\r\n", "0\r\n" + trailers + "\r\n")},
        {"chunk size without digits", post("Transfer-Encoding: chunked\r\n", "\r\n\r\n")},
        {"chunk longer than said", post("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n")},
        {"chunk with bare LF", post("Transfer-Encoding: chunked\r\n", "1\na\n0\n\n")},
        {"head past the limit", get("GET / HTTP/1.1", "Host: a\r\nX: " + std::string(20'000, 'x') + "\r\n")},
        {"head without end past the limit", "GET / HTTP/1.1\r\nX: " + std::string(40'000, 'x')},
        {"unknown expectation", post("Expect: miracles\r\nContent-Length: 1\r\n", "a")},
    };
}

}  // namespace madang::testing
