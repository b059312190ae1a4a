// madang cluster adopt: the jobs in a dead node's folder to the nodes that are there.
#include <chrono>
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "actors/job_adoption.hpp"
#include "broker/app/api_client.hpp"
#include "broker/app/cluster_command.hpp"
#include "broker/app/terminal.hpp"
#include "broker/core/base64.hpp"
#include "broker/core/log.hpp"
#include "broker/core/options.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;
using clock = std::chrono::steady_clock;
using terminal::shown;

constexpr std::chrono::seconds answer_within{60};   // the home writes a chunk to its disk
constexpr std::chrono::seconds gives_up_after{30};  // of nothing being given
constexpr std::chrono::seconds says_every{1};

std::string jobs_of(std::uint64_t count) { return std::to_string(count) + (count == 1 ? " job" : " jobs"); }

class asked_cluster final : public adoption_peer {
  public:
    asked_cluster(std::string url, std::string key) : url_(std::move(url)), key_(std::move(key)) {}

    // Nothing: why() says why.
    std::optional<json> status() {
        const auto answer =
            ask_site(url_, {}, {.verb = "GET", .path = "/cluster", .body = {}, .headers = {}});
        auto all = answer ? json::parse(*answer, nullptr, false) : json();
        if (all.is_object()) return all;
        why_ = answer ? url_ + " did not answer with JSON at /cluster" : answer.error().detail;
        return std::nullopt;
    }

    result<seen> look() override {
        const auto all = status();
        if (!all) return fail(errc::system_failure, why_);
        seen now;
        for (const auto& each : all->value("removed", json::array()))
            if (each.is_string()) now.removed.insert(each.get<std::string>());
        const auto jobs = all->value("jobs", json::object());
        const auto at = jobs.find("home");
        if (at == jobs.end() || !at->is_string()) {
            why_ = "no node keeps the jobs";
            return now;
        }
        now.home = home_ = at->get<std::string>();
        return now;
    }
    result<std::string> tell(const std::string& node, const std::string& word) override {
        const auto got =
            ask_api(url_, key_, "cluster/adopt",
                    json{{"node", node}, {"word", base64url_encode(word)}}.dump(), answer_within);
        if (!got) {
            why_ = got.error().detail;
            refused_ = got.error().code == errc::bad_request;
            return got.error();
        }
        const auto all = json::parse(*got, nullptr, false);
        const auto bytes = base64url_decode(shown(all.value("result", json::object()), "word"));
        if (!bytes) return fail(errc::bad_request, why_ = url_ + " did not answer with a word");
        if (bytes->empty()) why_ = node + " did not answer yet";
        return *bytes;
    }
    void moved(std::uint64_t given, std::uint64_t left) override {
        const auto now = clock::now();
        moved_ = now;
        why_.clear();
        if (now < said_ + says_every) return;
        said_ = now;
        std::cout << jobs_of(given) << " given, " << left << " left" << std::endl;
    }
    bool rest(std::chrono::milliseconds time) override {
        if (refused_ || clock::now() >= moved_ + gives_up_after) return false;
        std::this_thread::sleep_for(time);
        return true;
    }

    const std::string& last_home() const noexcept { return home_; }
    std::string why() const { return why_.empty() ? "nobody took them" : why_; }

  private:
    const std::string url_, key_;
    std::string home_, why_;
    bool refused_ = false;  // it is no use to ask again
    clock::time_point moved_ = clock::now(), said_ = moved_;
};

// The life of the node that had the folder last; nothing: no node of a cluster had it.
std::optional<std::uint64_t> last_life(const std::filesystem::path& folder) {
    std::ifstream file(folder / "incarnation");
    std::uint64_t life = 0;
    if (file >> life) return life;
    return std::nullopt;
}

// The member of the cluster that lives that life; "": none.
std::string living(const json& status, std::uint64_t life) {
    const auto lives = [life](const json& each) {
        const auto state = shown(each, "state");
        return each.value("incarnation", std::uint64_t{0}) == life && state != "dead" && state != "left";
    };
    if (lives(status)) return shown(status, "node");
    for (const auto& each : status.value("nodes", json::array()))
        if (lives(each)) return shown(each, "node");
    return {};
}

// Why that folder is none to adopt from; "": it is one.
std::string unfit(const std::filesystem::path& folder, const json& status, bool force) {
    const auto life = last_life(folder);
    if (!life)
        return force
                   ? std::string()
                   : folder.string() +
                         " is not the folder of a node that was in a cluster: of a single server, or a copy, "
                         "whose jobs may run a second time; --force adopts it";
    const auto node = living(status, *life);
    return node.empty()
               ? std::string()
               : folder.string() + " is " + node + "'s, which lives: `madang cluster drain` moves its jobs";
}

}  // namespace

void add_cluster_adopt(CLI::App& cluster, cluster_command& into) {
    auto* adopt = cluster.add_subcommand(
        "adopt", "Give the jobs in a dead node's --data-dir to the cluster; streams stay where they are");
    adopt->add_option("dir", into.folder, "its folder, which no process uses")
        ->required()
        ->option_text("DIR");
    add_cluster_address(*adopt, into);
    adopt->add_flag("--force", into.force, "also a folder that was no cluster node's, or is a backup");
    adopt->callback([&into] { into.action = "adopt"; });
}

int run_cluster_adopt(const cluster_command& what) {
    const auto complain = [](const std::string& why, int code) {
        return terminal::complain("cluster adopt", why, code);
    };
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::path(what.folder) / "format", ignored))
        return complain(
            what.folder + ": there is no store in it; name the --data-dir of the node that is dead", 2);
    asked_cluster by(url_of(what), what.key);
    const auto status = by.status();
    if (!status) return complain(by.why(), 1);
    if (const auto why = unfit(what.folder, *status, what.force); !why.empty()) return complain(why, 2);

    options settings;
    settings.data_dir = what.folder;
    settings.store_ballast_bytes = 0;
    settings.store_free_bytes = 0;  // a full disk may be what its node died of
    start_logging(settings.format, log_level::error);
    const system_clock_source now;
    metrics counts;
    result<adopted> done = adopted{};
    if (auto store = open_store(settings, now, counts); !store)
        done = store.error();
    else
        done = adopt_jobs(**store, by, now);
    stop_logging();
    if (!done) {
        const auto& why = done.error();
        return complain(why.detail.empty() ? why.text() : why.detail,
                        why.code == errc::invalid_option ? 2 : 1);
    }
    if (!done->all)
        return complain(jobs_of(done->jobs) + " given, " + std::to_string(done->left) + " or more left in " +
                            what.folder + ": " + by.why() + "; the same command goes on",
                        1);
    if (done->jobs == 0)
        std::cout << "there are no jobs in " << what.folder << "\n";
    else
        std::cout << jobs_of(done->jobs) << " given to " << by.last_home() << "; none is left in "
                  << what.folder << "\n";
    return 0;
}

}  // namespace madang
