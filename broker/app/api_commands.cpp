#include "broker/app/api_commands.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "broker/app/api_client.hpp"
#include "broker/app/terminal.hpp"
#include "broker/auth/jwt_sign.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;
using verb = api_command_values::verb;

constexpr int failed = 1, asked_wrongly = 2;

using terminal::moment;
using terminal::most_listed;
using terminal::shown;
int complain(const char* name, const std::string& why, int code) {
    return terminal::complain(name, why, code);
}

void print_more(const json& result) {
    if (result.value("more", false)) std::cout << "(there is more than one answer may have)\n";
}

// Each publication's data as it stands in the answer: parsed and written anew, numbers beyond a double's
// would be others and a repeated key be gone.
std::vector<std::string_view> data_in(std::string_view answer) {
    const auto part = [](std::string_view object, std::string_view name) {
        std::string_view found;
        each_json_member(object, [&](std::string_view key, std::string_view value) {
            if (json_says(key, name)) found = value;
        });
        return found;
    };
    std::vector<std::string_view> data;
    each_json_element(part(part(answer, "result"), "publications"),
                      [&](std::string_view each) { data.push_back(part(each, "data")); });
    return data;
}

void print_history(const json& result, std::string_view answer) {
    const auto data = data_in(answer);
    std::size_t i = 0;
    for (const auto& each : result.at("publications"))
        std::cout << shown(each, "offset") << "  " << moment(each, "time") << "  "
                  << (i < data.size() ? one_line(data[i++]) : "-") << "\n";
    std::cout << "top: " << shown(result, "epoch") << ":" << shown(result, "offset") << "\n";
    print_more(result);
}

void print(verb what, const json& result) {
    switch (what) {
        case verb::pub:
            if (result.contains("offset"))
                std::cout << "published at " << shown(result, "epoch") << ":" << shown(result, "offset")
                          << "\n";
            else
                std::cout << "published; no history is kept\n";
            break;
        case verb::presence: {
            const auto& all = result.at("presence");
            for (const auto& [client, who] : all.items()) {
                std::cout << moment(who, "since") << "  " << shown(who, "client") << "  "
                          << shown(who, "user");
                for (const auto* name : {"conn_info", "chan_info"})
                    if (who.contains(name)) std::cout << "  " << name << "=" << shown(who[name]);
                std::cout << "\n";
            }
            std::cout << all.size() << (all.size() == 1 ? " connection\n" : " connections\n");
            print_more(result);
            break;
        }
        case verb::disconnect:
            std::cout << shown(result, "num_clients") << " disconnected\n";
            break;
        case verb::channels:
            for (const auto& [name, figures] : result.at("channels").items())
                std::cout << shown(figures, "num_clients") << "  " << name << "\n";
            print_more(result);
            break;
        default:
            for (const auto& node : result.at("nodes"))
                std::cout << shown(node, "name") << " (" << shown(node, "uid") << "), version "
                          << shown(node, "version") << ", up " << shown(node, "uptime")
                          << " s: " << shown(node, "num_clients") << " clients, " << shown(node, "num_users")
                          << " users, " << shown(node, "num_subs") << " subscriptions, "
                          << shown(node, "num_channels") << " groups\n";
    }
}

// "EPOCH:OFFSET"
std::optional<json> position_of(const std::string& text) {
    const auto colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    const auto offset = parse_count(text.substr(colon + 1));
    if (!offset) return std::nullopt;
    return json{{"epoch", text.substr(0, colon)}, {"offset", *offset}};
}

int ask(const api_command_values& values, const char* name, const char* method, const json& params,
        const std::string& data = {}) {
    auto body = shown(params);
    if (!data.empty()) {  // as it was typed
        body.pop_back();
        body += ",\"data\":" + data + "}";
    }
    const auto answer = ask_api(values.url, values.key, method, body);
    if (!answer) return complain(name, answer.error().detail, failed);
    if (values.json)
        std::cout << *answer << "\n";
    else if (values.chosen == verb::history)
        print_history(json::parse(*answer).at("result"), *answer);
    else
        print(values.chosen, json::parse(*answer).at("result"));
    return 0;
}

int publish(const api_command_values& values) {
    auto data = values.data;
    if (data == "-") data.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (!json::accept(data))
        return complain("pub", "DATA is not JSON; a text needs its quotes: '\"hello\"'", asked_wrongly);
    json params{{"channel", values.group}};
    if (!values.idempotency_key.empty()) params["idempotency_key"] = values.idempotency_key;
    if (values.skip_history) params["skip_history"] = true;
    return ask(values, "pub", "publish", params, data);
}

int history(const api_command_values& values) {
    json params{{"channel", values.group}, {"limit", values.limit}, {"reverse", values.reverse}};
    if (!values.since.empty()) {
        const auto since = position_of(values.since);
        if (!since)
            return complain("history", "--since takes EPOCH:OFFSET, as history prints it", asked_wrongly);
        params["since"] = *since;
    }
    return ask(values, "history", "history", params);
}

int disconnect(const api_command_values& values) {
    json params{{"user", values.user}};
    if (!values.client.empty()) params["client"] = values.client;
    if (values.code != 0 || !values.reason.empty())
        params["disconnect"] = {{"code", values.code}, {"reason", values.reason}};
    return ask(values, "disconnect", "disconnect", params);
}

