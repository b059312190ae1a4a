// madang: serve, worker, check, bench, health, store, cluster, and the commands of api_commands.hpp.
#include <algorithm>
#include <CLI/CLI.hpp>
#include <iostream>

#include "broker/app/api_commands.hpp"
#include "broker/app/cluster_command.hpp"
#include "broker/app/commands.hpp"
#include "broker/app/job_commands.hpp"
#include "broker/app/store_command.hpp"
#include "broker/app/worker_command.hpp"
#include "broker/bench/bench.hpp"
#include "broker/core/configuration.hpp"
#include "broker/core/did_you_mean.hpp"
#include "broker/core/log.hpp"

namespace {

// A mistyped word by its name; CLI11 says of it only that a command is missing, or lists what it could not
// use.
std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& e) {
    const CLI::App* at = &app;
    std::string help = "madang";
    for (auto chosen = at->get_subcommands(); !chosen.empty(); chosen = at->get_subcommands()) {
        at = chosen.front();
        help += " " + at->get_name();
    }
    help = "; see " + help + " --help";
    const auto words = app.remaining(true);
    const bool about_words = dynamic_cast<const CLI::RequiredError*>(&e) != nullptr ||
                             dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr;
    if (words.empty() || !about_words) return e.what() + help;
    const auto option = std::find_if(words.begin(), words.end(), [](auto& w) { return w.starts_with("-"); });
    std::vector<std::string> known;
    if (option != words.end()) {
        for (const auto* each : at->get_options())
            for (const auto& name : each->get_lnames()) known.push_back("--" + name);
        const auto name = option->substr(0, option->find('='));
        return "there is no option " + name + madang::did_you_mean(name, known) + help;
    }
    for (const auto* each : at->get_subcommands([](const CLI::App*) { return true; }))
        known.push_back(each->get_name());
    const auto& word = words.front();
    if (known.empty()) return "there is one word too many: " + word + help;
    return "there is no command " + word + madang::did_you_mean(word, known) + help;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace madang;
    CLI::App app{"Madang: a realtime server with plugin consumers", "madang"};
    app.set_version_flag("--version", "madang " MADANG_VERSION);
    app.require_subcommand(1);

    option_values serve_values;
    auto* serve = app.add_subcommand("serve", "Run the server");
    add_option_flags(*serve, serve_values);

    worker_command worker_values;
    const auto* worker = add_worker_command(app, worker_values);

    option_values check_values;
    auto* check =
        app.add_subcommand("check", "Say what is wrong with the options and plugins, without serving");
    add_option_flags(*check, check_values);
    std::string running;
    check
        ->add_option("--running", running,
                     "a running server's file: say what SIGHUP would take up of what changed, and what needs "
                     "a restart")
        ->type_name("PATH");

    bench::bench_options bench_values;
    auto* benchmark =
        app.add_subcommand("bench", "Measure a server, beside the kernel's own price for the same bytes");
    bench::add_bench_flags(*benchmark, bench_values);

    std::string health_url = "http://127.0.0.1:8001/readyz";
    auto* health = app.add_subcommand("health", "Exit 0 when the address answers 200 (for containers)");
    health->add_option("--url", health_url, "what to ask")->capture_default_str();

    api_command_values api_values;
    add_api_commands(app, api_values);

    job_command_values job_values;
    add_job_commands(app, job_values);

    store_command store_values;
    const auto* store = add_store_command(app, store_values);

    cluster_command cluster_values;
    const auto* cluster = add_cluster_command(app, cluster_values);

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& e) {
        return app.exit(e);
    } catch (const CLI::CallForAllHelp& e) {
        return app.exit(e);
    } catch (const CLI::CallForVersion& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << "madang: " << what_is_wrong(app, e) << "\n";
        return 2;
    }

    try {
        if (*serve) return run_serve(serve_values);
        if (*worker) return run_worker(worker_values);
        if (*check) return run_check(check_values, running);
        if (*store) return run_store(store_values);
        if (*cluster) return run_cluster(cluster_values);
        if (*health) return run_health(health_url);
        if (*benchmark) return bench::bench_main(bench_values);
        if (!job_values.chosen.empty()) return run_job_command(job_values);
        return run_api_command(api_values);
    } catch (const std::exception& e) {
        std::cerr << "madang: " << e.what() << "\n";
        return 1;
    }
}
