// A real server in front of a session that is not: listener, client_site, loops and connections as `madang
// serve` has them, and a consumer that knows just enough of the client protocol to be talked to: connect,
// subscribe with recovery, publish, and rpc with the methods "close" (disconnects) and anything else
// (answered).
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <caf/all.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "actors/connection.hpp"
#include "actors/yard.hpp"
#include "broker/core/clock.hpp"
#include "broker/net/client_site.hpp"
#include "broker/net/http_server.hpp"
#include "monitoring/metrics.hpp"
#include "plugins/host/plugin_host.hpp"
#include "storage/store.hpp"

namespace madang::testing {

class serving_node {
  public:
    explicit serving_node(std::uint32_t loops, std::size_t outbox_bytes = 64 << 20,
                          std::chrono::milliseconds poll_timeout = std::chrono::milliseconds{300}) {
        settings.loops = loops;
        settings.listen = "127.0.0.1:0";
        settings.poll_timeout = poll_timeout;
        type.struct_size = sizeof type;
        type.context = this;
        type.create = [](void* context, madang_connection* c) {
            auto& home = *static_cast<serving_node*>(context);
            ++home.consumers;
            return reinterpret_cast<madang_consumer*>(
                new consumer{home, *reinterpret_cast<connection_port*>(c)});
        };
        type.connect = [](madang_consumer* c) { return of(c).port.accept({}, {}); };
        type.receive = [](madang_consumer* c, madang_frame, madang_payload* p) {
            return of(c).receive(payload::share(reinterpret_cast<payload_block*>(p)).bytes());
        };
        type.event = [](madang_consumer* c, madang_str, madang_payload* p) {
            return of(c).port.send(MADANG_TEXT, payload::share(reinterpret_cast<payload_block*>(p)));
        };
        type.timer = [](madang_consumer*, std::uint64_t) { return MADANG_OK; };
        type.disconnect = [](madang_consumer* c, std::uint16_t code) {
            of(c).home.last_code = code;
            return MADANG_OK;
        };
        type.destroy = [](madang_consumer* c) {
            --of(c).home.consumers;
            delete &of(c);
        };
        route.consumer = &type;
        route.plugin = "test";
        route.name = "Session";
        route.label = "test/Session";
        route.outbox_limits = {outbox_bytes, outbox_policy::disconnect};
        route.message_bytes = settings.client_message_bytes;
        route.handler_budget = std::chrono::milliseconds{60'000};
        route.handshake_timeout = std::chrono::milliseconds{60'000};
        route.max_groups = 100;
        route.sync_queue = 64;
        settings.data_dir = "none";
        kept = open_store(settings, time, counts).value();
        all = std::make_unique<yard>(settings, counts, names);
        host = std::make_unique<plugin_host>(
            host_services{.layer = *all, .log = {}, .config_json = {}, .extension = {}});
        clients = std::make_unique<client_site>(client_services{
            settings, "node1", {}, [this](loop& on, client_arrival&& got) { open(on, std::move(got)); }});
        site = std::make_unique<public_site>(site_services{.settings = settings,
                                                           .websocket_routes = host->websocket_routes(),
                                                           .views = host->http_routes(),
                                                           .files = {},
                                                           .authenticate = {},
                                                           .pool = {},
                                                           .on_upgrade = {},
                                                           .not_ready = {},
                                                           .warn = {},
                                                           .clients = clients.get()});
        std::vector<loop*> each;
        for (std::size_t i = 0; i < all->loops(); ++i) each.push_back(&all->loop_at(i));
        server = std::make_unique<http_server>(http_server::parts{.address = settings.listen,
                                                                  .loops = each,
                                                                  .settings = settings,
                                                                  .dispatcher = *site,
                                                                  .trusted_proxies = {},
                                                                  .limits = &limits,
                                                                  .tls = nullptr,
                                                                  .access_log = {}});
        all->run(*kept);
        auto got = server->start();
        EXPECT_TRUE(got) << (got ? "" : got.error().detail);
        port = got ? *got : 0;
    }
    ~serving_node() {
        server->close_all();
        EXPECT_TRUE(all->stop(std::chrono::seconds{30}));
        server.reset();
        EXPECT_EQ(consumers, 0);
        EXPECT_EQ(clients->emulated_sessions(), 0u);
        EXPECT_EQ(counts.total(gauge::outbox_bytes), 0);
        EXPECT_EQ(limits.connections(), 0u);
    }
    // Until it holds, or a time has passed that no test is meant to see.
    template <class Function>
    void until(Function holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) {
                ADD_FAILURE() << "never held; consumers " << consumers;
                return;
            }
            std::this_thread::yield();
        }
    }

    void drain() { all->drain(std::chrono::milliseconds{0}); }

