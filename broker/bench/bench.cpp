#include "broker/bench/bench.hpp"

#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "broker/bench/proc.hpp"
#include "broker/bench/report.hpp"
#include "broker/bench/runs.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

struct step {
    std::string name;
    std::function<std::vector<finding>()> measure;
};

std::vector<step> steps_of(const bench_options& options, runs& run) {
    auto fanout = [&run](std::uint32_t in_flight, const char* route) {
        return step{fmt::format("fan-out, {}, {} in flight", route, in_flight),
                    [=, &run] { return run.fanout(in_flight, route); }};
    };
    const step echo{"echo", [&run] { return run.echo(); }};
    const step rooms{"rooms", [&run] { return run.rooms(); }};
    const step idle{"idle", [&run] { return run.idle(); }};
    const step connects{"connects", [&run] { return run.connects(); }};
    const step stall{"stall", [&run] { return run.stall(); }};
    const step history{"history", [&run] { return run.history(); }};
    const step clients{"clients", [&run] { return run.clients(); }};
    const step presence{"presence", [&run] { return run.presence(); }};
    const step recovery{"recovery", [&run] { return run.recovery(); }};
    const step subscribers{"subscribers", [&run] { return run.subscribers(); }};
    const step jobs{"jobs", [&run] { return run.jobs(); }};
    const step backlog{"backlog", [&run] { return run.backlog(); }};
    const step cluster{"cluster", [&run] { return run.cluster(); }};
    if (options.what == "fanout") return {fanout(options.in_flight.value_or(64), options.route.c_str())};
    if (options.what == "echo") return {echo};
    if (options.what == "rooms") return {rooms};
    if (options.what == "idle") return {idle};
    if (options.what == "connects") return {connects};
    if (options.what == "stall") return {stall};
    if (options.what == "history") return {history};
    if (options.what == "clients") return {clients};
    if (options.what == "presence") return {presence};
    if (options.what == "recovery") return {recovery};
    if (options.what == "subscribers") return {subscribers};
    if (options.what == "jobs") return {jobs};
    if (options.what == "backlog") return {backlog};
    if (options.what == "cluster") return {cluster};
    if (options.what == "floor") return {{"floor", [&run] { return run.floor_alone(); }}};
    if (options.what != "all") throw std::invalid_argument("no such benchmark: " + options.what);
    if (!options.url.empty()) throw std::invalid_argument("all starts its own servers: leave out --url");
    return {fanout(64, "plain"),
            fanout(8, "plain"),
            fanout(1, "plain"),
            fanout(64, "chat"),
            {"fan-out, loops and members", [&run] { return run.fanout_shapes(); }},
            echo,
            rooms,
            connects,
            idle,
            stall,
            history,
            clients,
            presence,
            recovery,
            subscribers,
            jobs,
            backlog,
            cluster};
}

std::string commit() {
    std::string text(64, '\0');
    std::FILE* git = popen("git describe --always --dirty 2>/dev/null", "re");
    text.resize(git ? std::fread(text.data(), 1, text.size(), git) : 0);
    if (git) pclose(git);
    return text.substr(0, text.find('\n'));
}

std::string heading(const bench_options& options) {
    char date[32];
    const auto now = std::time(nullptr);
    const auto made_of = commit();
    std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
    return machine() + "; " + date + (made_of.empty() ? "" : "; commit " + made_of) +
           (options.quick ? "; --quick: too short for figures to mean anything" : "") + ".";
}

}  // namespace

int bench_main(const bench_options& options) try {
    catch_signals();
    raise_open_files();
    runs run(options);
    std::vector<finding> findings;
    std::string failed;
    for (const auto& step : steps_of(options, run)) {
        try {
            auto found = step.measure();
            for (auto& one : found)
                if (options.quick) one.at_least = one.at_most = std::nullopt;
            if (!options.json) std::cout << to_text(found) << std::flush;
            for (auto& one : found) findings.push_back(std::move(one));
        } catch (const interrupted&) {
            throw;
        } catch (const std::exception& error) {
            failed += fmt::format("{}: {}\n", step.name, error.what());
            std::cerr << "madang bench: " << step.name << ": " << error.what() << std::endl;
        }
    }
    if (options.json) std::cout << to_json(findings);
    if (!options.write.empty()) {
        const auto text = to_markdown(findings, heading(options));  // before the page itself is a change
        std::ofstream page(options.write);
        page << text;
        if (!failed.empty()) page << "\n## Not measured\n\n```\n" << failed << "```\n";
        if (!page.flush()) throw std::runtime_error("cannot write " + options.write);
    }
    if (!failed.empty()) return 2;
    if (intact(findings)) return 0;
    std::cerr << "madang bench: publications were lost or out of order\n";
    return 1;
} catch (const std::exception& error) {
    std::cerr << "madang bench: " << error.what() << '\n';
    return 2;
}

}  // namespace madang::bench
