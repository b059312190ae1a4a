// One POST to a server's API, by libcurl.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

// The answer's text, when it has a result (or replies). system_failure: no answer; its detail is one line
// that names the address and the mend. bad_request: the server refused; its detail is the server's message.
// busy: likewise, for now (503, 504).
result<std::string> ask_api(const std::string& url, const std::string& key, std::string_view method,
                            const std::string& body, std::chrono::seconds timeout = std::chrono::seconds(10));

// Any request to it: `verb` is GET, POST, PUT or DELETE, `path` begins with /api. The answer's text when its
// status is 2xx; errors as above, and request_timeout when that took longer than `longest`.
struct api_question {
    std::string verb, path, body;
    std::vector<std::string> headers;  // "Name: value"
    std::chrono::seconds longest{10};
};
result<std::string> ask_site(const std::string& url, const std::string& key, const api_question& what);

}  // namespace madang
