// Requests as a site is given them, from one client to one host, and what it answered.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "broker/core/percent.hpp"
#include "broker/net/http_dispatcher.hpp"

namespace madang::testing {

inline http_request request(std::string method, std::string target, header_list headers = {},
                            std::string body = {}) {
    http_request made;
    made.method = std::move(method);
    const auto question = target.find('?');
    if (question != std::string::npos) made.query = target.substr(question + 1);
    made.path = made.raw_path = target.substr(0, question);
    made.headers = std::move(headers);
    made.headers.emplace_back("host", "yard.example");
    made.client = {"192.0.2.1", "99", false, "yard.example"};
    made.request_id = "r1";
    made.body = std::move(body);
    return made;
}

inline http_request handshake(std::string target, header_list more = {}) {
    header_list headers = {{"upgrade", "websocket"},
                           {"connection", "Upgrade"},
                           {"sec-websocket-version", "13"},
                           {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    headers.insert(headers.end(), more.begin(), more.end());
    return request("GET", std::move(target), std::move(headers));
}

// "": there is none. Of what has headers.
template <class Response>
std::string header(const Response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers)
        if (key == name) return value;
    return "";
}

struct answered {
    unsigned status = 0;  // 0: not yet
    std::string text;
    nlohmann::json body;  // discarded: the text is not JSON
    header_list headers;
    std::optional<awaiting_reply> waited;
};

// What the site says at once; what it says later goes nowhere.
template <class Site>
answered ask(Site& site, loop& on, http_request what) {
    what.path = percent_decode(what.raw_path).value();
    const auto kept = std::make_shared<std::optional<http_response>>();
    auto answer = site.handle(on, what, [kept](http_response response) { *kept = std::move(response); });
    auto& got = *kept;
    if (auto* now = std::get_if<http_response>(&answer)) got = std::move(*now);
    answered made;
    if (auto* later = std::get_if<awaiting_reply>(&answer)) made.waited = std::move(*later);
    if (!got) return made;
    made.status = got->status;
    made.body = nlohmann::json::parse(got->body, nullptr, false);
    made.text = std::move(got->body);
    made.headers = std::move(got->headers);
    return made;
}

}  // namespace madang::testing
