// How the server API answers, in JSON that nobody keeps.
#pragma once

#include <string>
#include <utility>

#include "broker/net/http_message.hpp"
#include "broker/protocol/api_codec.hpp"

namespace madang {

inline http_response json_answer(unsigned status, std::string body) {
    http_response response;
    response.status = status;
    response.set("Content-Type", "application/json");
    response.set("Cache-Control", "no-store");
    response.body = std::move(body);
    return response;
}

inline http_response refusal(unsigned status, const error& why) {
    return json_answer(status, "{\"error\":" + encode(why) + "}");
}

}  // namespace madang
