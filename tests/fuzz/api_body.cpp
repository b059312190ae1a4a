// First line: a method's name, or nothing for POST /api; the rest: the body. What the streams are given must
// be within bounds, what is answered must be one line of JSON, and it must come.
#include <nlohmann/json.hpp>

#include "broker/core/names.hpp"
#include "broker/protocol/api_codec.hpp"
#include "broker/protocol/api_methods.hpp"
#include "broker/protocol/json_members.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_streams.hpp"

namespace madang::fuzz {
namespace {

constexpr api_limits limits{.batch = 50, .answer = 20, .answer_bytes = 4096};

void run(testing::fake_streams& streams, std::string_view method, std::string_view params) {
    const auto* found = find_api_method(method);
    if (found == nullptr) return;
    const auto request = std::make_shared<const api_request>(api_request{
        streams, limits, api_right::all, std::string(params), [](const api_method*, const error*) {}});
    int answers = 0;
    run_api_method(*found, request, request->body, limits.answer_bytes, [&](const result<std::string>& got) {
        ++answers;
        const auto text = got ? *got : encode(got.error());
        require(nlohmann::json::accept(text), "an answer is JSON");
        require(text.find('\n') == text.npos, "an answer is one line");
    });
    require(answers == 1, "there is one answer");
}

}  // namespace
}  // namespace madang::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in{data, size};
    const auto method = in.line();
    const auto body = in.rest();
    testing::fake_streams streams;
    streams.keep(30, 40);
    streams.present = {{{"c1", "ada", "{}", ""}, 1}, {{"c2", "", "", ""}, 0}};
    if (method.empty()) {
        const auto calls = decode_calls(body, fuzz::limits.batch);
        if (!calls) return 0;
        fuzz::require(calls->size() <= fuzz::limits.batch, "no more calls than may be");
        for (const auto& call : *calls) {
            fuzz::require(call.id.empty() || nlohmann::json::accept(call.id), "an id is JSON");
            fuzz::run(streams, call.method, call.params);
        }
    } else if (valid_json(body)) {
        fuzz::run(streams, method, body);
    }
    for (const auto& each : streams.published) {
        fuzz::require(nlohmann::json::accept(each.data.bytes()), "what is published is JSON");
        fuzz::require(each.data.bytes().find('\n') == std::string_view::npos, "and has no raw newline");
        fuzz::require(each.idempotency_key.size() <= 255, "a key is bounded");
        fuzz::require(valid_group_name(each.group), "a group has a valid name");
    }
    for (const auto& each : streams.commands) {
        fuzz::require(each.code == 0 || (each.code >= 3000 && each.code <= 4999), "a code is a client's");
        fuzz::require(each.reason.size() <= 123 && !each.reason.starts_with('{'), "a reason is a short text");
        fuzz::require(each.info.empty() || nlohmann::json::accept(each.info), "info is JSON");
        fuzz::require(each.data.empty() || nlohmann::json::accept(each.data), "data is JSON");
        fuzz::require(each.whitelist.size() <= 50, "a whitelist is bounded");
    }
    fuzz::require(streams.largest_page <= 20, "no page is larger than an answer may be");
    return 0;
}
