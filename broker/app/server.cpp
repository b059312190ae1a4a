#include "broker/app/server.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <unordered_map>

#include "actors/connection.hpp"
#include "actors/loop.hpp"
#include "actors/yard.hpp"
#include "broker/app/layout.hpp"
#include "broker/auth/jwt.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/log.hpp"
#include "broker/core/net_address.hpp"
#include "broker/net/http_server.hpp"
#include "broker/net/listener.hpp"
#include "broker/net/public_site.hpp"
#include "broker/net/token_login.hpp"
#include "broker/protocol/origin.hpp"
#include "monitoring/metrics.hpp"
#include "plugins/host/plugin_host.hpp"

namespace madang {
namespace {

class slot_permit final : public connection_permit {
  public:
    explicit slot_permit(connection_slot slot) : slot_(std::move(slot)) {}

  private:
    connection_slot slot_;
};

log_level to_log_level(madang_log_level level) {
    switch (level) {
        case MADANG_DEBUG:
            return log_level::debug;
        case MADANG_WARN:
            return log_level::warn;
        case MADANG_ERROR:
            return log_level::error;
        default:
            return log_level::info;
    }
}

// The route's own options over the server's.
consumer_route resolve(const websocket_route& route, const options& settings) {
    const auto& own = route.settings;
    consumer_route result;
    result.consumer = &route.consumer;
    result.plugin = route.owner->id;
    result.name = route.name;
    result.label = route.owner->id + "/" + route.name;
    result.outbox_limits.bytes = own.outbox_bytes != 0 ? own.outbox_bytes : settings.ws_outbox_bytes;
    result.outbox_limits.policy = own.outbox_policy != MADANG_OUTBOX_DEFAULT
                                      ? static_cast<outbox_policy>(own.outbox_policy)
                                      : settings.ws_outbox_policy;
    result.message_bytes = own.max_message_bytes != 0 ? own.max_message_bytes : settings.ws_message_bytes;
    result.messages_per_second = own.messages_per_second == UINT32_MAX ? 0
                                 : own.messages_per_second != 0        ? own.messages_per_second
                                                                       : settings.ws_messages_per_second;
    result.message_burst = own.messages_per_second != 0 ? own.message_burst : settings.ws_message_burst;
    result.handler_budget = own.handler_budget_ms != 0 ? std::chrono::milliseconds{own.handler_budget_ms}
                                                       : settings.handler_budget;
    result.handshake_timeout = settings.ws_handshake_timeout;
    result.ping_interval = settings.ws_ping_interval;
    result.pong_timeout = settings.ws_pong_timeout;
    result.max_groups = settings.max_groups_per_connection;
    result.sync_queue = settings.sync_queue;
    return result;
}

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
    explicit parts(configuration all)
        : plugin_config(std::move(all.plugin_config_json)),
          settings(std::move(all.settings)),
          tokens(settings.jwt_hmac_secret, clock),
          actors(settings, counts),
          limits(settings.max_connections != 0 ? settings.max_connections : connections_by_file_limit(),
                 settings.max_connections_per_address),
          plugins({.layer = actors,
                   .log =
                       [](const plugin& who, madang_log_level level, std::string_view event,
                          std::string_view message) {
                           log(to_log_level(level), event, {{"plugin", who.id}, {"message", message}});
                       },
                   .config_json =
                       [this](std::string_view id) {
                           auto found = plugin_config.find(std::string(id));
                           return found == plugin_config.end() ? std::string("{}") : found->second;
                       },
                   .extension = {}}) {
        for (auto [which, level] :
             {std::pair{counter::log_debug, log_level::debug}, std::pair{counter::log_info, log_level::info},
              std::pair{counter::log_warn, log_level::warn}, std::pair{counter::log_error, log_level::error}})
            counts.set_counter(which, [level = level] { return static_cast<double>(log_lines(level)); });
    }

    result<request_user> authenticate(const http_request& request) {
        auto known = login(request);
        if (!known)  // counted by the site
            log_info("token.refused", {{"reason", known.error().detail}, {"request_id", request.request_id}});
        return known;
    }

    void open(loop& on, upgrade&& ready) {
        connection_request request;
        request.io = std::move(ready.io);
        request.leftover = std::move(ready.leftover);
        request.known = std::move(ready.known);
        request.route = &routes.at(ready.route);
        request.accept_key = std::move(ready.accept_key);
        request.default_subprotocol = std::move(ready.default_subprotocol);
        request.deflate = std::move(ready.deflate);
        request.permit = std::make_unique<slot_permit>(std::move(ready.slot));
        actors.open(on, std::move(request));
    }

