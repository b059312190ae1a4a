#include "broker/app/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <list>
#include <unordered_map>

#include "actors/connection.hpp"
#include "actors/job_service.hpp"
#include "actors/loop.hpp"
#include "actors/session_services.hpp"
#include "actors/yard.hpp"
#include "broker/app/cluster_node.hpp"
#include "broker/app/consumer_routes.hpp"
#include "broker/app/layout.hpp"
#include "broker/app/own_worker.hpp"
#include "broker/app/plugin_log.hpp"
#include "broker/app/plugin_report.hpp"
#include "broker/app/reload_plan.hpp"
#include "broker/auth/check_options.hpp"
#include "broker/auth/django_session.hpp"
#include "broker/auth/doorkeeper.hpp"
#include "broker/auth/jwt.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/log.hpp"
#include "broker/core/log_ring.hpp"
#include "broker/core/net_address.hpp"
#include "broker/core/node_name.hpp"
#include "broker/core/reloadable.hpp"
#include "broker/jobs/schedule.hpp"
#include "broker/net/admin_site.hpp"
#include "broker/net/api_site.hpp"
#include "broker/net/client_site.hpp"
#include "broker/net/http_fetch.hpp"
#include "broker/net/http_server.hpp"
#include "broker/net/jobs_site.hpp"
#include "broker/net/listener.hpp"
#include "broker/net/public_site.hpp"
#include "broker/net/tls_context.hpp"
#include "broker/net/token_login.hpp"
#include "broker/protocol/origin.hpp"
#include "monitoring/metric_history.hpp"
#include "monitoring/metrics.hpp"
#include "monitoring/span_exporter.hpp"
#include "plugins/host/plugin_host.hpp"
#include "storage/store.hpp"

namespace madang {
namespace {

class slot_permit final : public connection_permit {
  public:
    explicit slot_permit(connection_slot slot) : slot_(std::move(slot)) {}

  private:
    connection_slot slot_;
};

result<void> check_origins(const std::vector<std::string>& patterns, const std::string& whose) {
    try {
        origin_policy{patterns};
    } catch (const std::invalid_argument& e) {
        return fail(errc::invalid_option, whose + ": " + e.what());
    }
    return {};
}

}  // namespace

struct server::parts {
    parts(configuration all, inherited_sockets inherited, std::shared_ptr<const log_ring> tail)
        : config(std::move(all)),
          sockets(std::move(inherited)),
          log(std::move(tail)),
          settings(std::move(config.settings)),
          actors(settings, counts, namespaces),
          jobs({.settings = settings,
                .clock = clock,
                .counts = counts,
                .streams = actors,
                .layer = actors,
                .system = actors.system(),
                .node = node_name(settings)}),
          limits(settings.max_connections != 0 ? settings.max_connections : connections_by_file_limit(),
                 settings.max_connections_per_address),
          plugins(
              {.layer = actors,
               .log = log_for_plugin,
               .config_json = [this](std::string_view id) { return config.plugin_config(id); },
               .extension = {},
               .streams = &actors,
               .namespaces = &declared,
               .jobs = &jobs,
               .pool = [this](std::function<void()> fn) { return actors.try_in_pool(std::move(fn)); },
               .failed = [&shard = counts.new_shard()](
                             const plugin& who) { shard.add(labelled_counter::plugin_errors, who.id); }}) {
        for (auto [which, level] :
             {std::pair{counter::log_debug, log_level::debug}, std::pair{counter::log_info, log_level::info},
              std::pair{counter::log_warn, log_level::warn}, std::pair{counter::log_error, log_level::error}})
            counts.set_counter(which, [level = level] { return static_cast<double>(log_lines(level)); });
        counts.set_gauge(gauge::connection_slots, [this] { return static_cast<double>(limits.total()); });
        counts.set_gauge(gauge::connection_slots_used,
                         [this] { return static_cast<double>(limits.connections()); });
        counts.set_counter(counter::reloads, [this] { return static_cast<double>(reloads.load()); });
        counts.set_counter(counter::reloads_failed,
                           [this] { return static_cast<double>(reloads_failed.load()); });
    }

