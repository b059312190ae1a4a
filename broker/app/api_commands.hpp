// pub, presence, history, disconnect, channels, info: questions to a running server's API; and token, which
// signs one here.
#pragma once

#include <cstdint>
#include <string>

#include "broker/core/configuration.hpp"

namespace CLI {
class App;
}

namespace madang {

struct api_command_values {
    enum class verb : std::uint8_t { none, pub, presence, history, disconnect, channels, info, token };

    verb chosen = verb::none;
    std::string url = "http://127.0.0.1:8001";
    std::string key;
    bool json = false;  // the answer as it came

    std::string group, data, user, client, pattern, since;
    std::string idempotency_key;
    bool skip_history = false;
    bool reverse = false;
    std::int64_t limit = 0;
    std::uint32_t code = 0;
    std::string reason;

    option_values options;  // token: where the secret may be set
    std::string ttl = "1h";
    std::string info, channel;
};

// Adds the sub-commands; parsing sets `chosen`. `into` outlives `app`.
void add_api_commands(CLI::App& app, api_command_values& into);
// The exit code: 0, 1 when it failed, 2 when it was asked wrongly.
int run_api_command(const api_command_values& values);

}  // namespace madang
