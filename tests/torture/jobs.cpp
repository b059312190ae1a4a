// Jobs while everything is killed: the server, its worker, the worker's children, all of them, at random
// moments. Singles, unique ones, retrying ones, poison, chains, groups and chords are enqueued meanwhile, and
// some of the workflows are cancelled again. Then: every job that was acknowledged ends in SUCCESS or as a
// dead letter, no chord hangs, nothing that was over is begun again, whoever follows a job sees the one
// result that counted, and what a death cut is begun again within seconds of it. Of a workflow whose
// cancelling was acknowledged all is over, REVOKED but for what had ended before, and no worker is given any
// of it afterwards; nothing else is revoked.
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "tests/support/children.hpp"
#include "tests/torture/api.hpp"

namespace madang::test {
namespace {

using nlohmann::json;

struct plan {
    int kills;
    milliseconds shortest, longest;  // between two of them
    int jobs_per_second;
    milliseconds longest_redelivery = 5s;
};

constexpr int loss_limit = 5;
enum target { a_child, the_worker, the_server, all_of_them };

// What a job was asked to be, by its id.
struct asked {
    enum class kind { single, poison, step, header, body, group };
    kind what = kind::single;
    std::vector<std::string> before;  // whose results it gets; a group: its members
    std::int64_t cancelled_ms = 0;    // when that was acknowledged, Unix time; 0: never asked for
};

// A workflow that is to be cancelled, by the id that it was answered with.
struct cancelling {
    std::string id;
    std::vector<std::string> jobs;
};

struct run_line {
    std::string nonce;
    std::int64_t at_ms = 0;
    int pid = 0;
};
struct runs_of {
    std::vector<run_line> begun, ended, failed;
};

std::int64_t unix_ms() {
    return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

class scene {
  public:
    scene(const plan& how, std::uint64_t seed) : how_(how), dice_(seed), folder_(make_folder()) {
        std::ofstream(folder_ / "madang.toml") << api_key_option();
        start({});
    }
    ~scene() {
        stop_ = true;
        if (client_.joinable()) client_.join();
        node_.reset();
        std::filesystem::remove_all(folder_);
    }

    void run() {
        client_ = std::thread([this, seed = dice_()] { enqueue_all(dice_box(seed)); });
        int by_target[4] = {};
        for (int i = 0; i < how_.kills; ++i) {
            const auto span = static_cast<std::uint64_t>((how_.longest - how_.shortest).count());
            std::this_thread::sleep_for(how_.shortest + milliseconds(dice_() % span));
            const auto target = dice_() % 4;
            ++by_target[target];
            kill_one(target);
        }
        std::this_thread::sleep_for(how_.longest);
        stop_ = true;
        client_.join();
        require(!asked_.empty(), "nothing was enqueued");
        check();
        require_clean_end(*node_);
        const auto book = test::run({{server_binary(), "store", "check", "--data-dir", folder_ / "data"}});
        require(book.code == 0, "the store is not as it should be: " + book.out + book.err);
        std::printf(
            "%d kills (%d of a child, %d of the worker, %d of the server, %d of all): %zu jobs, %zu requests "
            "asked again; %zu runs, %zu dead letters; longest from a death to the next run of what it cut: "
            "child's %lld, worker's %lld, server's %lld, all's %lld ms\n",
            how_.kills, by_target[a_child], by_target[the_worker], by_target[the_server],
            by_target[all_of_them], asked_.size(), again_, runs_, dead_, slowest(a_child),
            slowest(the_worker), slowest(the_server), slowest(all_of_them));
        std::printf(
            "%zu workflows cancelled, %zu of these requests asked again: of their jobs %zu had ended before, "
            "%zu were revoked, %zu of these had begun; %zu that a worker had already began later, at most "
            "%lld ms\n",
            cancelled_, cancelled_again_, ended_before_, revoked_, revoked_running_, began_late_,
            static_cast<long long>(latest_ms_));
    }

  private:
    static std::filesystem::path make_folder() {
        auto name = (std::filesystem::temp_directory_path() / "madang-jobs-XXXXXX").string();
        require(mkdtemp(name.data()) != nullptr, "no folder in " + name);
        return name;
    }

    void start(ports on) {
        node_ = std::make_unique<server>(
            std::vector<std::string>{"--config", folder_ / "madang.toml", "--data-dir", folder_ / "data",
                                     "--no-bundled", "--plugin", MADANG_TORTURE_PLUGIN, "--workers", "4",
                                     "--worker-timeout", "2s", "--job-loss-limit", std::to_string(loss_limit),
                                     "--log-level", "warn", "--drain-timeout", "5s"},
            command{}, on);
        listens_ = {node_->port(), node_->internal_port()};
        internal_ = listens_.internal;
    }

    void kill_one(std::uint64_t target) {
        const auto server_pid = node_->pid();
        const auto workers = children_of(server_pid);
        if (target == a_child || target == the_worker) {
            if (workers.empty()) return;  // it is just being started again
            auto whom = workers.front();
            if (target == a_child) {
                const auto children = children_of(whom);
                if (children.empty()) return;
                whom = children[dice_() % children.size()];
            }
            deaths_.push_back({unix_ms(), target});
            ::kill(whom, SIGKILL);
            return;
        }
        std::vector<pid_t> all;
        if (target == all_of_them)
            for (const auto worker : workers) {
                all.push_back(worker);
                for (const auto child : children_of(worker)) all.push_back(child);
            }
        internal_ = 0;
        deaths_.push_back({unix_ms(), target});
        node_.reset();  // SIGKILL
        for (const auto each : all) ::kill(each, SIGKILL);
        start(listens_);
    }

    // ---- What is asked, on a thread of its own

    json step(const std::string& id, const char* task, const json& more = json::object()) {
        json kwargs{{"ledger", (folder_ / "ledger").string()}};
        kwargs.update(more);
        return {{"task", task}, {"id", id}, {"kwargs", std::move(kwargs)}};
    }

    void enqueue_all(dice_box dice) {
        const auto pause = std::chrono::microseconds(1'000'000 / how_.jobs_per_second);
        std::multimap<std::uint64_t, cancelling> due;  // by the number of requests before it
        for (std::uint64_t n = 0; !stop_; ++n) {
            for (; !due.empty() && due.begin()->first <= n; due.erase(due.begin()))
                if (!cancel(due.begin()->second)) return;
            std::map<std::string, asked> here;
            const auto name = "t" + std::to_string(n);
            const bool ends_early = dice() % 2 == 0;  // a workflow
            const auto after = dice() % static_cast<std::uint64_t>(how_.jobs_per_second / 4);
            const auto ms = static_cast<int>(dice() % 20), step_ms = ends_early ? 5 * ms : ms;
            json what;
            switch (dice() % 9) {
                case 0:
                    what = step(name, "torture.inline");
                    here[name] = {};
                    break;
                case 1:
                    what = step(name, "torture.step", {{"fails", static_cast<int>(dice() % 3)}, {"ms", ms}});
                    here[name] = {};
                    break;
                case 2:
                    what = step(name, "torture.step", {{"ms", ms}});
                    what["unique"] = {{"key", name}};
                    what["countdown"] = static_cast<double>(dice() % 300) / 1000.0;
                    here[name] = {};
                    break;
                case 3: {
                    json steps = json::array();
                    for (int i = 0; i < 3; ++i) {
                        const auto id = name + "-" + std::to_string(i);
                        steps.push_back(
                            step(id, i == 1 ? "torture.inline" : "torture.step", {{"ms", step_ms}}));
                        here[id] = {asked::kind::step, {}};
                        if (i > 0) here[id].before = {name + "-" + std::to_string(i - 1)};
                    }
                    what["chain"] = std::move(steps);
                    break;
                }
                case 4: {
                    json header = json::array();
                    asked body{asked::kind::body, {}};
                    for (int i = 0; i < 4; ++i) {
                        const auto id = name + "-h" + std::to_string(i);
                        header.push_back(step(id, "torture.step",
                                              {{"ms", step_ms}, {"fails", static_cast<int>(dice() % 2)}}));
                        here[id] = {asked::kind::header, {}};
                        body.before.push_back(id);
                    }
                    what["chord"] = {{"header", std::move(header)},
                                     {"body", step(name + "-b", "torture.step")}};
                    here[name + "-b"] = std::move(body);
                    break;
                }
                case 5: {
                    json members = json::array();
                    for (int i = 0; i < 4; ++i) {
                        const auto id = name + "-m" + std::to_string(i);
                        members.push_back(
                            step(id, i == 1 ? "torture.inline" : "torture.step", {{"ms", step_ms}}));
                        here[id] = {asked::kind::step, {}};
                    }
                    what["group"] = std::move(members);
                    break;
                }
                case 6:
                    if (dice() % 10 == 0) {
                        what = step(name, "torture.step", {{"dies", true}});
                        here[name] = {asked::kind::poison, {}};
                        break;
                    }
                    [[fallthrough]];
                default:
                    what = step(name, "torture.step", {{"ms", ms}});
                    here[name] = {};
            }
            if (const auto answer = answered("/api/jobs", name, what.dump(), again_)) {
                const auto& made = answer->at("jobs").at(0);
                const auto id = made.at("id").get<std::string>();
                cancelling whole{id, made.at("children")};
                if (what.contains("group")) here[id] = {asked::kind::group, whole.jobs};
                asked_.merge(here);
                if (ends_early && !whole.jobs.empty()) due.emplace(n + after, std::move(whole));
            }
            std::this_thread::sleep_for(pause);
        }
        for (const auto& [n, each] : due)
            if (!cancel(each)) return;
    }

    bool cancel(const cancelling& what) {
        if (!answered("/api/jobs/" + what.id + "/cancel", {}, "{}", cancelled_again_)) return false;
        ++cancelled_;
        const auto now = unix_ms();
        asked_.at(what.id).cancelled_ms = now;
        for (const auto& each : what.jobs) asked_.at(each).cancelled_ms = now;
        return true;
    }

    // The same request, with its key, until somebody answers it. `again`: how many were asked more than once.
    std::optional<json> answered(const std::string& path, const std::string& key, const std::string& body,
                                 std::size_t& again) {
        const auto headers = api_headers() + (key.empty() ? "" : "Idempotency-Key: " + key + "\r\n");
        for (int tries = 0;; ++tries) {
            const auto port = internal_.load();
            const auto got =
                port != 0 ? fetch(port, path, headers, "POST", body, "127.0.0.2") : http_answer();
            if (got.status == 200 || got.status == 202) {
                again += tries != 0;
                return json::parse(got.body);
            }
            const bool refused = got.status != 0 && got.status != 503;
            if (refused || (stop_ && tries > 2000)) {  // somebody is there when it is to stop
                const std::lock_guard lock(wrong_lock_);
                wrong_ =
                    path + " " + body + " was answered with " + std::to_string(got.status) + " " + got.body;
                return {};
            }
            breathe();
        }
    }

    // ---- What came of it

    json job(const std::string& id) const {
        const auto got = fetch(listens_.internal, "/api/jobs/" + id, api_headers(), "GET", {}, "127.0.0.2");
        require(got.status == 200,
                "job " + id + " was acknowledged and is not there: " + std::to_string(got.status));
        return json::parse(got.body);
    }
    static bool over(const json& what) {
        const auto state = what.at("state").get<std::string>();
        return state == "SUCCESS" || state == "FAILURE" || state == "REVOKED" || state == "REJECTED";
    }

    void check() {
        {
            const std::lock_guard lock(wrong_lock_);
            require(wrong_.empty(), wrong_);
        }
        std::map<std::string, json> found;
        std::set<std::string> open;
        for (const auto& [id, what] : asked_) open.insert(id);
        const bool all = eventually(
            [&] {
                for (auto each = open.begin(); each != open.end();) {
                    auto now = job(*each);
                    if (!over(now)) return false;
                    found[*each] = std::move(now);
                    each = open.erase(each);
                }
                return true;
            },
            120s);
        if (!all)
            throw std::runtime_error(std::to_string(open.size()) + " jobs never end, " + *open.begin() +
                                     " for one: " + job(*open.begin()).dump() + "\n" + node_->log());
        const auto ledger = read_ledger();
        for (const auto& [id, what] : asked_) {
            if (what.what == asked::kind::group)
                check_group(id, what, found);
            else
                check_one(id, what, found, ledger);
        }
        require(cancelled_ != 0, "nothing was cancelled");
        check_queues();
        for (const auto& [id, what] : asked_)
            if (const auto at = ledger.find(id); at != ledger.end() && what.what != asked::kind::poison)
                note_redeliveries(id, at->second);
        for (const auto& [ms, id] : slowest_)
            require(ms <= how_.longest_redelivery.count(),
                    "job " + id + " was begun again " + std::to_string(ms) + " ms after a death");
    }

    void check_one(const std::string& id, const asked& what, const std::map<std::string, json>& found,
                   const std::map<std::string, runs_of>& ledger) {
        const auto& view = found.at(id);
        const auto state = view.at("state").get<std::string>();
        const auto at = ledger.find(id);
        if (at != ledger.end()) runs_ += at->second.begun.size();
        if (what.cancelled_ms != 0)
            check_cancelled(id, what, view, at != ledger.end() ? &at->second : nullptr);
        if (state == "REVOKED" && what.cancelled_ms != 0) return;
        if (state != "SUCCESS") {
            // It took too many workers with it, or somebody before it did.
            ++dead_;
            bool follows = false;
            for (const auto& each : what.before) {
                const auto before = found.at(each).at("state").get<std::string>();
                follows = follows || (what.cancelled_ms != 0 ? before == "FAILURE" : before != "SUCCESS");
            }
            require(follows || (state == "FAILURE" && view.value("losses", 0) >= loss_limit),
                    "job " + id + " is no success: " + view.dump());
            require(what.what != asked::kind::poison || state == "FAILURE", "poison " + id + " is " + state);
            return;
        }
        require(what.what != asked::kind::poison, "poison " + id + " succeeded");
        require(at != ledger.end(), "job " + id + " succeeded and never ran");
        const auto& result = view.at("result");
        const auto& runs = at->second;
        const auto counted = std::count_if(runs.ended.begin(), runs.ended.end(), [&](const run_line& each) {
            return each.nonce == result.at("nonce").get<std::string>();
        });
        require(counted == 1, "the result of " + id + " is no run's: " + view.dump());
        const auto ended = view.at("ended_ms").get<std::int64_t>();
        for (const auto& each : runs.begun)
            require(each.at_ms <= ended + 1,  // of rounding
                    id + " was begun " + std::to_string(each.at_ms - ended) + " ms after it was over");
        // Whoever follows got the one result that counted.
        if (what.before.empty()) return;
        const auto& got = result.at("got");
        if (what.what == asked::kind::body) {
            require(got.size() == 1 && got[0].size() == what.before.size(),
                    "the body " + id + " got " + got.dump());
            for (std::size_t i = 0; i < what.before.size(); ++i)
                require(got[0][i] == found.at(what.before[i]).at("result"),
                        "the body " + id + " got another result of " + what.before[i]);
        } else {
            require(got.size() == 1 && got[0] == found.at(what.before[0]).at("result"),
                    id + " got another result of " + what.before[0]);
        }
    }

    // Once that was acknowledged its end is no success any more and no worker is given it. One that a worker
    // had by then may begin a little later: the word to leave it is under way.
    void check_cancelled(const std::string& id, const asked& what, const json& view, const runs_of* runs) {
        const auto ended = view.value("ended_ms", std::int64_t{0}),
                   given = view.value("began_ms", std::int64_t{0});
        const auto late = [&](std::int64_t ms) { return ms - what.cancelled_ms; };
        require(late(given) <= 1,  // of rounding
                "job " + id + " was given to a worker " + std::to_string(late(given)) +
                    " ms after it was cancelled: " + view.dump());
        if (runs)
            for (const auto& each : runs->begun)
                require(each.at_ms <= ended + 1 && (late(each.at_ms) <= 0 || given != 0),
                        id + " was begun " + std::to_string(late(each.at_ms)) +
                            " ms after it was cancelled: " + view.dump());
        if (view.at("state") != "REVOKED") {
            require(late(ended) <= 1, "job " + id + " ended " + std::to_string(late(ended)) +
                                          " ms after it was cancelled: " + view.dump());
            ++ended_before_;
            return;
        }
        ++revoked_;
        if (!runs) return;
        ++revoked_running_;
        const auto first = late(runs->begun.front().at_ms);
        if (first <= 0) return;
        ++began_late_;
        latest_ms_ = std::max(latest_ms_, first);
    }

    void check_group(const std::string& id, const asked& what,
                     const std::map<std::string, json>& found) const {
        const auto& view = found.at(id);
        json results = json::array();
        bool well = true;
        for (const auto& each : what.before) {
            well = well && found.at(each).at("state") == "SUCCESS";
            results.push_back(found.at(each).value("result", json()));
        }
        require(view.at("state") == (well ? "SUCCESS" : "FAILURE") && view.at("dead") == false,
                "group " + id + ": " + view.dump());
        require(!well || view.at("result") == results, "group " + id + " has other results: " + view.dump());
        if (well || what.cancelled_ms == 0) return;
        const bool failed = std::any_of(what.before.begin(), what.before.end(), [&](const std::string& each) {
            return found.at(each).at("state") == "FAILURE";
        });
        require(failed || view.at("error").at("type") == "Cancelled", "group " + id + ": " + view.dump());
    }

    // Nothing waits any more.
    void check_queues() const {
        const auto got = fetch(listens_.internal, "/api/queues", api_headers(), "GET", {}, "127.0.0.2");
        require(got.status == 200, "queues: " + std::to_string(got.status));
        for (const auto& each : json::parse(got.body).at("queues"))
            for (const auto* what : {"ready", "scheduled", "leased", "parked"})
                require(each.at(what) == 0, "left in a queue: " + each.dump());
    }

    std::map<std::string, runs_of> read_ledger() const {
        std::map<std::string, runs_of> all;
        std::ifstream in(folder_ / "ledger");
        std::string what, id;
        run_line line;
        while (in >> what >> id >> line.nonce >> line.at_ms >> line.pid)
            (what == "begin" ? all[id].begun
             : what == "end" ? all[id].ended
                             : all[id].failed)
                .push_back(line);
        return all;
    }

    // Runs that were cut: how long from the last death before the job was begun again until then.
    void note_redeliveries(const std::string& id, const runs_of& runs) {
        const auto is_known = [](const std::vector<run_line>& in, const run_line& which) {
            return std::any_of(in.begin(), in.end(),
                               [&](const run_line& each) { return each.nonce == which.nonce; });
        };
        for (std::size_t i = 0; i + 1 < runs.begun.size(); ++i) {
            if (is_known(runs.ended, runs.begun[i]) || is_known(runs.failed, runs.begun[i])) continue;
            const auto again = runs.begun[i + 1].at_ms;
            const auto after = std::upper_bound(deaths_.begin(), deaths_.end(), again,
                                                [](auto at, const death& each) { return at < each.at_ms; });
            if (after == deaths_.begin() || std::prev(after)->at_ms < runs.begun[i].at_ms) continue;
            const auto& last = *std::prev(after);
            auto& worst = slowest_[last.target];
            if (again - last.at_ms > worst.first) worst = {again - last.at_ms, id};
        }
    }

    long long slowest(target of) const { return slowest_[of].first; }

    const plan how_;
    dice_box dice_;
    const std::filesystem::path folder_;
    std::unique_ptr<server> node_;
    ports listens_;
    std::atomic<std::uint16_t> internal_{0};  // 0: nobody is there
    std::atomic<bool> stop_{false};
    std::thread client_;
    std::map<std::string, asked> asked_;
    struct death {
        std::int64_t at_ms;  // Unix time
        std::uint64_t target;
    };
    std::vector<death> deaths_;
    std::mutex wrong_lock_;
    std::string wrong_;
    std::size_t again_ = 0, runs_ = 0, dead_ = 0;
    std::size_t cancelled_ = 0, cancelled_again_ = 0, ended_before_ = 0, revoked_ = 0, revoked_running_ = 0;
    std::size_t began_late_ = 0;
    std::int64_t latest_ms_ = 0;
    std::array<std::pair<std::int64_t, std::string>, 4> slowest_{};  // ms and job, by what died
};

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    return torture(argc, argv, [](std::uint64_t seed, bool brief) {
        plan how = brief ? plan{8, 150ms, 600ms, 40} : plan{200, 100ms, 1000ms, 100};
        if (brief) how.longest_redelivery = 60s;  // CI's machine may stand still
        scene(how, seed).run();
    });
}