    result<request_user> authenticate(const http_request& request) {
        auto known = login(request);
        if (!known)  // counted by the site
            log_info("token.refused", {{"reason", known.error().detail}, {"request_id", request.request_id}});
        return known;
    }

    // What an upgrade and an arrival have in common.
    template <class Ready>
    connection_request request_of(Ready& ready, const consumer_route& route) {
        connection_request request;
        request.io = std::move(ready.io);
        request.leftover = std::move(ready.leftover);
        request.known = std::move(ready.known);
        request.route = &route;
        request.accept_key = std::move(ready.accept_key);
        request.default_subprotocol = std::move(ready.default_subprotocol);
        request.deflate = std::move(ready.deflate);
        request.permit = std::make_unique<slot_permit>(std::move(ready.slot));
        return request;
    }

    // Of the metrics, every 10 s from now on. The loop's thread.
    void remember(loop& on) {
        hour.sample(unix_ms(), std::chrono::duration_cast<std::chrono::milliseconds>(
                                   loop::clock::now().time_since_epoch())
                                   .count());
        on.schedule(std::chrono::milliseconds{metric_history::interval_ms}, [this, &on] { remember(on); });
    }

    void open(loop& on, upgrade&& ready) { actors.open(on, request_of(ready, routes.at(ready.route))); }

    void open(loop& on, client_arrival&& ready) {
        auto request = request_of(ready, client_sessions);
        request.entry = std::make_shared<const session_entry>(std::move(ready.entry));
        actors.open(on, std::move(request));
    }