    std::map<std::string, std::string> plugin_config;
    const options settings;
    system_clock_source clock;
    metrics counts;
    address_list trusted;
    jwt_verifier tokens;
    std::function<result<request_user>(const http_request&)> login = token_login(tokens);
    yard actors;
    connection_limits limits;
    plugin_host plugins;
    std::unordered_map<const websocket_route*, consumer_route> routes;
    std::optional<static_files> files;
    tls_context tls;
    std::atomic<bool> ready{false};
    std::unique_ptr<public_site> site;
    std::unique_ptr<internal_site> inner_site;
    std::unique_ptr<http_server> front;
    std::unique_ptr<http_server> inner;
    std::uint16_t port = 0;
    std::uint16_t internal_port = 0;
    bool running = false;
};

server::server(configuration settings) : parts_(std::make_unique<parts>(std::move(settings))) {}

server::~server() { stop(std::chrono::hours{1}); }

result<void> server::load() {
    auto& p = *parts_;
    std::vector<std::string> files = p.settings.bundled ? bundled_plugins() : std::vector<std::string>{};
    if (!p.settings.plugin_dir.empty()) {
        std::error_code error;
        std::vector<std::string> found;
        for (const auto& entry : std::filesystem::directory_iterator(p.settings.plugin_dir, error))
            if (entry.path().extension() == ".so") found.push_back(entry.path().string());
        if (error)
            return fail(errc::invalid_option, "--plugin-dir " + p.settings.plugin_dir + ": " +
                                                  error.message() + "; name a folder that can be read");
        std::sort(found.begin(), found.end());
        files.insert(files.end(), found.begin(), found.end());
    }
    files.insert(files.end(), p.settings.plugins.begin(), p.settings.plugins.end());
    for (const auto& file : files) {
        std::string error;
        if (p.plugins.load(file, error) == nullptr) return fail(errc::invalid_option, error);
    }
    for (const auto& [pattern, route] : p.plugins.websocket_routes())
        p.routes.emplace(route.get(), resolve(*route, p.settings));
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

result<void> server::probe() {
    const auto& settings = parts_->settings;
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
    p.site = std::make_unique<public_site>(
        site_services{.settings = p.settings,
                      .websocket_routes = p.plugins.websocket_routes(),
                      .views = p.plugins.http_routes(),
                      .files = std::move(p.files),
                      .authenticate = [&p](const http_request& request) { return p.authenticate(request); },
                      .pool = [&p](std::function<void()> fn) { return p.actors.try_in_pool(std::move(fn)); },
                      .on_upgrade = [&p](loop& on, upgrade&& ready) { p.open(on, std::move(ready)); },
                      .ready = [&p] { return p.ready.load(); },
                      .warn =
                          [](std::string_view event, std::string_view request_id, std::string_view text) {
                              log_warn(event, {{"message", text}, {"request_id", request_id}});
                          }});
    p.inner_site =
        std::make_unique<internal_site>([&p] { return p.counts.expose(); }, [&p] { return p.ready.load(); });

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
                                                               .loops = {loops.front()},
                                                               .settings = p.settings,
                                                               .dispatcher = *p.inner_site,
                                                               .trusted_proxies = {},
                                                               .limits = nullptr,
                                                               .tls = nullptr,
                                                               .counted = false,
                                                               .access_log = {}});
    p.actors.run();
    p.running = true;
    auto internal = p.inner->start();
    if (!internal) return internal.error();
    auto port = p.front->start();
    if (!port) return port.error();
    p.internal_port = *internal;
    p.port = *port;
    p.ready = true;
    return {};
}

std::uint16_t server::port() const noexcept { return parts_->port; }
std::uint16_t server::internal_port() const noexcept { return parts_->internal_port; }

std::string server::reload_certificate() {
    auto& p = *parts_;
    if (p.settings.tls_certificate.empty()) return {};
    return p.tls.load(p.settings.tls_certificate, p.settings.tls_key);
}

void server::begin_drain() {
    auto& p = *parts_;
    p.ready = false;
    p.front->stop_accepting();
    p.actors.drain(p.settings.drain_spread);
    p.front->drain(p.settings.drain_timeout);
}

bool server::drained() const {
    auto& p = *parts_;
    return p.actors.connections() == 0 && p.front->sessions() == 0;
}

bool server::stop(std::chrono::milliseconds deadline) {
    auto& p = *parts_;
    if (!p.running) return true;
    p.ready = false;
    p.front->close_all();
    p.inner->close_all();
    if (!p.actors.stop(deadline)) return false;
    p.running = false;
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
    for (const auto& [pattern, views] : p.plugins.http_routes())
        for (const auto& view : views)
            text += "http " + view->pattern + " -> " + view->owner->id + "/" + view->name + "\n";
    return text;
}

}  // namespace madang
