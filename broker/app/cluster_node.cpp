#include "broker/app/cluster_node.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "actors/job_service.hpp"
#include "actors/peers.hpp"
#include "actors/yard.hpp"
#include "broker/cluster/beat_codec.hpp"
#include "broker/cluster/jobs_home.hpp"
#include "broker/cluster/membership.hpp"
#include "broker/cluster/shard_map.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/log.hpp"
#include "broker/core/node_name.hpp"
#include "broker/core/options.hpp"
#include "broker/net/cluster_links.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;
using clock = membership::clock;

// Greater than any that this data directory has seen, whatever the clock says. A store in memory has its
// clock only.
result<std::uint64_t> next_incarnation(const std::string& folder) {
    auto now = static_cast<std::uint64_t>(unix_ms());
    if (folder == "none") return now;
    const auto file = std::filesystem::path(folder) / "incarnation";
    {
        std::ifstream before(file);
        std::uint64_t last = 0;
        if (before >> last && last >= now) now = last + 1;
    }
    const auto fresh = file.string() + ".new";
    std::ofstream(fresh, std::ios::trunc) << now << "\n";
    std::error_code error;
    std::filesystem::rename(fresh, file, error);
    if (error)
        return fail(errc::invalid_option, "--data-dir " + folder + ": " + file.string() +
                                              " cannot be written: " + error.message() +
                                              "; name another folder, or none");
    return now;
}

cluster_refusal not_running() { return {503, "ending", "this node does not take part yet, or any more"}; }

}  // namespace

struct cluster_node::state final : cluster_links_host {
    state(const options& settings, yard& home, job_service& jobs, metrics& counts,
          std::function<void()> cast_out)
        : settings(settings), home(home), jobs(jobs), counts(counts), cast_out(std::move(cast_out)) {}

    const options& settings;
    yard& home;
    job_service& jobs;
    metrics& counts;
    std::function<void()> cast_out;
    node_id self;
    std::unique_ptr<cluster_links> links;
    std::unique_ptr<peers> others;
    std::unique_ptr<membership> who;  // on the links' thread once they run
    mutable std::mutex mutex;
    std::string shown = "{}";  // guarded, this and the next
    bool in_view = false;
    std::condition_variable viewed;
    std::atomic<bool> quorum{false};
    std::atomic<bool> minority{false};                 // for a heartbeat already
    std::optional<clock::time_point> no_quorum_since;  // on the links' thread
    std::atomic<std::int64_t> up{0};
    std::atomic<bool> owns_for_others{false};  // it owns shards, and there is who could
    std::atomic<bool> asked_to_drain{false};   // by an operator
    std::atomic<bool> runs{false}, ending{false};
    std::size_t shards = 0;  // that it owns; on the links' thread
    bool was_cast_out = false, stopped = false;
    metrics_shard* shard = nullptr;  // of the links' thread

    // -- cluster_links_host
    void link_up(const peer_hello& peer, file_handle caf_end, bool dialed) override {
        log_info("cluster.linked", {{"node", peer.from.name},
                                    {"incarnation", static_cast<std::int64_t>(peer.from.incarnation)},
                                    {"dialed", dialed}});
        who->alive(peer.from, clock::now());
        others->attach(peer.from, caf_end.release(), dialed);
        go_on();
    }
    void link_down(const node_id& peer, const std::string& why) override {
        log_warn("cluster.unlinked", {{"node", peer.name}, {"why", why}});
        who->lost(peer, clock::now());
        others->lost(peer);
        go_on();
    }
    void worker_came(file_handle end, const std::string&) override { jobs.worker_came(end.release()); }
    void beat_came(const node_id& from, std::string_view bytes) override {
        auto what = decode_beat(bytes);
        if (!what || what->from != from) {
            log_error("cluster.beat_malformed",
                      {{"node", from.name}, {"what", what ? std::string("from") : what.error().detail}});
            return links->drop(from, "a malformed beat");
        }
        who->heard(*what, clock::now());
        go_on();
    }
    void bytes_came(const node_id& from) override { who->alive(from, clock::now()); }
    void tick() override {
        who->tick(clock::now());
        go_on();
        show(clock::now());
    }

