#include <boost/asio/post.hpp>
#include <charconv>
#include <optional>
#include <thread>

#include "actors/yard_impl.hpp"
#include "broker/core/names.hpp"
#include "broker/core/node_name.hpp"
#include "broker/core/request_id.hpp"
#include "broker/core/working_for.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

struct channel_address {
    std::string_view node;
    std::size_t loop;
    std::uint64_t id;
};

// "specific.<node>.<loop>!<connection>"
std::optional<channel_address> parse_channel(std::string_view channel) {
    constexpr std::string_view prefix = "specific.";
    if (!channel.starts_with(prefix)) return std::nullopt;
    channel.remove_prefix(prefix.size());
    const auto dot = channel.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    channel_address made{channel.substr(0, dot), 0, 0};
    const char* end = channel.data() + channel.size();
    auto [bang, error] = std::from_chars(channel.data() + dot + 1, end, made.loop);
    if (error != std::errc{} || bang == end || *bang != '!') return std::nullopt;
    auto [rest, bad] = std::from_chars(bang + 1, end, made.id);
    if (bad != std::errc{} || rest != end) return std::nullopt;
    return made;
}

}  // namespace

yard::yard(const options& settings, metrics& counts, const reloadable<namespace_table>& namespaces)
    : state_(std::make_unique<state>(settings, counts)) {
    auto& s = *state_;
    s.directory.namespaces = &namespaces;
    s.directory.clustered = !settings.cluster_listen.empty();
    const std::size_t count =
        settings.loops != 0 ? settings.loops : std::max(1u, std::thread::hardware_concurrency());
    s.directory.node = make_request_id().substr(0, 16);
    s.directory.node_name = node_name(settings);
    s.directory.presence_retry = settings.presence_retry;
    s.directory.hand_over = {settings.cluster_hand_over_timeout.count(), settings.cluster_hand_over_waiting,
                             settings.cluster_hand_over_bytes};
    s.directory.pool = [this](std::function<void()> fn) { run_in_pool(std::move(fn)); };
    s.directory.answer_for_node = [&s](const peer_parcels::call& what, stream_calls::answer done) {
        s.answer_for_node(what, std::move(done));
    };
    s.directory.draining = &s.draining;
    s.directory.quiet = [this] { return connections() == 0; };
    for (std::size_t i = 0; i < count; ++i)
        s.directory.credits.push_back(std::make_unique<credit>(settings.publish_credit_bytes));
    for (std::size_t i = 0; i < count; ++i) {
        s.loops.push_back(std::make_unique<asio_loop>(s.system, i, counts.new_shard(), settings));
        s.hubs.push_back(std::make_unique<hub>(*s.loops.back(), s.directory));
    }
    for (auto& each : s.hubs) s.directory.hubs.push_back(spawn_hub_actor(*each));
    counts.set_gauge(gauge::loops, [count] { return static_cast<double>(count); });
    counts.set_gauge(gauge::sync_queue, [&s] { return static_cast<double>(s.pool_waiting.load()); });
    counts.set_gauge(gauge::draining, [&s] { return s.draining.load() ? 1.0 : 0.0; });
    counts.set_counter(counter::publications_refused, [&s] { return static_cast<double>(s.refused.load()); });
    counts.set_gauge(gauge::publish_credit_used, [&s] {
        double used = 0;
        for (const auto& each : s.directory.credits) used += static_cast<double>(each->used());
        return used;
    });
}

yard::~yard() {
    stop(std::chrono::hours{1});
    auto& s = *state_;
    for (auto which : {gauge::loops, gauge::sync_queue, gauge::draining, gauge::publish_credit_used})
        s.counts.set_gauge(which, {});
    s.counts.set_counter(counter::publications_refused, {});
    const auto release = [&s] {
        for (bool any = true; any;) {
            any = false;
            for (auto& each : s.loops) any = each->release_ready() || any;
        }
    };
    for (auto owed = s.directory.asked.load(); owed != 0; owed = s.directory.asked.load())
        s.directory.asked.wait(owed);
    release();  // what reached a loop after its end, e.g. the death of a member elsewhere, needs the hubs
    s.directory.plugins.clear();
    // What another node was told of stays in the registry until it is taken out.
    for (const auto& each : s.directory.hubs) s.system.registry().erase(each.id());
    s.directory.hubs.clear();
    s.hubs.clear();
    // Who ends on CAF's threads tells who is on a loop, which has to run for its own end; CAF waits for all.
    // (Whom a loop's timer holds ends with the loop.)
    release();
    for (int i = 0; i < 500 && s.system.registry().running() != 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
        release();
    }
}