int token(const api_command_values& values) {
    if (values.user.empty())
        return complain("token", "USER is empty; a token says who its bearer is", asked_wrongly);
    const auto loaded = resolve_options(values.options, process_environment());
    if (!loaded) return complain("token", loaded.error().detail, asked_wrongly);
    const auto& secret = loaded->settings.jwt_hmac_secret;
    if (secret.empty())
        return complain(
            "token",
            "there is no secret; set MADANG_JWT_HMAC_SECRET, --jwt-hmac-secret or jwt_hmac_secret "
            "in the --config file",
            asked_wrongly);
    const auto ttl = parse_duration(values.ttl, std::chrono::seconds(1));
    if (!ttl)
        return complain("token", "--ttl takes a duration such as 10m or 1h; 0 never ends", asked_wrongly);
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    json claims{{"sub", values.user}, {"iat", now}};
    if (*ttl != 0) claims["exp"] = now + static_cast<std::int64_t>(*ttl / 1'000'000);
    if (!values.channel.empty()) claims["channel"] = values.channel;
    if (!values.client.empty()) claims["client"] = values.client;
    auto text = shown(claims);
    if (!values.info.empty()) {
        if (!json::accept(values.info)) return complain("token", "--info is not JSON", asked_wrongly);
        text.pop_back();
        text += ",\"info\":" + values.info + "}";
    }
    std::cout << sign_hs256(secret, text) << "\n";
    return 0;
}

}  // namespace

void add_api_commands(CLI::App& app, api_command_values& into) {
    const auto add = [&](verb what, const char* name, const char* help) {
        auto* made = app.add_subcommand(name, help);
        made->group("A running server");
        // Not callback(): see add_job_commands.
        made->parse_complete_callback([&into, what] { into.chosen = what; });
        return made;
    };
    const auto remote = [&](verb what, const char* name, const char* help) {
        auto* made = add(what, name, help);
        made->add_option("--url", into.url, "the server's internal listener")
            ->envname("MADANG_API_URL")
            ->capture_default_str();
        made->add_option("--api-key", into.key, "a key of the server's API")->envname("MADANG_API_KEY");
        made->add_flag("--json", into.json, "print the answer as it came");
        return made;
    };
    auto* pub = remote(verb::pub, "pub", "Publish into a group");
    pub->add_option("GROUP", into.group)->required();
    pub->add_option("DATA", into.data, "JSON; - reads it from the standard input")->required();
    pub->add_option("--key", into.idempotency_key,
                    "idempotency key: a second publication with it within 5 minutes is not sent");
    pub->add_flag("--skip-history", into.skip_history, "live only");

    auto* presence = remote(verb::presence, "presence", "Who is in a group");
    presence->add_option("GROUP", into.group)->required();

    auto* past = remote(verb::history, "history", "What a group's stream keeps");
    past->add_option("GROUP", into.group)->required();
    into.limit = 10;
    past->add_option("--limit", into.limit, "publications; 0: the position only, -1: all")
        ->capture_default_str()
        ->check(terminal::whole_number(-1, most_listed));
    past->add_option("--since", into.since, "EPOCH:OFFSET: what came behind it (with --reverse: before it)");
    past->add_flag("--reverse", into.reverse, "the latest first");

    auto* close = remote(verb::disconnect, "disconnect", "Close a user's connections");
    close->add_option("USER", into.user)->required();
    close->add_option("--client", into.client, "only this connection");
    close->add_option("--code", into.code, "close code, 3000 to 4999; 0: 3503, do not come back")
        ->check(terminal::whole_number(0, 4999));
    close->add_option("--reason", into.reason, "a short text for the client");

    auto* groups = remote(verb::channels, "channels", "Groups with members");
    groups->add_option("PATTERN", into.pattern, "glob, such as 'news:*'");

    remote(verb::info, "info", "The nodes and their figures");

    auto* sign = add(verb::token, "token", "Sign a token (HS256) with the server's secret");
    sign->add_option("USER", into.user)->required();
    sign->add_option("--ttl", into.ttl, "how long it is good; 0: for ever")->capture_default_str();
    sign->add_option("--info", into.info, "JSON: what others see of the user");
    sign->add_option("--channel", into.channel, "makes it a subscription token for this group");
    sign->add_option("--client", into.client, "a subscription token of this connection only");
    sign->add_option("--config", into.options.config, "TOML file with jwt_hmac_secret (or MADANG_CONFIG)");
    sign->add_option_function<std::string>(
        "--jwt-hmac-secret",
        [&into](const std::string& secret) { into.options.flags["jwt-hmac-secret"] = {secret}; },
        "the secret; flags show in ps: prefer MADANG_JWT_HMAC_SECRET");
}

int run_api_command(const api_command_values& values) {
    switch (values.chosen) {
        case verb::pub:
            return publish(values);
        case verb::presence:
            return ask(values, "presence", "presence", {{"channel", values.group}});
        case verb::history:
            return history(values);
        case verb::disconnect:
            return disconnect(values);
        case verb::channels:
            return ask(values, "channels", "channels", {{"pattern", values.pattern}});
        case verb::info:
            return ask(values, "info", "info", json::object());
        default:
            return token(values);
    }
}

}  // namespace madang
