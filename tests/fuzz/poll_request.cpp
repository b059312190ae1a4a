// The query of GET /connection/poll.
#include <nlohmann/json.hpp>

#include "broker/net/poll.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    using nlohmann::json;
    const std::string_view query(reinterpret_cast<const char*>(data), size);
    auto asked = read_poll_request(query, 16);
    if (!asked) {
        fuzz::require(!asked.error().detail.empty(), "a refusal says why");
        return 0;
    }
    fuzz::require(!asked->groups.empty() && asked->groups.size() <= 16, "the number of groups is bounded");
    const auto commands = poll_commands(*asked);
    std::size_t line = 0;
    for (std::size_t at = 0; at < commands.size(); ++line) {
        const auto end = std::min(commands.find('\n', at), commands.size());
        const auto command = json::parse(commands.substr(at, end - at), nullptr, false);
        fuzz::require(command.is_object() && command["id"] == line + 1, "a command a line");
        if (line > 0)
            fuzz::require(command["subscribe"]["channel"] == asked->groups[line - 1].name,
                          "a subscription for each group");
        at = end + 1;
    }
    fuzz::require(line == asked->groups.size() + 1, "connect, and a subscribe for each group");

    const auto groups = asked->groups;
    const poll_collector collector(std::move(*asked), 1000);
    const auto answer = json::parse(collector.answer(), nullptr, false);
    fuzz::require(answer.is_object(), "the answer is JSON");
    std::string again = "since=" + answer["since"].get<std::string>();
    for (std::size_t i = 0; i < groups.size(); ++i) again += "&group=g" + std::to_string(i);
    const auto next = read_poll_request(again, 16);
    fuzz::require(next.has_value(), "an answer's cursor can be given back");
    for (std::size_t i = 0; i < groups.size(); ++i)
        fuzz::require(next->groups[i].since == groups[i].since, "and means the same positions");
    return 0;
}