    // After every input.
    void go_on() {
        const auto now = clock::now();
        if (who->take_changed()) {
            const auto& view = who->view();
            std::string nodes;
            std::int64_t count = 0;
            for (const auto& each : view.members) {
                nodes +=
                    (nodes.empty() ? "" : " ") + each.who.name + "=" + std::string(to_string(each.state));
                count += each.state == node_state::up ? 1 : 0;
            }
            log_info("cluster.view", {{"number", static_cast<std::int64_t>(view.number)}, {"nodes", nodes}});
            up = count;
            if (view.number != 0) shard->add(counter::cluster_views);
            others->view_changed(view, who->removed());
            if (view.has_living(self)) {
                std::lock_guard lock(mutex);
                in_view = true;
                viewed.notify_all();
            }
            const auto* own = view.find(self.name);
            owns_for_others = own != nullptr && own->state == node_state::up && count > 1;
            shards = shard_map(view, cluster_shards).of(self.name).size();
        }
        if (const auto beat = who->take_beat(now)) links->send_beat(encode(*beat));
        links->want(who->to_dial(now));
        quorum = who->has_quorum(now);
        jobs.quorum_until(who->quorum_until());
        // Each change of view takes it away for a moment.
        if (quorum)
            no_quorum_since.reset();
        else if (!no_quorum_since)
            no_quorum_since = now;
        minority = no_quorum_since && now - *no_quorum_since >= settings.cluster_heartbeat;
        if (who->is_cast_out() && !std::exchange(was_cast_out, true)) {
            log_error("cluster.cast_out", {{"node", self.name}});
            cast_out();
        }
    }

    // On the links' thread. Null: it is this one that is meant, and it can be asked.
    std::optional<cluster_refusal> not_me(const std::string& node) const {
        if (!node.empty() && node != self.name)
            return cluster_refusal{409, "another_node",
                                   "this node is " + self.name + ", not " + node + "; ask that one (--url)"};
        if (ending || was_cast_out) return cluster_refusal{503, "ending", self.name + " is shutting down"};
        return {};
    }
    bool others_are_up() const {
        return std::ranges::any_of(who->view().members, [&](const auto& each) {
            return each.state == node_state::up && each.who.name != self.name;
        });
    }

    void show(clock::time_point now) {
        json all{{"node", self.name},           {"incarnation", self.incarnation},
                 {"address", links->address()}, {"state", to_string(who->state())},
                 {"view", who->view().number},  {"quorum", quorum.load()}};
        const auto status = links->links();
        const auto* keeper = jobs_home(who->view());
        const bool reached =
            keeper != nullptr &&
            (keeper->who == self ? jobs.serves() : std::any_of(status.begin(), status.end(), [&](auto& link) {
                return link.who == keeper->who;
            }));
        all["jobs"] = {{"home", keeper != nullptr ? json(keeper->who.name) : json()},
                       {"served", reached && quorum.load()}};
        if (who->state() == node_state::draining) {
            const auto hand_overs = home.giving();
            all["to_give"] = {{"shards", shards},
                              {"hand_overs", hand_overs},
                              {"jobs", jobs.to_move()},
                              {"done", shards == 0 && hand_overs == 0 && jobs.handed_over()}};
        }
        all["nodes"] = json::array();
        for (const auto& each : who->peers(now)) {
            json node{{"node", each.who.name},
                      {"incarnation", each.who.incarnation},
                      {"state", to_string(each.state)},
                      {"address", each.address},
                      {"heard", each.heard},
                      {"silent_ms", each.silent.count()}};
            for (const auto& link : status)
                if (link.who == each.who)
                    node["link"] = {{"dialed", link.dialed},
                                    {"round_trip_us", link.round_trip.count()},
                                    {"bytes_in", link.bytes_in},
                                    {"bytes_out", link.bytes_out}};
            all["nodes"].push_back(std::move(node));
        }
        all["removed"] = json::array();  // those whose name is not there again
        for (const auto& each : who->removed())
            if (who->view().find(each.name) == nullptr) all["removed"].push_back(each.name);
        auto text = all.dump();
        std::lock_guard lock(mutex);
        shown = std::move(text);
    }
};

cluster_node::cluster_node(const options& settings, yard& home, job_service& jobs, metrics& counts,
                           std::function<void()> cast_out)
    : state_(std::make_unique<state>(settings, home, jobs, counts, std::move(cast_out))) {}

cluster_node::~cluster_node() {
    stop();
    state_->links.reset();  // before what it tells
}

result<void> cluster_node::open() {
    auto& s = *state_;
    s.self.name = node_name(s.settings);
    const auto incarnation = next_incarnation(s.settings.data_dir);
    if (!incarnation) return incarnation.error();
    s.self.incarnation = *incarnation;
    peer_hello hello;
    hello.cluster = s.settings.cluster_name;
    hello.from = s.self;
    hello.address = s.settings.cluster_advertise;
    hello.shards = cluster_shards;
    s.links = std::make_unique<cluster_links>(s.settings, hello, s, s.counts);
    if (const auto error = s.links->open(); !error.empty()) return fail(errc::invalid_option, error);
    s.others = std::make_unique<peers>(
        s.home, s.self, cluster_shards, s.settings.cluster_credit_bytes,
        [&s](const node_id& who, const std::string& why) {
            s.links->post([&s, who, why] { s.links->drop(who, why); });
        },
        &s.jobs);
    return {};
}

