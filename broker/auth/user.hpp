// Who somebody is, as far as a verified token says.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace madang {

struct user {
    std::string id;           // the token's sub: 1-255 bytes of valid UTF-8
    std::string claims_json;  // all of the token's claims, as a JSON object
    std::optional<std::chrono::system_clock::time_point> expires;  // nothing: never
};

}  // namespace madang
