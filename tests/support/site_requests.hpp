// Requests as a site is given them, from one client to one host, and what it answered.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "broker/net/http_message.hpp"

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

// "": there is none.
inline std::string header(const http_response& response, std::string_view name) {
    for (const auto& [key, value] : response.headers)
        if (key == name) return value;
    return "";
}

}  // namespace madang::testing