std::size_t yard::loops() const noexcept { return state_->loops.size(); }
loop& yard::loop_at(std::size_t index) noexcept { return *state_->loops[index]; }
hub& yard::hub_at(std::size_t index) noexcept { return *state_->hubs[index]; }
caf::actor_system& yard::system() noexcept { return state_->system; }

void yard::add_plugin(std::vector<const consumer_route*> backgrounds) {
    auto& s = *state_;
    const auto plugin = s.directory.plugins.size();
    const auto loop = plugin % s.loops.size();
    for (std::size_t i = 0; i < backgrounds.size(); ++i)
        s.directory.backgrounds[backgrounds[i]->channel] = {loop, plugin, i};
    s.directory.plugins.push_back(spawn_plugin_actor(*s.hubs[loop], std::move(backgrounds)));
}

const std::vector<caf::actor>& yard::hub_actors() const noexcept { return state_->directory.hubs; }

void yard::routes_changed(std::shared_ptr<const cluster_routes> now) {
    auto& s = *state_;
    std::lock_guard lock(s.routes_mutex);
    s.routes = now;
    s.directory.calls.links_changed(
        [&](std::size_t peer, std::uint64_t link) { return now->stands(peer, link); });
    for (const auto& each : now->moves)
        if (each.how == shard_move::direction::lost) s.directory.giving += s.loops.size();
    for (std::size_t i = 0; i < s.loops.size(); ++i)
        s.loops[i]->post([hub = s.hubs[i].get(), now] { hub->routes_changed(now); });
}

std::size_t yard::giving() const noexcept { return state_->directory.giving; }

// What is sent by a loop goes over that loop's hub, in the order in which it is sent.
madang_status yard::state::send_to_node(std::string_view node, std::size_t loop, std::uint64_t id, event what,
                                        std::size_t bytes) {
    const auto all = present_routes();
    if (!all) return MADANG_NOT_FOUND;
    for (std::size_t peer = 0; peer < all->peers.size(); ++peer) {
        if (all->peers[peer].yard != node) continue;
        parcels::to_peer parcel{peer, peer_parcels::send_event{loop, id, std::move(what)}};
        if (this_hub == nullptr) return send_from_outside(0, std::move(parcel), bytes);
        this_hub->on().metrics().add(counter::channel_sends);
        this_hub->tell(this_hub->on().index(), std::move(parcel));
        return MADANG_OK;
    }
    return MADANG_NOT_FOUND;
}

void yard::run(store& kept) {
    auto& s = *state_;
    s.directory.kept = &kept;
    s.running = s.loops.size();
    for (std::size_t i = 0; i < s.loops.size(); ++i)
        s.threads.emplace_back([&s, i] {
            this_hub = s.hubs[i].get();
            s.loops[i]->run();
            this_hub = nullptr;
            std::lock_guard lock(s.mutex);
            --s.running;
            s.stopped.notify_all();
        });
    for (const auto& each : s.directory.plugins) caf::anon_send(each, start_atom::value);
    std::vector<const asio_loop*> watched;
    for (const auto& each : s.loops) watched.push_back(each.get());
    s.watch = std::make_unique<watchdog>(std::move(watched));
    // Members of a process that crashed get some time to come back before they are said to have left.
    s.loops.front()->post(
        [this, &s] { s.loops.front()->schedule(s.settings.presence_grace, [this] { leave_stale(); }); });
}

void yard::open(loop& on, connection_request&& request) {
    auto& at = *state_->hubs[on.index()];
    const auto id = open_connection(at, std::move(request));
    if (!state_->draining) return;
    if (auto* who = at.find(id)) who->go_away();
}

madang_status yard::group_send(std::string_view group, std::string_view type, const payload& body) {
    if (!valid_group_name(group) || !valid_event_type(type)) return MADANG_INVALID;
    event what{std::string(type), body};
    what.origin = origin_of_sending("send", group);
    if (this_hub != nullptr) return this_hub->group_send(group, std::move(what));
    const auto bytes = type.size() + body.bytes().size() + sizeof(event);
    return state_->send_from_outside(state_->hubs.front()->home_of(group),
                                     parcels::publish{std::string(group), std::move(what), nullptr}, bytes);
}

