// madang: serve, check, bench, health, and the commands of api_commands.hpp.
#include <CLI/CLI.hpp>
#include <iostream>

#include "broker/app/api_commands.hpp"
#include "broker/app/commands.hpp"
#include "broker/app/store_command.hpp"
#include "broker/bench/bench.hpp"
#include "broker/core/configuration.hpp"
#include "broker/core/log.hpp"

int main(int argc, char** argv) {
    using namespace madang;
    CLI::App app{"Madang: a realtime server with plugin consumers", "madang"};
    app.set_version_flag("--version", "madang " MADANG_VERSION);
    app.require_subcommand(1);

    option_values serve_values;
    auto* serve = app.add_subcommand("serve", "Run the server");
    add_option_flags(*serve, serve_values);

    option_values check_values;
    auto* check =
        app.add_subcommand("check", "Say what is wrong with the options and plugins, without serving");
    add_option_flags(*check, check_values);

    bench::bench_options bench_values;
    auto* benchmark =
        app.add_subcommand("bench", "Measure a server, beside the kernel's own price for the same bytes");
    bench::add_bench_flags(*benchmark, bench_values);

    std::string health_url = "http://127.0.0.1:8001/readyz";
    auto* health = app.add_subcommand("health", "Exit 0 when the address answers 200 (for containers)");
    health->add_option("--url", health_url, "what to ask")->capture_default_str();

    api_command_values api_values;
    add_api_commands(app, api_values);

    store_command store_values;
    const auto* store = add_store_command(app, store_values);

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& e) {
        return app.exit(e);
    } catch (const CLI::CallForAllHelp& e) {
        return app.exit(e);
    } catch (const CLI::CallForVersion& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << "madang: " << e.what() << "; see madang --help\n";
        return 2;
    }

    try {
        if (*serve) return run_serve(serve_values);
        if (*check) return run_check(check_values);
        if (*store) return run_store(store_values);
        if (*health) return run_health(health_url);
        if (*benchmark) return bench::bench_main(bench_values);
        return run_api_command(api_values);
    } catch (const std::exception& e) {
        std::cerr << "madang: " << e.what() << "\n";
        return 1;
    }
}