    options settings;
    metrics counts;
    system_clock_source time;
    reloadable<namespace_table> names;
    std::unique_ptr<store> kept;
    connection_limits limits{0, 0};
    std::uint16_t port = 0;
    std::atomic<int> consumers{0};
    std::atomic<int> last_code{0};
    std::atomic<int> subscriptions{0};  // answered
    std::unique_ptr<client_site> clients;

  private:
    class slot_permit final : public connection_permit {
      public:
        explicit slot_permit(connection_slot slot) : slot_(std::move(slot)) {}

      private:
        connection_slot slot_;
    };

    void open(loop& on, client_arrival&& got) {
        {
            std::lock_guard lock(mutex);
            entries[std::string(got.known.get(scope_field::request_id))] = got.entry;
        }
        connection_request request;
        request.io = std::move(got.io);
        request.leftover = std::move(got.leftover);
        request.known = std::move(got.known);
        request.route = &route;
        request.accept_key = std::move(got.accept_key);
        request.default_subprotocol = std::move(got.default_subprotocol);
        request.deflate = std::move(got.deflate);
        request.permit = std::make_unique<slot_permit>(std::move(got.slot));
        all->open(on, std::move(request));
    }

    struct consumer {
        using json = nlohmann::json;
        serving_node& home;
        connection_port& port;

        madang_status receive(std::string_view lines) {
            while (!lines.empty()) {
                const auto end = std::min(lines.find('\n'), lines.size());
                const auto status = command(lines.substr(0, end));
                if (status != MADANG_OK) return status;
                lines.remove_prefix(std::min(lines.size(), end + 1));
            }
            return MADANG_OK;
        }
        madang_status say(const json& line) { return port.send(MADANG_TEXT, payload::copy_of(line.dump())); }
        madang_status command(std::string_view line) {
            const auto entry = [&] {
                std::lock_guard lock(home.mutex);
                return home.entries.at(std::string(port.get_scope().get(scope_field::request_id)));
            }();
            const auto told = json::parse(line, nullptr, false);
            if (!told.is_object()) return port.close(3501, "bad request");
            if (entry.unidirectional)
                return say({{"push", {{"connect", {{"client", entry.client}, {"asked", told}}}}}});
            const auto id = told.value("id", 0);
            if (told.contains("connect"))
                return say(
                    {{"id", id},
                     {"connect", {{"client", entry.client}, {"session", entry.session}, {"node", "node1"}}}});
            if (told.contains("subscribe")) return subscribe(id, told["subscribe"]);
            if (told.contains("publish")) return publish(id, told["publish"]);
            if (told.contains("rpc")) {
                if (told["rpc"].value("method", "") == "close") return port.close(3501, "bad request");
                return say({{"id", id}, {"rpc", {{"data", told["rpc"].value("data", json{})}}}});
            }
            return MADANG_OK;
        }
        madang_status subscribe(int id, const json& what) {
            const auto group = what.value("channel", "");
            if (group == "private")
                return say({{"id", id}, {"error", {{"code", 103}, {"message", "permission denied"}}}});
            json publications = json::array();
            std::size_t top = 0;
            {
                std::lock_guard lock(home.mutex);
                port.group_add(group, MADANG_TO_SOCKET);
                const auto& kept = home.history[group];
                top = kept.size();
                if (what.value("recover", false)) {
                    for (auto i = what.value("offset", std::size_t{0}); i < kept.size(); ++i)
                        publications.push_back({{"data", kept[i]}, {"offset", i + 1}});
                    top = what.value("offset", std::size_t{0});
                }
            }
            const auto status = say({{"id", id},
                                     {"subscribe",
                                      {{"epoch", "E"},
                                       {"offset", top},
                                       {"recovered", what.value("recover", false)},
                                       {"publications", std::move(publications)}}}});
            ++home.subscriptions;
            return status;
        }
        madang_status publish(int id, const json& what) {
            const auto group = what.value("channel", "");
            std::lock_guard lock(home.mutex);
            auto& kept = home.history[group];
            kept.push_back(what.at("data"));
            const json push{
                {"push",
                 {{"channel", group}, {"pub", {{"data", what.at("data")}, {"offset", kept.size()}}}}}};
            const auto status = home.all->group_send(group, "pub", payload::copy_of(push.dump()));
            return status == MADANG_OK ? say({{"id", id}, {"publish", json::object()}}) : status;
        }
    };
    static consumer& of(madang_consumer* c) { return *reinterpret_cast<consumer*>(c); }

    madang_consumer_class type{};
    consumer_route route;
    std::mutex mutex;
    std::map<std::string, session_entry> entries;  // by request id
    std::map<std::string, std::vector<nlohmann::json>> history;
    std::unique_ptr<yard> all;
    std::unique_ptr<plugin_host> host;
    std::unique_ptr<public_site> site;
    std::unique_ptr<http_server> server;
};

}  // namespace madang::testing