void cluster_node::start() {
    auto& s = *state_;
    s.shard = &s.counts.new_shard();
    s.who = std::make_unique<membership>(membership::settings{.self = s.self,
                                                              .address = s.links->address(),
                                                              .heartbeat = s.settings.cluster_heartbeat,
                                                              .timeout = s.settings.cluster_timeout,
                                                              .expected = s.settings.cluster_size,
                                                              .seeds = !s.settings.cluster_join.empty()},
                                         clock::now());
    s.counts.set_gauge(gauge::cluster_nodes_up, [&s] { return static_cast<double>(s.up.load()); });
    s.counts.set_gauge(gauge::cluster_quorum, [&s] { return s.quorum ? 1.0 : 0.0; });
    s.counts.set_gauge(gauge::cluster_size,
                       [size = s.settings.cluster_size] { return static_cast<double>(size); });
    s.show(clock::now());  // from the first moment, also before the links' thread has run
    s.links->start();
    s.runs = true;
}

void cluster_node::wait_for_view() {
    auto& s = *state_;
    std::unique_lock lock(s.mutex);
    s.viewed.wait_for(lock, 2 * s.settings.cluster_timeout, [&] { return s.in_view; });
}

void cluster_node::drain() {
    auto& s = *state_;
    if (!s.who) return;
    s.ending = true;
    s.links->post([&s] {
        s.who->drain(clock::now());
        s.go_on();
    });
}

void cluster_node::drain(std::string node, bool clients, answer done) {
    auto& s = *state_;
    if (!s.runs) return done(not_running());
    s.links->post([&s, node = std::move(node), clients, done = std::move(done)] {
        if (auto why = s.not_me(node)) return done(std::move(why));
        if (!s.others_are_up())
            return done(
                cluster_refusal{409, "alone", "no other node is up to take what " + s.self.name + " owns"});
        s.asked_to_drain = true;
        s.who->drain(clock::now());
        s.go_on();
        s.show(clock::now());
        if (clients) s.home.send_away(s.settings.drain_spread);
        done({});
    });
}

void cluster_node::resume(std::string node, answer done) {
    auto& s = *state_;
    if (!s.runs) return done(not_running());
    s.links->post([&s, node = std::move(node), done = std::move(done)] {
        if (auto why = s.not_me(node)) return done(std::move(why));
        s.asked_to_drain = false;
        s.who->resume(clock::now());
        s.go_on();
        s.show(clock::now());
        done({});
    });
}

void cluster_node::remove(std::string node, bool force, answer done) {
    auto& s = *state_;
    if (!s.runs) return done(not_running());
    s.links->post([&s, node = std::move(node), force, done = std::move(done)] {
        const auto removed = s.who->remove(node, clock::now(), force);
        using removal = membership::removal;
        if (removed == removal::unknown)
            return done(cluster_refusal{404, "unknown_node", "no node " + node + " is listed"});
        if (removed == removal::itself)
            return done(
                cluster_refusal{409, "itself", node + " is the node that was asked; drain and stop it"});
        if (removed == removal::lives)
            return done(cluster_refusal{409, "still_up",
                                        node + " is " +
                                            std::string(to_string(s.who->view().find(node)->state)) +
                                            "; stop it first, or remove it by force (force, --force)"});
        log_info("cluster.removed", {{"node", node}, {"force", force}});
        s.go_on();
        s.show(clock::now());
        done({});
    });
}

void cluster_node::adopt(std::string node, std::string word, told done) {
    auto& s = *state_;
    if (!s.runs) return done(not_running(), {});
    s.jobs.adopt(std::move(node), std::move(word), [done = std::move(done)](result<std::string> got) {
        if (got) return done({}, std::move(*got));
        const auto& why = got.error();
        const auto text = why.detail.empty() ? std::string(why.text()) : why.detail;
        if (why.code == errc::bad_request) return done(cluster_refusal{400, "no_word", text}, {});
        done(cluster_refusal{503, "busy", text}, {});
    });
}

bool cluster_node::draining() const noexcept { return state_->asked_to_drain; }

bool cluster_node::drained() const noexcept {
    return !state_->owns_for_others.load() && !state_->home.giving();
}

void cluster_node::stop() {
    auto& s = *state_;
    if (!s.links || std::exchange(s.stopped, true)) return;
    s.runs = false;
    if (s.who) {
        s.links->post([&s] {
            s.who->leave(clock::now());
            s.go_on();
        });
        s.links->stop();
        s.counts.set_gauge(gauge::cluster_nodes_up, {});
        s.counts.set_gauge(gauge::cluster_quorum, {});
    }
    s.others.reset();  // the links' thread is over, but a request may just be about to post to it
}

std::uint16_t cluster_node::port() const noexcept { return state_->links->port(); }
std::string cluster_node::reload() { return state_->links->reload(); }

std::optional<double> cluster_node::certificate_end() const { return state_->links->certificate_end(); }

std::string cluster_node::status() const {
    std::lock_guard lock(state_->mutex);
    return state_->shown;
}

std::string cluster_node::remarks() const {
    return state_->minority
               ? "no quorum: jobs wait, and what is to be kept for the whole cluster is refused\n"
               : "";
}

}  // namespace madang
