#include "broker/app/store_command.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/app/api_client.hpp"
#include "broker/app/terminal.hpp"
#include "broker/core/log.hpp"
#include "storage/store_tools.hpp"

namespace madang {

namespace {

constexpr std::string_view used[] = {"data-dir", "log-format"};  // of a server's options

}  // namespace

CLI::App* add_store_command(CLI::App& app, store_command& into) {
    auto* store = app.add_subcommand("store", "Look after a data folder while no server uses it");
    store->require_subcommand(1);
    add_option_flags(*store, into.values, used);
    const auto add = [&](const char* name, const char* help, const char* folder) {
        auto* action = store->add_subcommand(name, help);
        add_option_flags(*action, into.values, used);
        action->callback([&into, name] { into.action = name; });
        if (folder) action->add_option("folder", into.folder, folder)->required();
        return action;
    };
    add("check", "Read every file and record, and say what is damaged", nullptr);
    add("dump", "Print every record as a line of JSON", nullptr);
    auto* backup = add("backup", "Copy the store", "where to; must not exist. With --server its name there");
    backup->add_option("--server", into.server,
                       "a running server's internal listener: it makes the backup, in its --backup-dir");
    backup->add_option("--api-key", into.key, "a key of that server's API, with the right manage")
        ->envname("MADANG_API_KEY");
    add("restore", "Make the data folder from a copy; every stream begins a new epoch",
        "a folder that `backup` made");
    return store;
}

int run_store(const store_command& what) {
    const auto complain = [](const error& why) {
        return terminal::complain(why, why.code == errc::invalid_option ? 2 : 1);
    };
    if (!what.server.empty()) {
        const auto answer = ask_api(what.server, what.key, "backup",
                                    nlohmann::json{{"name", what.folder}}.dump(), std::chrono::minutes(10));
        if (!answer) return complain(answer.error());
        std::cout << nlohmann::json::parse(*answer)["result"]["folder"].get<std::string>() << "\n";
        return 0;
    }
    auto loaded = resolve_options(what.values, process_environment());
    if (!loaded) return complain(loaded.error());
    const std::string data_dir = loaded->settings.data_dir;
    if (data_dir == "none")
        return complain(fail(errc::invalid_option, "data_dir is none: there is no folder"));
    start_logging(loaded->settings.format, log_level::error);
    result<void> done;
    if (what.action == "check")
        done = check_store(data_dir, std::cout);
    else if (what.action == "dump")
        done = dump_store(data_dir, std::cout);
    else if (what.action == "backup")
        done = back_up_store(data_dir, what.folder);
    else
        done = restore_store(what.folder, data_dir);
    stop_logging();
    if (!done) return complain(done.error());
    return 0;
}

}  // namespace madang