// A connection's, of this node or another, or a background consumer's
madang_status yard::channel_send(std::string_view channel, std::string_view type, const payload& body) {
    if (!valid_channel_name(channel) || !valid_event_type(type)) return MADANG_INVALID;
    auto& s = *state_;
    const auto event_of = [&] {
        event what{std::string(type), body};
        what.origin = origin_of_sending("send", channel);
        return what;
    };
    const auto bytes = type.size() + body.bytes().size() + sizeof(event);
    if (const auto found = s.directory.backgrounds.find(channel); found != s.directory.backgrounds.end()) {
        const auto& to = found->second;
        if (this_hub != nullptr) return this_hub->background_send(to, event_of());
        return s.send_from_outside(to.loop, parcels::background_event{to.plugin, to.which, event_of()},
                                   bytes);
    }
    const auto to = parse_channel(channel);
    if (!to) return MADANG_NOT_FOUND;
    const auto [node, loop, id] = *to;
    if (node != s.directory.node) return s.send_to_node(node, loop, id, event_of(), bytes);
    if (loop >= s.loops.size()) return MADANG_NOT_FOUND;
    if (this_hub != nullptr) return this_hub->channel_send(loop, id, event_of());
    return s.send_from_outside(loop, parcels::send_event{id, event_of()}, bytes);
}

std::uint64_t yard::now_ms() const noexcept {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::steady_clock::now().time_since_epoch())
                                          .count());
}

void yard::run_in_pool(std::function<void()> fn) {
    auto& s = *state_;
    s.pool_waiting.fetch_add(1, std::memory_order_relaxed);
    {
        std::lock_guard lock(s.mutex);
        ++s.pool_calls;
    }
    boost::asio::post(s.pool, [&s, fn = std::move(fn), asked = std::chrono::steady_clock::now()] {
        thread_local std::pair<metrics*, metrics_shard*> shard{};
        if (shard.first != &s.counts) shard = {&s.counts, &s.counts.new_shard()};
        s.pool_waiting.fetch_sub(1, std::memory_order_relaxed);
        shard.second->observe(
            histogram::sync_wait_seconds,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - asked).count());
        fn();
        std::lock_guard lock(s.mutex);
        if (--s.pool_calls == 0) s.stopped.notify_all();
    });
}

bool yard::try_in_pool(std::function<void()> fn) {
    if (state_->pool_waiting.load(std::memory_order_relaxed) >= state_->settings.sync_queue) return false;
    run_in_pool(std::move(fn));
    return true;
}

// ------------------------------------------------------------------------------------------- the end

void yard::drain(std::chrono::milliseconds spread) {
    auto& s = *state_;
    if (s.draining.exchange(true)) return;
    for (const auto& each : s.directory.plugins) caf::anon_send(each, drain_atom::value);
    send_away(spread);
}

void yard::send_away(std::chrono::milliseconds spread) {
    auto& s = *state_;
    for (std::size_t i = 0; i < s.loops.size(); ++i)
        s.loops[i]->post([&s, i, spread] {
            const auto ids = s.hubs[i]->connection_ids();
            for (std::size_t n = 0; n < ids.size(); ++n) {
                const auto when =
                    spread * static_cast<std::int64_t>(n) / static_cast<std::int64_t>(ids.size());
                auto go = [hub = s.hubs[i].get(), id = ids[n]] {
                    if (auto* who = hub->find(id); who != nullptr && !who->background()) who->go_away();
                };
                if (n == 0)
                    go();
                else
                    s.loops[i]->schedule(when, std::move(go));
            }
        });
}

std::size_t yard::connections() const noexcept {
    const auto open = state_->counts.total(gauge::connections_open);
    return open > 0 ? static_cast<std::size_t>(open) : 0;
}

std::size_t yard::backgrounds() const noexcept {
    const auto running = state_->counts.total(gauge::background_consumers);
    return running > 0 ? static_cast<std::size_t>(running) : 0;
}

bool yard::stop(std::chrono::milliseconds deadline) {
    auto& s = *state_;
    if (s.threads.empty()) return true;
    s.draining = true;
    s.watch.reset();
    for (std::size_t i = 0; i < s.loops.size(); ++i) {
        s.loops[i]->post([hub = s.hubs[i].get()] {
            for (auto id : hub->connection_ids())
                if (auto* who = hub->find(id)) who->abandon();
        });
        s.loops[i]->stop();
    }
    std::unique_lock lock(s.mutex);
    if (!s.stopped.wait_for(lock, deadline, [&] { return s.running == 0 && s.pool_calls == 0; }))
        return false;
    lock.unlock();
    for (auto& each : s.threads) each.join();
    s.threads.clear();
    s.pool.join();
    return true;
}

}  // namespace madang
