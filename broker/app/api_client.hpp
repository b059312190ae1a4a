// One POST to a server's API, by libcurl.
#pragma once

#include <string>
#include <string_view>

#include "broker/core/result.hpp"

namespace madang {

// The answer's text, when it has a result (or replies). system_failure: no answer; its detail is one line
// that names the address and the mend. bad_request: the server refused; its detail is the server's message.
// 10 s.
result<std::string> ask_api(const std::string& url, const std::string& key, std::string_view method,
                            const std::string& body);

}  // namespace madang