    configuration config;  // without its settings
    inherited_sockets sockets;
    std::shared_ptr<const log_ring> log;  // null: none is kept
    const options settings;
    system_clock_source clock;
    metrics counts;
    metric_history hour{counts};
    address_list trusted;
    namespace_table declared;  // by plugins
    reloadable<namespace_table> namespaces;
    std::unique_ptr<curl_fetcher> fetcher;
    std::unique_ptr<jwks_cache> keys;  // null: no jwt-jwks-url
    std::unique_ptr<jwt_verifier> tokens;
    std::unique_ptr<django_sessions> sessions;
    std::function<result<request_user>(const http_request&)> login;
    reloadable<api_key_ring> api_keys;
    std::unique_ptr<store> kept;
    metrics_shard span_fetches;  // not among the figures of proxies
    std::unique_ptr<curl_fetcher> span_fetcher;
    std::unique_ptr<span_exporter> spans;  // null: nothing is traced
    std::list<consumer_route> backgrounds;
    yard actors;
    job_service jobs;
    connection_limits limits;
    plugin_host plugins;
    std::unordered_map<const websocket_route*, consumer_route> routes;
    std::unique_ptr<doorkeeper> gate;
    std::optional<session_services> sharing;  // by client sessions
    madang_consumer_class client_class{};
    consumer_route client_sessions;
    std::vector<standing_schedule> schedules;
    std::optional<static_files> files;
    tls_context tls;
    enum class phase : std::uint8_t { starting, serving, draining };
    std::atomic<phase> at{phase::starting};
    std::atomic<std::size_t> still{0};  // loops that have not turned since they were asked to
    std::atomic<std::uint64_t> reloads{0}, reloads_failed{0};
    std::unique_ptr<jobs_site> jobs_api;
    std::unique_ptr<cluster_site> cluster_api;
    std::unique_ptr<api_site> api;
    std::unique_ptr<admin_site> admin;
    std::unique_ptr<client_site> clients;
    std::unique_ptr<public_site> site;
    std::unique_ptr<internal_site> inner_site;
    std::unique_ptr<http_server> front;
    std::unique_ptr<http_server> inner;
    std::unique_ptr<own_worker> worker;
    std::unique_ptr<cluster_node> cluster;  // null: none
    std::uint16_t port = 0;
    std::uint16_t internal_port = 0;
    bool running = false;
};

server::server(configuration settings, inherited_sockets sockets, std::shared_ptr<const log_ring> log)
    : parts_(std::make_unique<parts>(std::move(settings), std::move(sockets), std::move(log))) {}

server::~server() { stop(std::chrono::hours{1}); }

result<void> server::load() {
    auto& p = *parts_;
    const auto files = plugin_files(p.settings);
    if (!files) return files.error();
    for (const auto& file : *files) {
        std::string error;
        if (p.plugins.load(file, error) == nullptr) return fail(errc::invalid_option, error);
    }
    for (const auto& [id, json] : p.config.plugin_config_json) {
        const auto& all = p.plugins.plugins();
        if (std::none_of(all.begin(), all.end(), [&id = id](const auto& each) { return each->id == id; }))
            log_warn("config.warning", {{"message", "[plugin." + id + "]: there is no such plugin"}});
    }
    auto& counts = p.counts.new_shard();
    // Who brings what runs is in them from the start.
    counts.add(labelled_counter::slow_handlers, "client", 0);
    for (const auto& each : p.plugins.plugins())
        for (const auto which : {labelled_counter::plugin_errors, labelled_counter::slow_handlers})
            counts.add(which, each->id, 0);
    for (const auto& [pattern, route] : p.plugins.websocket_routes())
        p.routes.emplace(route.get(), resolve(*route, p.settings));
    std::map<const plugin*, std::vector<const consumer_route*>> backgrounds;
    for (const auto& route : p.plugins.backgrounds())
        backgrounds[route->owner].push_back(&p.backgrounds.emplace_back(resolve(*route, p.settings)));
    for (auto& [owner, routes] : backgrounds) p.actors.add_plugin(std::move(routes));
    auto namespaces = p.declared;
    if (auto good = p.config.add_namespaces(namespaces); !good) return good;
    p.namespaces.replace(std::move(namespaces));
    if (auto good = load_schedules(); !good) return good;
    if (auto good = load_users(); !good) return good;
    if (auto good = check_origins(p.settings.allowed_origins, "--allowed-origin"); !good) return good;
    for (const auto& [pattern, route] : p.plugins.websocket_routes())
        if (auto good =
                check_origins(route->settings.allowed_origins,
                              "plugin " + route->owner->id + ", allowed origins of " + route->pattern);
            !good)
            return good;
    auto trusted = address_list::parse(p.settings.trusted_proxies);
    if (!trusted) return fail(errc::invalid_option, "--trusted-proxy: " + trusted.error().detail);
    p.trusted = std::move(*trusted);

    if (p.settings.site != "none") {
        const auto folder = p.settings.site.empty() ? bundled_site() : p.settings.site;
        if (!folder.empty()) {
            std::string error;
            p.files = static_files::open(folder, error);
            if (!p.files)
                return fail(errc::invalid_option,
                            "--site " + folder + ": " + error + "; name a folder, or none");
        }
    }
    if (!p.settings.tls_certificate.empty())
        if (const auto error = p.tls.load(p.settings.tls_certificate, p.settings.tls_key); !error.empty())
            return fail(errc::invalid_option, error);
    return {};
}

// The file's are stronger than a plugin's of the same name.
result<void> server::load_schedules() {
    auto& p = *parts_;
    for (const auto& each : p.plugins.schedules())
        p.schedules.push_back({each.name, each.json, "plugin:" + each.owner->id});
    for (const auto& [name, json] : p.config.schedule_json) {
        const auto whose = "[schedule." + name + "]: ";
        const auto made = schedule::parse(name, json);
        if (!made) return fail(errc::invalid_option, whose + made.error().detail);
        enqueue_request asked;
        asked.jobs.push_back(made->signature());
        const auto plan = plan_enqueue(
            asked, unix_ms(),
            {.tasks = p.plugins.tasks(), .routes = {}, .new_id = [] { return "x"; }, .repeated = true});
        if (!plan) return fail(errc::invalid_option, whose + plan.error().detail);
        std::erase_if(p.schedules,
                      [&name = name](const standing_schedule& each) { return each.name == name; });
        p.schedules.push_back({name, json, "config"});
    }
    if (auto routes = parse_job_routes(p.settings.job_routes); !routes) return routes.error();
    return check_worker_queues(p.settings.worker_queues);
}

// Tokens, sessions, the backend, and the sessions of the client protocol that ask them.
result<void> server::load_users() {
    auto& p = *parts_;
    if (auto good = check_auth_options(p.settings, p.namespaces.now()); !good) return good;
    auto& counts = p.counts.new_shard();
    p.fetcher = std::make_unique<curl_fetcher>(
        curl_fetcher_settings{p.settings.proxy_connections, p.settings.proxy_queue}, p.counts.new_shard());
    if (!p.settings.jwt_jwks_url.empty())
        p.keys = std::make_unique<jwks_cache>(p.settings.jwt_jwks_url, read_jwks_limits(p.settings),
                                              *p.fetcher, p.clock, p.counts.new_shard());
    auto tokens = read_jwt_settings(p.settings);
    if (!tokens) return tokens.error();
    p.tokens = std::make_unique<jwt_verifier>(std::move(*tokens), p.clock, p.keys.get());
    p.sessions = std::make_unique<django_sessions>(p.settings, p.clock);
    auto api_keys = api_key_ring::parse(p.settings.api_keys);
    if (!api_keys) return api_keys.error();
    p.api_keys.replace(std::move(*api_keys));
    p.login = token_login(*p.tokens, p.sessions.get(), &counts);
    p.gate = std::make_unique<doorkeeper>(doorkeeper_parts{.settings = p.settings,
                                                           .namespaces = p.namespaces,
                                                           .tokens = *p.tokens,
                                                           .fetcher = *p.fetcher,
                                                           .clock = p.clock,
                                                           .counts = counts,
                                                           .handlers = &p.plugins.rpc()});
    p.sharing.emplace(session_services{.limits = client_limits(p.settings, p.actors.node()),
                                       .gate = *p.gate,
                                       .streams = p.actors,
                                       .on_message = [&p](const known_client& who, std::string_view data) {
                                           p.plugins.rpc().message(who, data);
                                       }});
    p.client_class = client_consumer_class(*p.sharing);
    p.client_sessions = client_route(p.client_class, p.settings);
    return {};
}

// What a start would find: a folder that can be used, and nobody else's.
result<void> server::probe_store() {
    auto& p = *parts_;
    const std::filesystem::path folder = p.settings.data_dir;
    if (std::filesystem::exists(folder) || folder == "none") {
        auto opened = open_store(p.settings, p.clock, p.counts);
        if (!opened) return opened.error();
        return {};
    }
    // It is made and removed again: what permissions say is not all (root has them in /proc too).
    const auto whole = std::filesystem::absolute(folder).lexically_normal();
    auto outermost = whole;
    while (!std::filesystem::exists(outermost.parent_path())) outermost = outermost.parent_path();
    std::error_code why, ignored;
    std::filesystem::create_directories(whole, why);
    for (auto each = whole;; each = each.parent_path()) {
        std::filesystem::remove(each, ignored);
        if (each == outermost) break;
    }
    if (why)
        return fail(errc::invalid_option, "--data-dir " + folder.string() + ": it cannot be made in " +
                                              outermost.parent_path().string() + ": " + why.message() +
                                              "; name another folder, or none");
    return {};
}

result<void> server::probe() {
    const auto& settings = parts_->settings;
    if (auto good = probe_store(); !good) return good;
    for (const auto& [address, option] :
         {std::pair{settings.listen, "--listen"}, std::pair{settings.internal_listen, "--internal-listen"}}) {
        std::uint16_t port = 0;
        std::string error;
        if (open_listeners(address, option, 1, port, error).empty()) return fail(errc::invalid_option, error);
    }
    return {};
}

result<void> server::start() {
    auto& p = *parts_;
    auto opened = open_store(p.settings, p.clock, p.counts);
    if (!opened) return opened.error();
    p.kept = std::move(*opened);
    if (p.keys) p.keys->prefetch();
    const auto not_ready = [&p] {
        std::string why;
        if (p.at == parts::phase::starting) why += "starting\n";
        if (p.at == parts::phase::draining) why += "draining: the server stops\n";
        if (p.cluster && p.cluster->draining()) why += "draining: asked to (madang cluster drain)\n";
        if (const auto healthy = p.kept->health(); !healthy)
            why += healthy.error().code == errc::storage_full
                       ? "store: the disk is full\n"
                       : "store: it refuses changes; the log says why\n";
        return why;
    };
    p.counts.set_gauge(gauge::ready, [not_ready] { return not_ready().empty() ? 1.0 : 0.0; });
    p.counts.set_gauge(labelled_gauge::certificate_end, [&p] {
        std::vector<metrics::labelled_value> ends;
        if (const auto settings = p.tls.current()) ends.push_back({"public", "", certificate_end(*settings)});
        if (const auto end = p.cluster ? p.cluster->certificate_end() : std::nullopt)
            ends.push_back({"cluster", "", *end});
        return ends;
    });
    if (p.settings.data_dir != "none")
        p.counts.set_gauge(gauge::store_free_limit,
                           [limit = p.settings.store_free_bytes] { return static_cast<double>(limit); });
    p.clients = std::make_unique<client_site>(
        client_services{.settings = p.settings,
                        .node = p.actors.node(),
                        .authenticate = [&p](const http_request& request) { return p.authenticate(request); },
                        .on_arrival = [&p](loop& on, client_arrival&& one) { p.open(on, std::move(one)); },
                        .elsewhere =
                            [&p](std::string_view node, session_mail what,
                                 std::function<void(result<session_mail_outcome>)> done) {
                                p.actors.send_to_session(node, std::move(what), std::move(done));
                            }});
    p.actors.on_session_mail(
        [&p](std::string_view session, std::string_view text) { return p.clients->deliver(session, text); });
    p.site = std::make_unique<public_site>(
        site_services{.settings = p.settings,
                      .websocket_routes = p.plugins.websocket_routes(),
                      .views = p.plugins.http_routes(),
                      .files = std::move(p.files),
                      .authenticate = [&p](const http_request& request) { return p.authenticate(request); },
                      .pool = [&p](std::function<void()> fn) { return p.actors.try_in_pool(std::move(fn)); },
                      .on_upgrade = [&p](loop& on, upgrade&& ready) { p.open(on, std::move(ready)); },
                      .not_ready = not_ready,
                      .warn =
                          [](std::string_view event, std::string_view request_id, std::string_view text) {
                              log_warn(event, {{"message", text}, {"request_id", request_id}});
                          },
                      .clients = p.clients.get()});
    p.jobs_api = std::make_unique<jobs_site>(jobs_site::parts{.jobs = p.jobs,
                                                              .page = p.settings.api_answer_limit,
                                                              .wait = p.settings.job_wait_timeout,
                                                              .timeout = p.settings.view_timeout});
    decltype(api_request::back_up) back_up;
    if (!p.settings.backup_dir.empty())
        back_up = [&p](const std::string& name, std::function<void(result<std::string>)> done) {
            const auto folder = std::filesystem::absolute(p.settings.backup_dir) / name;
            p.actors.back_up(folder, [folder, done = std::move(done)](result<void> made) {
                if (made) return done(folder.string());
                const auto& why = made.error();  // a folder that cannot be made is the caller's to mend
                done(why.code == errc::invalid_option ? fail(errc::bad_request, why.detail) : why);
            });
        };
    if (!p.settings.cluster_listen.empty()) {
        p.cluster = std::make_unique<cluster_node>(p.settings, p.actors, p.jobs, p.counts,
                                                   [] { ::kill(::getpid(), SIGTERM); });
        if (auto good = p.cluster->open(); !good) return good;
    }
    p.cluster_api = std::make_unique<cluster_site>(p.cluster.get(), p.settings.view_timeout);
    p.api = std::make_unique<api_site>(api_site::parts{
        .streams = p.actors,
        .keys = p.api_keys,
        .limits = {p.settings.api_batch_limit, p.settings.api_answer_limit, p.settings.api_answer_bytes},
        .timeout = p.settings.view_timeout,
        .version = MADANG_VERSION,
        .jobs = p.jobs_api.get(),
        .back_up = std::move(back_up),
        .cluster = p.cluster_api.get()});
    const auto cluster_status =
        p.cluster ? [&p] { return p.cluster->status(); } : std::function<std::string()>{};
    std::optional<static_files> admin_page;
    if (const auto folder = bundled_admin(); !folder.empty()) {
        std::string error;
        admin_page = static_files::open(folder, error);
        if (!admin_page) log_warn("admin.no_page", {{"message", error}});
    }
    p.admin = std::make_unique<admin_site>(
        admin_site::parts{.keys = p.api_keys,
                          .api = *p.api,
                          .files = std::move(admin_page),
                          .cluster = cluster_status,
                          .plugins = [&p] { return plugin_report(p.plugins, p.counts); },
                          .charts = [&p] { return p.hour.json(); },
                          .log = p.log.get()});
    p.inner_site = std::make_unique<internal_site>(
        [&p] { return p.counts.expose(); }, not_ready, p.api.get(), cluster_status,
        p.cluster ? [&p] { return p.cluster->remarks(); } : std::function<std::string()>{}, p.admin.get());

    std::vector<loop*> loops;
    for (std::size_t i = 0; i < p.actors.loops(); ++i) loops.push_back(&p.actors.loop_at(i));
    const auto log_access = [](const access_entry& entry) {
        log_info("http.request", {{"request_id", entry.request_id},
                                  {"method", entry.method},
                                  {"path", entry.path},
                                  {"client", entry.client},
                                  {"status", entry.status},
                                  {"bytes", entry.bytes},
                                  {"us", static_cast<std::int64_t>(entry.took.count())}});
    };
    p.front = std::make_unique<http_server>(
        http_server::parts{.address = p.settings.listen,
                           .option = "--listen",
                           .sockets = std::move(p.sockets.listen),
                           .loops = loops,
                           .settings = p.settings,
                           .dispatcher = *p.site,
                           .trusted_proxies = p.trusted,
                           .limits = &p.limits,
                           .tls = p.settings.tls_certificate.empty() ? nullptr : &p.tls,
                           .counted = true,
                           .access_log = log_access});
    p.inner = std::make_unique<http_server>(http_server::parts{.address = p.settings.internal_listen,
                                                               .option = "--internal-listen",
                                                               .sockets = std::move(p.sockets.internal),
                                                               .loops = {loops.front()},
                                                               .settings = p.settings,
                                                               .dispatcher = *p.inner_site,
                                                               .trusted_proxies = {},
                                                               .limits = nullptr,
                                                               .tls = nullptr,
                                                               .counted = false,
                                                               .access_log = {}});
    start_tracing();
    p.actors.run(*p.kept);
    p.running = true;
    loops.front()->post([&p, on = loops.front()] { p.remember(*on); });
    if (auto good = p.jobs.start(*p.kept, p.plugins.tasks(), std::move(p.schedules)); !good) return good;
    auto internal = p.inner->start();
    if (!internal) return internal.error();
    if (p.cluster) {
        p.cluster->start();
        p.cluster->wait_for_view();  // who came before would be told of streams that are others'
    }
    auto port = p.front->start();
    if (!port) return port.error();
    p.internal_port = *internal;
    p.port = *port;
    if (p.settings.worker_process && !p.plugins.tasks().all().empty()) {
        p.worker = std::make_unique<own_worker>(own_worker_settings{
            .settings = p.settings, .config = p.config.file, .socket = p.jobs.worker_socket()});
        p.worker->start();
    }
    p.at = parts::phase::serving;
    return {};
}

// Before anything runs that may be traced.
void server::start_tracing() {
    auto& p = *parts_;
    const auto& settings = p.settings;
    if (settings.trace_endpoint.empty()) return;
    p.span_fetcher = std::make_unique<curl_fetcher>(curl_fetcher_settings{1, 1}, p.span_fetches);
    p.spans =
        std::make_unique<span_exporter>(span_exporter_settings{.url = settings.trace_endpoint,
                                                               .one_in = settings.trace_one_in,
                                                               .timeout = settings.trace_timeout,
                                                               .queue = {.spans = settings.trace_queue,
                                                                         .batch = settings.trace_batch,
                                                                         .interval = settings.trace_interval},
                                                               .from = {node_name(settings), MADANG_VERSION}},
                                        *p.span_fetcher, p.counts);
    for (std::size_t i = 0; i < p.actors.loops(); ++i) p.actors.loop_at(i).trace_by(p.spans.get());
    p.jobs.trace_by(p.spans.get());
}

std::uint16_t server::cluster_port() const noexcept { return parts_->cluster ? parts_->cluster->port() : 0; }
std::uint16_t server::port() const noexcept { return parts_->port; }
std::uint16_t server::internal_port() const noexcept { return parts_->internal_port; }

bool server::turned() {
    auto& p = *parts_;
    if (p.still.load() != 0) return false;
    p.still = p.actors.loops();
    for (std::size_t i = 0; i < p.actors.loops(); ++i) p.actors.loop_at(i).post([&p] { --p.still; });
    return true;
}

std::string server::reload(configuration& running, const result<configuration>& asked) {
    auto error = asked ? take_up(running, *asked) : asked.error().detail;
    auto& p = *parts_;
    if (error.empty() && p.cluster && !p.settings.cluster_certificate.empty()) error = p.cluster->reload();
    if (error.empty() && !p.settings.tls_certificate.empty())
        error = p.tls.load(p.settings.tls_certificate, p.settings.tls_key);
    ++(error.empty() ? p.reloads : p.reloads_failed);
    return error;
}

result<reload_plan> server::compare(const configuration& running, const configuration& asked) const {
    auto before = parts_->declared;
    if (auto good = running.add_namespaces(before); !good) return good.error();
    return plan_reload(running, asked, parts_->declared, before);
}

// All of it or nothing; "" or why nothing.
std::string server::take_up(configuration& running, const configuration& asked) {
    auto& p = *parts_;
    auto plan = plan_reload(running, asked, p.declared, p.namespaces.now());
    if (!plan) return plan.error().detail;
    set_log_level(parse_log_level(asked.settings.log_level));
    if (plan->keys) p.api_keys.replace(std::move(*plan->keys));
    if (plan->namespaces) p.namespaces.replace(std::move(*plan->namespaces));
    madang::take_up(running, asked);
    if (!plan->taken_up.empty()) log_info("config.taken_up", {{"changed", listed(plan->taken_up)}});
    if (!plan->restart.empty()) log_warn("config.restart_needed", {{"changed", listed(plan->restart)}});
    return "";
}

void server::begin_drain() {
    auto& p = *parts_;
    p.at = parts::phase::draining;
    p.front->stop_accepting();
    if (p.cluster) p.cluster->drain();
    p.jobs.begin_drain();
    if (p.worker) p.worker->begin_stop();
    p.actors.drain(p.settings.drain_spread);
    p.front->drain(p.settings.drain_timeout);
}

bool server::drained() const {
    auto& p = *parts_;
    return p.actors.connections() == 0 && p.front->sessions() == 0 && p.jobs.drained() &&
           p.actors.backgrounds() == 0 && (!p.cluster || p.cluster->drained()) &&
           (!p.worker || p.worker->ended());
}

bool server::stop(std::chrono::milliseconds deadline) {
    auto& p = *parts_;
    if (!p.running) {
        p.cluster.reset();
        if (p.fetcher) p.fetcher->stop();
        return true;
    }
    p.at = parts::phase::draining;
    p.front->close_all();
    p.inner->close_all();
    p.worker.reset();
    if (p.cluster) p.cluster->stop();
    if (!p.jobs.stop(deadline)) return false;
    if (!p.actors.stop(deadline)) return false;
    p.fetcher->stop();  // nobody is answered any more
    p.running = false;
    if (p.spans) p.spans->stop();
    p.front.reset();
    p.inner.reset();
    p.plugins.shut_down();
    return true;
}

std::string server::describe() const {
    auto& p = *parts_;
    std::string text;
    for (const auto& each : p.plugins.plugins())
        text += "plugin " + each->id + " " + each->version + " (" + each->path + ")\n";
    for (const auto& [pattern, route] : p.plugins.websocket_routes())
        text += "websocket " + route->pattern + " -> " + route->owner->id + "/" + route->name + "\n";
    for (const auto& route : p.plugins.backgrounds())
        text += "background " + route->channel + " -> " + route->owner->id + "/" + route->name + "\n";
    for (const auto& each : p.plugins.tasks().all())
        text += "task " + each.name + " -> " + each.plugin + ", queue " + each.queue + "\n";
    for (const auto& each : p.schedules) text += "schedule " + each.name + " (" + each.source + ")\n";
    for (const auto& [pattern, views] : p.plugins.http_routes())
        for (const auto& view : views)
            text += "http " + view->pattern + " -> " + view->owner->id + "/" + view->name + "\n";
    return text;
}

}  // namespace madang
