// Lines "Name: value" as header fields: the handshake, its answer, and the Origin check.
#include <algorithm>
#include <string>
#include <vector>

#include "broker/core/trim.hpp"
#include "broker/protocol/deflate.hpp"
#include "broker/protocol/field_syntax.hpp"
#include "broker/protocol/handshake.hpp"
#include "broker/protocol/origin.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in{data, size};
    std::vector<name_value> headers;
    std::optional<std::string_view> origin;
    while (!in.empty()) {
        const std::string_view line = in.line();
        const std::size_t colon = std::min(line.find(':'), line.size());
        const std::string_view value = trim(line.substr(std::min(colon + 1, line.size())));
        headers.push_back({line.substr(0, colon), value});
        if (equal_no_case(line.substr(0, colon), "origin")) origin = value;
    }
    const ws_handshake result = read_ws_handshake({"GET", 11, headers});
    if (result.status == 101) {
        fuzz::require(asks_for_websocket(headers) && result.accept.size() == 28, "a handshake was asked for");
        const auto deflate = negotiate_deflate(result.extensions);
        const auto subprotocol = result.subprotocols.empty() ? std::string_view{} : result.subprotocols[0];
        const auto answer =
            ws_accept_response(result.accept, subprotocol, deflate ? deflate->response : "", {});
        fuzz::require(answer && answer->ends_with("\r\n\r\n"), "a good handshake can be answered");
    }
    if (const auto answer = ws_accept_response("key", "", "", headers)) {
        const auto lines = std::count(answer->begin(), answer->end(), '\n');
        fuzz::require(lines == static_cast<long>(headers.size()) + 5, "a header adds one line");
        fuzz::require(std::count(answer->begin(), answer->end(), '\r') == lines, "and no bare CR");
    }
    const origin_policy same{{}};
    const origin_policy listed{{".example.com", "https://b.test:8443"}};
    fuzz::require(same.allows(std::nullopt, "http", "a"), "programs without Origin are accepted by default");
    if (origin && listed.allows(origin, "http", "a")) {
        const auto parsed = web_origin::parse(*origin);
        fuzz::require(parsed && (parsed->host == "b.test" || parsed->host.ends_with("example.com")),
                      "the list decides");
    }
    return 0;
}
