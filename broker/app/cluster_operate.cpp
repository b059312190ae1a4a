// madang cluster drain | remove: an operator's word to a running node.
#include <chrono>
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "broker/app/api_client.hpp"
#include "broker/app/cluster_command.hpp"
#include "broker/app/terminal.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;
using terminal::complain, terminal::shown;

constexpr std::chrono::milliseconds look_every{250};

// What it says at /cluster; nothing: `why` not.
json status_of(const cluster_command& what, std::string& why) {
    const auto answer =
        ask_site(url_of(what), {}, {.verb = "GET", .path = "/cluster", .body = {}, .headers = {}});
    if (!answer) why = answer.error().detail;
    return answer ? json::parse(*answer, nullptr, false) : json();
}

std::string counted(const json& from, const char* name, const char* one, const char* several) {
    const auto count = from.value(name, std::uint64_t{0});
    return std::to_string(count) + " " + (count == 1 ? one : several);
}

// A line for each change, until nothing is left with it.
int wait_until_given(const cluster_command& what) {
    for (std::string before;; std::this_thread::sleep_for(look_every)) {
        std::string why;
        const auto all = status_of(what, why);
        if (!all.is_object()) return complain("cluster drain", why.empty() ? "no JSON" : why, 1);
        const auto node = shown(all, "node");
        const auto left = all.value("to_give", json());
        if (!left.is_object())
            return complain("cluster drain", node + " does not drain any more: it is " + shown(all, "state"),
                            1);
        if (left.value("done", false)) {
            std::cout << node << " owns nothing any more; it serves who is there until it is stopped\n";
            return 0;
        }
        const auto line = node + ": " + counted(left, "shards", "shard", "shards") + ", " +
                          counted(left, "hand_overs", "hand-over", "hand-overs") + " under way, " +
                          counted(left, "jobs", "job", "jobs") + " to give";
        if (line != before) std::cout << line << std::endl;
        before = line;
    }
}

}  // namespace

std::string url_of(const cluster_command& what) {
    return what.url.empty() ? "http://127.0.0.1:8001" : what.url;
}

void add_cluster_address(CLI::App& action, cluster_command& into) {
    action.add_option("--url", into.url, "the server's internal address (http://127.0.0.1:8001)")
        ->envname("MADANG_API_URL")
        ->option_text("URL");
    action.add_option("--api-key", into.key, "a key of the server's API, with the right manage")
        ->envname("MADANG_API_KEY")
        ->option_text("KEY");
}

void add_cluster_operations(CLI::App& cluster, cluster_command& into) {
    auto* drain = cluster.add_subcommand(
        "drain",
        "Let a node give what it owns to the others, and wait for it; it goes on serving its clients");
    add_cluster_address(*drain, into);
    drain->add_option("--node", into.name, "refuse when the server that is asked has another name")
        ->option_text("NAME");
    auto* undo = drain->add_flag("--undo", into.undo, "it is up again, and owns its share");
    drain->add_flag("--clients", into.clients, "tell its clients to connect elsewhere, over --drain-spread")
        ->excludes(undo);
    drain->add_flag("--no-wait", into.no_wait, "return at once")->excludes(undo);
    drain->callback([&into] { into.action = "drain"; });

    auto* remove = cluster.add_subcommand(
        "remove", "Say that a dead node will not come back; started anew, it is let in again");
    remove->add_option("node", into.name, "its name, as `status` shows it")->required()->option_text("NODE");
    add_cluster_address(*remove, into);
    remove->add_flag("--force", into.force, "also one that lives: it ends as soon as it hears of it");
    remove->callback([&into] { into.action = "remove"; });
}

int run_cluster_drain(const cluster_command& what) {
    auto body = what.name.empty() ? json::object() : json{{"node", what.name}};
    if (what.clients) body["clients"] = true;
    const auto done =
        ask_api(url_of(what), what.key, what.undo ? "cluster/resume" : "cluster/drain", shown(body));
    if (!done) return complain("cluster drain", done.error().detail, 1);
    if (!what.undo && !what.no_wait) return wait_until_given(what);
    std::cout << (what.undo ? "it is up again" : "it drains; `madang cluster status` says how far it is")
              << "\n";
    return 0;
}

int run_cluster_remove(const cluster_command& what) {
    const auto done = ask_api(url_of(what), what.key, "cluster/remove",
                              shown(json{{"node", what.name}, {"force", what.force}}));
    if (!done) return complain("cluster remove", done.error().detail, 1);
    std::cout << what.name << " is removed; started anew, it is let in again\n";
    return 0;
}

}  // namespace madang
