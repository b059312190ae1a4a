#include "broker/protocol/http_gate.hpp"

#include <gtest/gtest.h>

#include <string>

namespace madang {

void PrintTo(head_fault fault, std::ostream* out) { *out << sentence(fault); }

namespace {

using namespace std::string_literals;
using enum head_fault;

head_fault gate(std::string_view head) {
    head_view parts;
    return check_head(head, {}, parts);
}
head_fault line(std::string_view request_line) {
    return gate(std::string{request_line} + "\r\nHost: a\r\n\r\n");
}
head_fault target(std::string_view text) { return line("GET " + std::string{text} + " HTTP/1.1"); }
// The lines without their CRLF, in a request that is good otherwise.
head_fault headers(std::initializer_list<std::string_view> lines, std::string_view version = "HTTP/1.1") {
    std::string head = "POST / " + std::string{version} + "\r\nHost: a\r\n";
    for (std::string_view text : lines) head.append(text).append("\r\n");
    return gate(head + "\r\n");
}

TEST(HttpGate, LetsOrdinaryRequestsThrough) {
    for (std::string_view good : {"/", "/a/b.c/..d/d../...", "/ws/%EA%B0%80/", "/?a=b%2fc/../d", "/a//b",
                                  "/%7Euser", "/a|b[c]", "/?100%"})
        EXPECT_EQ(target(good), none) << good;
    EXPECT_EQ(headers({"Content-Length: 5", "X-Empty:", "X-Obs: caf\xe9", "X:\ttab\tbed "}), none);
    EXPECT_EQ(headers({"Transfer-Encoding: chunked"}), none);
    EXPECT_EQ(headers({"transfer-encoding: CHUNKED"}), none);
    EXPECT_EQ(gate("GET / HTTP/1.0\r\n\r\n"), none);
}

// RFC 9112 2.2
TEST(HttpGate, RefusesBareLineEndsAndNul) {
    EXPECT_EQ(gate("GET / HTTP/1.1\nHost: a\r\n\r\n"), bare_lf);
    EXPECT_EQ(gate("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), bare_lf);
    EXPECT_EQ(gate("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"), bare_cr);
    EXPECT_EQ(gate("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"s), nul);
    EXPECT_EQ(gate("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s), nul);
}
// RFC 9112 3
TEST(HttpGate, RefusesMalformedRequestLines) {
    EXPECT_EQ(line(""), bad_request_line);
    EXPECT_EQ(line("GET"), bad_request_line);
    EXPECT_EQ(line("GET /"), bad_request_line);
    EXPECT_EQ(line("GET / FTP/1.1"), bad_request_line);
    EXPECT_EQ(line("GET  / HTTP/1.1"), not_origin_form);
    EXPECT_EQ(line("GET /a b HTTP/1.1"), bad_target);
    EXPECT_EQ(line(" GET / HTTP/1.1"), bad_method);
    EXPECT_EQ(line("G(T / HTTP/1.1"), bad_method);
    for (std::string_view version : {"HTTP/1.2", "HTTP/2.0", "HTTP/1", "HTTP/1.1x", "HTTP/11"})
        EXPECT_EQ(line("GET / " + std::string{version}), bad_version) << version;
    EXPECT_EQ(gate("\r\n"), bad_request_line);
}
// RFC 9112 3.2
TEST(HttpGate, TakesTargetsInOriginFormAndAbsoluteForm) {
    for (std::string_view good :
         {"http://a/", "HTTPS://a.b:443/c/d?e", "http://[::1]:80", "http://a?q", "http://a:"})
        EXPECT_EQ(target(good), none) << good;
    for (std::string_view other : {"ftp://a/", "ws://a/", "http:/a", "//a", "a:443", "*", "?q", "a/b"})
        EXPECT_EQ(target(other), other == "//a" ? none : not_origin_form) << other;
}
TEST(HttpGate, HoldsAbsoluteFormToTheSameRules) {
    for (std::string_view bad :
         {"http://", "http:///a", "http://?q", "http://u@a/", "http://u:p@a/", "http://a:x/",
          "http://a:99999/", "http://a\\b/", "http://%61/", "http://a#b", "http://a/b#c", "http://a/%00",
          "http://[::1", "http://a/\xff", "http://a?\x7f"})
        EXPECT_EQ(target(bad), bad_target) << bad;
    EXPECT_EQ(target("http://a/../b"), dot_segment);
    EXPECT_EQ(target("http://a/%2e%2e"), dot_segment);
    EXPECT_EQ(target("http://a/b%2fc"), encoded_separator);
    // RFC 9112 3.2: Host must be there all the same, and good.
    EXPECT_EQ(gate("GET http://a/ HTTP/1.1\r\n\r\n"), no_host);
    EXPECT_EQ(gate("GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n"), bad_host);
}
TEST(HttpGate, SplitsTargets) {
    EXPECT_EQ(split_target("/a?b").path_and_query, "/a?b");
    EXPECT_EQ(split_target("/a?b").authority, "");
    EXPECT_EQ(split_target("/http://a").authority, "");
    EXPECT_EQ(split_target("http://a:80/b?c").authority, "a:80");
    EXPECT_EQ(split_target("http://a:80/b?c").path_and_query, "/b?c");
    EXPECT_EQ(split_target("Http://a?c/d").authority, "a");
    EXPECT_EQ(split_target("Http://a?c/d").path_and_query, "?c/d");
    EXPECT_EQ(split_target("https://a").path_and_query, "");
}
TEST(HttpGate, HandsOutTheHeadsPieces) {
    head_view parts;
    ASSERT_EQ(
        check_head("POST /a?b HTTP/1.0\r\nHost: h\r\nX-Y:\t z \r\nContent-Length: 1\r\n\r\n", {}, parts),
        none);
    EXPECT_EQ(parts.method, "POST");
    EXPECT_EQ(parts.target, "/a?b");
    EXPECT_TRUE(parts.http_1_0);
    EXPECT_TRUE(parts.framed);
    ASSERT_EQ(parts.fields.size(), 3u);
    EXPECT_EQ(parts.fields[1].name, "X-Y");
    EXPECT_EQ(parts.fields[1].value, "z");
    head_view bare;
    ASSERT_EQ(check_head("GET / HTTP/1.1\r\nHost: h\r\n\r\n", {}, bare), none);
    EXPECT_FALSE(bare.http_1_0);
    EXPECT_FALSE(bare.framed);
}
TEST(HttpGate, RefusesTargetsThatLeaveTheirFolder) {
    for (std::string_view dots : {"/../../etc/passwd", "/a/../b", "/..", "/.", "/./a", "/a/.", "/%2e%2e/etc",
                                  "/%2E./a", "/.%2e", "/%2e/", "/a/..?q", "/a/%2e%2E?q"})
        EXPECT_EQ(target(dots), dot_segment) << dots;
    for (std::string_view separator :
         {"/a%2fb", "/a%2Fb", "/..%2f..%2fetc", "/a\\b", "/..\\..", "/a%5cb", "/%5C"})
        EXPECT_EQ(target(separator), encoded_separator) << separator;
}
TEST(HttpGate, RefusesOddCharactersInTargets) {
    for (std::string_view odd :
         {"/a%00b", "/a%0d%0ab", "/%7f", "/%", "/%4", "/%zz", "/a#b", "/\x7f", "/\xea\xb0\x80", "/a\tb"})
        EXPECT_EQ(target(odd), bad_target) << odd;
}
// RFC 9112 5
TEST(HttpGate, RefusesFoldedLines) {
    EXPECT_EQ(headers({"X: a", " b"}), obs_fold);
    EXPECT_EQ(headers({"X: a", "\tb: c"}), obs_fold);
    EXPECT_EQ(gate("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), obs_fold);
}
TEST(HttpGate, RefusesBadHeaderNames) {
    EXPECT_EQ(headers({"X : a"}), space_before_colon);
    EXPECT_EQ(headers({"Transfer-Encoding\t: chunked"}), space_before_colon);
    for (std::string_view bad : {": a", "X", "X Y: a", "X(Y): a", "\xc3\xa9: a"})
        EXPECT_EQ(headers({bad}), bad_header_name) << bad;
}
TEST(HttpGate, RefusesControlCharactersInValues) {
    EXPECT_EQ(headers({"X: a\x01"
                       "b"}),
              bad_header_value);
    EXPECT_EQ(headers({"X: \x7f"}), bad_header_value);
}
// RFC 9112 3.2
TEST(HttpGate, NeedsOneGoodHost) {
    EXPECT_EQ(gate("GET / HTTP/1.1\r\n\r\n"), no_host);
    EXPECT_EQ(headers({"host: a"}), many_hosts);
    EXPECT_EQ(headers({"Host: b"}, "HTTP/1.0"), many_hosts);
    for (std::string_view good : {"a", "a.b:80", "127.0.0.1:8000", "[::1]", "[::1]:8000", "a:"})
        EXPECT_EQ(gate("GET / HTTP/1.1\r\nHost: " + std::string{good} + "\r\n\r\n"), none) << good;
    for (std::string_view bad :
         {"", "a b", "a/b", "a@b", "a:b", "a:99999", "a:80:80", "[::1", "[::1]x", "[]", ":80", "a\xff"})
        EXPECT_EQ(gate("GET / HTTP/1.1\r\nHost: " + std::string{bad} + "\r\n\r\n"), bad_host) << bad;
}
// RFC 9112 6
TEST(HttpGate, RefusesAmbiguousLengths) {
    EXPECT_EQ(headers({"Content-Length: 5", "Content-Length: 5"}), many_content_lengths);
    EXPECT_EQ(headers({"Content-Length: 5", "content-length: 6"}), many_content_lengths);
    for (std::string_view bad :
         {"5, 5", "+5", "-5", "0x5", "", "5 5", "5;", "99999999999999999999", "9223372036854775808"})
        EXPECT_EQ(headers({"Content-Length: " + std::string{bad}}), bad_content_length) << bad;
    EXPECT_EQ(headers({"Content-Length: 5", "Transfer-Encoding: chunked"}), length_and_transfer_encoding);
}
TEST(HttpGate, RefusesTransferEncodingsOtherThanChunked) {
    for (std::string_view bad : {"gzip", "gzip, chunked", "chunked, chunked", "chunked;q=1", "identity", "",
                                 "xchunked", "\"chunked\""})
        EXPECT_EQ(headers({"Transfer-Encoding: " + std::string{bad}}), bad_transfer_encoding) << bad;
    EXPECT_EQ(headers({"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}), bad_transfer_encoding);
    EXPECT_EQ(headers({"Transfer-Encoding: chunked"}, "HTTP/1.0"), transfer_encoding_in_http_1_0);
}
TEST(HttpGate, LimitsItsSizes) {
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 99; ++i) many += "X: y\r\n";
    EXPECT_EQ(gate(many + "\r\n"), none);
    EXPECT_EQ(gate(many + "X: y\r\n\r\n"), too_many_headers);
    EXPECT_EQ(headers({"X: " + std::string(8190, 'x')}), line_too_long);
    EXPECT_EQ(target("/" + std::string(9000, 'x')), line_too_long);
    EXPECT_EQ(headers({"X: " + std::string(8000, 'x'), "Y: " + std::string(8000, 'x'),
                       "Z: " + std::string(1000, 'x')}),
              head_too_long);
}
TEST(HttpGate, HasASentenceAndAStatusForEveryFault) {
    for (int fault = 0; fault <= static_cast<int>(length_and_transfer_encoding); ++fault) {
        EXPECT_FALSE(sentence(static_cast<head_fault>(fault)).empty()) << fault;
        EXPECT_EQ(http_status(static_cast<head_fault>(fault)) >= 400, fault != 0) << fault;
    }
    EXPECT_EQ(http_status(too_many_headers), 431U);
    EXPECT_EQ(http_status(bad_version), 505U);
    EXPECT_EQ(http_status(obs_fold), 400U);
}

TEST(FindHeadEnd, FindsTheEmptyLine) {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(find_head_end(head + "body\r\n\r\n"), head.size());
    for (std::size_t size = 0; size < head.size(); ++size) {
        EXPECT_EQ(find_head_end(head.substr(0, size)), 0U) << size;
        EXPECT_EQ(find_head_end(head, size), head.size()) << size;
    }
}
TEST(FindHeadEnd, EndsAtALineThatCheckHeadRefuses) {
    EXPECT_EQ(find_head_end("GET / HTTP/1.1\nHost: a\n\n"), 15U);
    EXPECT_EQ(gate("GET / HTTP/1.1\n"), bare_lf);
    EXPECT_EQ(find_head_end("\r\nGET"), 2U);
}

}  // namespace
}  // namespace madang
