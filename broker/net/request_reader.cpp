#include "broker/net/request_reader.hpp"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "broker/core/percent.hpp"
#include "broker/core/request_id.hpp"
#include "broker/core/utf8.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {

namespace http = boost::beast::http;

namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    for (auto& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return result;
}

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

request_reader::progress request_reader::refuse(unsigned status, std::string_view why) {
    refusal_ = {status, why};
    return progress::refused;
}

request_reader::progress request_reader::refuse(head_fault fault) {
    return refuse(madang::http_status(fault), sentence(fault));
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
    if (auto fault = check_head(head, gate); fault != head_fault::none) return refuse(fault);
    http::request_parser<http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
    parser.body_limit(boost::none);
    boost::beast::error_code ec;
    parser.put(boost::asio::buffer(head), ec);
    if (ec || !parser.is_header_done()) return refuse(400, "malformed request");

    const auto& message = parser.get();
    request_.method = message.method_string();
    request_.version = message.version();
    if (request_.version != 10 && request_.version != 11)
        return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken");
    request_.keep_alive = message.keep_alive();
    for (const auto& field : message)
        request_.headers.emplace_back(lower(std::string_view(field.name_string())),
                                      std::string(field.value()));
    if (!take_target(std::string_view(message.target()))) return refuse(400, "malformed target");

    request_.request_id = accept_request_id(request_.header("x-request-id"));

    is_chunked_ = parser.chunked();
    body_left_ = parser.content_length().value_or(0);
    if (body_left_ > limits_.body_bytes) return refuse(413, "the body is too large");
    if (auto expect = request_.header("expect"); !expect.empty() && request_.version == 11) {
        if (!equal_no_case(expect, "100-continue")) return refuse(417, "unknown expectation");
        expects_continue_ = is_chunked_ || body_left_ > 0;
    }
    head_done_ = true;
    return progress::need_body;
}

// The gate let origin-form through only.
bool request_reader::take_target(std::string_view target) {
    auto question = target.find('?');
    request_.raw_path = target.substr(0, question);
    if (question != std::string_view::npos) request_.query = target.substr(question + 1);
    auto decoded = percent_decode(request_.raw_path);
    if (!decoded || !valid_utf8(*decoded) || has_dot_segment(*decoded)) return false;
    request_.path = std::move(*decoded);
    return true;
}

request_reader::progress request_reader::take_body(std::string& input) {
    if (is_chunked_) {
        std::string_view rest = input;
        auto got = chunked_.feed(rest, request_.body);
        input.erase(0, input.size() - rest.size());
        if (got == chunked_body::state::malformed) return refuse(400, "malformed chunk");
        if (got == chunked_body::state::too_large) return refuse(413, "the body is too large");
        return got == chunked_body::state::done ? progress::ready : progress::need_body;
    }
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input.size()));
    request_.body.append(input, 0, n);
    input.erase(0, n);
    body_left_ -= n;
    return body_left_ == 0 ? progress::ready : progress::need_body;
}

}  // namespace madang
