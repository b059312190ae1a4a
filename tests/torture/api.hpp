// The server API, as the programs here ask it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tests/torture/torture.hpp"

namespace madang::test {

inline constexpr auto api_key = "a-key-of-this-torture-that-is-long-enough";
// For a configuration file.
inline std::string api_key_option() { return std::string("api_keys = [\"torture:all:") + api_key + "\"]\n"; }
inline std::string api_headers() {
    return std::string("Content-Type: application/json\r\nX-API-Key: ") + api_key + "\r\n";
}

struct api_answer {
    int status = 0;  // HTTP's; 0: none came
    nlohmann::json said;

    bool good() const { return status == 200 && said.is_object() && said.contains("result"); }
    int error() const {  // the API's code, or 0
        const auto found = said.is_object() ? said.find("error") : said.end();
        return said.is_object() && found != said.end() && found->is_object() ? found->value("code", 0) : 0;
    }
};

inline api_answer ask_api(std::uint16_t internal_port, const std::string& method,
                          const nlohmann::json& parameters) {
    const auto answer =
        fetch(internal_port, "/api/" + method, api_headers(), "POST", parameters.dump(), "127.0.0.2");
    return {answer.status, nlohmann::json::parse(answer.body, nullptr, false)};
}

// The result, or std::runtime_error.
inline nlohmann::json api(std::uint16_t internal_port, const std::string& method,
                          const nlohmann::json& parameters) {
    auto answer = ask_api(internal_port, method, parameters);
    require(answer.good(),
            method + " was answered with " + std::to_string(answer.status) + " " + answer.said.dump());
    return std::move(answer.said["result"]);
}

// All that a group's stream keeps: its epoch, and every publication's offset and "n".
struct kept_stream {
    std::string epoch;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> publications;
};
inline kept_stream whole_history(std::uint16_t internal_port, const std::string& group) {
    kept_stream all;
    for (;;) {
        nlohmann::json parameters{{"channel", group}, {"limit", 500}};
        if (!all.publications.empty())
            parameters["since"] = {{"offset", all.publications.back().first}, {"epoch", all.epoch}};
        const auto page = api(internal_port, "history", parameters);
        all.epoch = page.at("epoch");
        if (page.at("publications").empty()) return all;
        for (const auto& each : page.at("publications"))
            all.publications.emplace_back(each.at("offset"), each.at("data").at("n"));
    }
}

}  // namespace madang::test
