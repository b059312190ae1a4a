#include "broker/app/cluster_command.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/app/api_client.hpp"
#include "broker/app/terminal.hpp"
#include "broker/net/cluster_certificates.hpp"

namespace madang {

namespace {

constexpr unsigned authority_days = 3'650, certificate_days = 365, most_days = 36'500;

int show_status(const std::string& url) {
    const auto answer = ask_site(url, {}, {.verb = "GET", .path = "/cluster", .body = {}, .headers = {}});
    if (!answer) return terminal::complain("cluster status", answer.error().detail, 1);
    const auto all = nlohmann::ordered_json::parse(*answer, nullptr, false);
    if (!all.is_object()) return terminal::complain("cluster status", "the answer is no JSON", 1);
    using terminal::shown;
    std::cout << "node " << shown(all, "node") << " is " << shown(all, "state") << ", view "
              << shown(all, "view") << ", quorum " << shown(all, "quorum") << "\n";
    if (const auto jobs = all.value("jobs", nlohmann::ordered_json()); jobs.is_object())
        std::cout << "jobs are kept by " << shown(jobs, "home") << ", served " << shown(jobs, "served")
                  << "\n";
    if (const auto left = all.value("to_give", nlohmann::ordered_json()); left.is_object())
        std::cout << "left to give: " << shown(left, "shards") << " shards, " << shown(left, "hand_overs")
                  << " hand-overs under way, " << shown(left, "jobs") << " jobs\n";
    for (const auto& each : all.value("nodes", nlohmann::ordered_json::array()))
        std::cout << "  " << shown(each, "node") << "  " << shown(each, "state") << "  "
                  << shown(each, "address") << "  "
                  << (each.value("heard", false) ? "heard" : "silent for " + shown(each, "silent_ms") + " ms")
                  << "\n";
    return 0;
}

}  // namespace

CLI::App* add_cluster_command(CLI::App& app, cluster_command& into) {
    auto* cluster =
        app.add_subcommand("cluster", "What a node says of its cluster, and the nodes' certificates");
    cluster->require_subcommand(1);
    auto* init = cluster->add_subcommand(
        "init-ca", "Make the cluster's own authority: DIR/ca.pem for every node, DIR/ca.key for nobody else");
    init->add_option("dir", into.folder, "where to; made when it is not there")
        ->required()
        ->option_text("DIR");
    init->add_option("--name", into.name, "the authority's name, for people (madang cluster)")
        ->option_text("NAME");
    init->add_option("--days", into.days, "how long it is good for (" + std::to_string(authority_days) + ")")
        ->check(CLI::Range(1U, most_days))
        ->option_text("N");
    init->callback([&into] { into.action = "init-ca"; });

    auto* issue = cluster->add_subcommand(
        "issue", "Make a node's certificate and key: DIR/NAME.pem and DIR/NAME.key, by the authority in DIR");
    issue->add_option("name", into.name, "the node's --node-name")->required()->option_text("NAME");
    issue->add_option("dir", into.folder, "where `init-ca` made the authority")
        ->required()
        ->option_text("DIR");
    issue
        ->add_option("--host", into.hosts,
                     "a name or address beside NAME, for other tools; it may stand several times. A node may "
                     "call itself by each of its names")
        ->option_text("HOST")
        ->allow_extra_args(false);
    issue
        ->add_option("--days", into.days,
                     "how long it is good for (" + std::to_string(certificate_days) + ")")
        ->check(CLI::Range(1U, most_days))
        ->option_text("N");
    issue->callback([&into] { into.action = "issue"; });

    auto* status = cluster->add_subcommand("status", "The nodes that a server knows, as it sees them");
    status->add_option("--url", into.url, "the server's internal address (http://127.0.0.1:8001)")
        ->envname("MADANG_API_URL")
        ->option_text("URL");
    status->callback([&into] { into.action = "status"; });
    add_cluster_operations(*cluster, into);
    add_cluster_adopt(*cluster, into);
    return cluster;
}

int run_cluster(const cluster_command& what) {
    if (what.action == "status") return show_status(url_of(what));
    if (what.action == "drain") return run_cluster_drain(what);
    if (what.action == "remove") return run_cluster_remove(what);
    if (what.action == "adopt") return run_cluster_adopt(what);
    const bool authority = what.action == "init-ca";
    const auto days = what.days != 0 ? what.days : authority ? authority_days : certificate_days;
    const auto made =
        authority ? write_authority(what.folder, what.name.empty() ? "madang cluster" : what.name, days)
                  : write_certificate(what.folder, what.name, what.hosts, days);
    if (!made) return terminal::complain(made.error(), made.error().code == errc::invalid_argument ? 2 : 1);
    std::cout << *made << "\n";
    return 0;
}

}  // namespace madang
