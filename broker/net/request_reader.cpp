#include "broker/net/request_reader.hpp"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "broker/core/lower_case.hpp"
#include "broker/core/percent.hpp"
#include "broker/core/request_id.hpp"
#include "broker/core/utf8.hpp"
#include "broker/protocol/field_syntax.hpp"
#include "broker/protocol/handshake.hpp"

namespace madang {

namespace http = boost::beast::http;

namespace {

bool has_dot_segment(std::string_view path) {
    while (!path.empty()) {
        auto slash = path.find('/');
        auto segment = path.substr(0, slash);
        if (segment == "." || segment == "..") return true;
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    }
    return false;
}

}  // namespace

request_reader::progress request_reader::advance(std::string& input) {
    if (!head_done_) {
        auto got = take_head(input);
        if (got != progress::need_body) return got;
    }
    return take_body(input);
}

request_reader::progress request_reader::refuse(unsigned status, std::string_view why, std::string limit) {
    refusal_ = {status, why, std::move(limit)};
    return progress::refused;
}

request_reader::progress request_reader::refuse(head_fault fault) {
    return refuse(
        madang::http_status(fault), sentence(fault),
        fault == head_fault::head_too_long ? of_limit("http-head-bytes", limits_.head_bytes) : std::string());
}

request_reader::progress request_reader::refuse_body() {
    return refuse(413, "the body is too large", of_limit("http-body-bytes", limits_.body_bytes));
}

request_reader::progress request_reader::take_head(std::string& input) {
    auto end = find_head_end(input, scanned_);
    if (end == 0) {
        scanned_ = input.size();
        if (input.size() > limits_.head_bytes) return refuse(head_fault::head_too_long);
        return progress::need_head;
    }
    auto got = parse_head(std::string_view(input).substr(0, end));
    input.erase(0, end);
    return got;
}

request_reader::progress request_reader::parse_head(std::string_view head) {
    head_limits gate;
    gate.head_bytes = limits_.head_bytes;
    head_view parts;
    parts.fields.reserve(16);
    if (auto fault = check_head(head, gate, parts); fault != head_fault::none) return refuse(fault);
    request_.method = parts.method;
    request_.version = parts.http_1_0 ? 10 : 11;
    request_.headers.reserve(parts.fields.size());
    for (const auto& [name, value] : parts.fields) request_.headers.emplace_back(lower_case(name), value);
    if (!take_target(parts.target)) return refuse(400, "malformed target");
    request_.request_id = accept_request_id(request_.header("x-request-id"));

    // A handshake has no body, and no request behind it: refused or not, its connection's HTTP is over, since
    // what follows may be frames. The gate has said all there is to say; Beast's parser would double the
    // cost.
    if (!parts.framed && asks_for_websocket(parts.fields)) {
        request_.keep_alive = false;
    } else if (!take_framing(head)) {
        return refuse(400, "malformed request");
    }
    if (body_left_ > limits_.body_bytes) return refuse_body();
    if (auto expect = request_.header("expect"); !expect.empty() && request_.version == 11) {
        if (!equal_no_case(expect, "100-continue")) return refuse(417, "unknown expectation");
        expects_continue_ = is_chunked_ || body_left_ > 0;
    }
    head_done_ = true;
    return progress::need_body;
}

// How long the body is, and whether a request may follow: Beast's judgement.
bool request_reader::take_framing(std::string_view head) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
    parser.body_limit(boost::none);
    boost::beast::error_code ec;
    parser.put(boost::asio::buffer(head), ec);
    if (ec || !parser.is_header_done()) return false;
    request_.keep_alive = parser.get().keep_alive();
    is_chunked_ = parser.chunked();
    body_left_ = parser.content_length().value_or(0);
    return true;
}

// The gate let origin-form and absolute-form through.
bool request_reader::take_target(std::string_view target) {
    const auto parts = split_target(target);
    if (!parts.authority.empty()) set_host(parts.authority);
    const auto question = parts.path_and_query.find('?');
    request_.raw_path = parts.path_and_query.substr(0, question);
    if (request_.raw_path.empty()) request_.raw_path = "/";
    if (question != std::string_view::npos) request_.query = parts.path_and_query.substr(question + 1);
    auto decoded = percent_decode(request_.raw_path);
    if (!decoded || !valid_utf8(*decoded) || has_dot_segment(*decoded)) return false;
    request_.path = std::move(*decoded);
    return true;
}

// RFC 9112 3.2.2: a target's authority counts, and the Host field is ignored.
void request_reader::set_host(std::string_view authority) {
    auto& headers = request_.headers;
    auto host =
        std::find_if(headers.begin(), headers.end(), [](auto& field) { return field.first == "host"; });
    if (host == headers.end()) host = headers.insert(host, {"host", {}});  // HTTP/1.0
    host->second = authority;
}

request_reader::progress request_reader::take_body(std::string& input) {
    if (is_chunked_) {
        std::string_view rest = input;
        auto got = chunked_.feed(rest, request_.body);
        input.erase(0, input.size() - rest.size());
        if (got == chunked_body::state::malformed) return refuse(400, "malformed chunk");
        if (got == chunked_body::state::too_large) return refuse_body();
        return got == chunked_body::state::done ? progress::ready : progress::need_body;
    }
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input.size()));
    request_.body.append(input, 0, n);
    input.erase(0, n);
    body_left_ -= n;
    return body_left_ == 0 ? progress::ready : progress::need_body;
}

}  // namespace madang
