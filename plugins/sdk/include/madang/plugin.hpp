// A plugin: what it registers when it is loaded, and the macro that makes a shared library one.
//
//     MADANG_PLUGIN(.id = "hello", .version = "1.0.0") {
//         plugin.websocket<ChatConsumer>("/ws/chat/<str:room>/");
//         plugin.get("/hello/<str:name>", hello);
//     }
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "madang/background.hpp"
#include "madang/consumer_class.hpp"
#include "madang/http.hpp"
#include "madang/rpc.hpp"

namespace madang {

// What is done with a client that reads too slowly: when more than outbox_bytes wait for it.
enum class OutboxPolicy : std::uint8_t {
    server_default = MADANG_OUTBOX_DEFAULT,   // the server's option
    disconnect = MADANG_OUTBOX_DISCONNECT,    // close 3008
    drop_oldest = MADANG_OUTBOX_DROP_OLDEST,  // unsent publications make room, oldest first; counted
    latest_only = MADANG_OUTBOX_LATEST_ONLY   // of the unsent publications only the newest stays; counted
};

// permessage-deflate, RFC 7692: spares the network, costs CPU and memory.
enum class Deflate : std::int8_t { off = -1, server_default = 0, when_offered = 1 };

inline constexpr std::uint32_t unlimited = UINT32_MAX;  // of RouteOptions::messages_per_second

// What one route has otherwise than the server; 0 or empty: the server's option of the same name.
struct RouteOptions {
    std::chrono::milliseconds handler_budget{0};  // a handler that takes longer is logged and counted
    std::uint64_t max_message_bytes = 0;          // larger messages: close 1009
    std::uint64_t outbox_bytes = 0;               // unsent bytes kept for a slow client, then outbox_policy
    OutboxPolicy outbox_policy = OutboxPolicy::server_default;  // for a client that reads too slowly
    std::uint32_t messages_per_second = 0;      // per connection; more: close 3013; madang::unlimited
    std::uint32_t message_burst = 0;            // so many at once are no breach of messages_per_second
    Deflate deflate = Deflate::server_default;  // compression, where the client offers it
    std::string_view subprotocols = {};         // comma-separated, preferred first
    std::string_view allowed_origins = {};      // comma-separated patterns; other pages' handshakes: 403
};

// Where a view, an rpc or a message handler runs.
enum class ViewKind : std::uint8_t {
    async = MADANG_ASYNC,  // on the connection's loop: must not block
    sync = MADANG_SYNC     // on a thread of the pool: may block
};

namespace detail {

inline madang_route_options to_abi(const RouteOptions& options) noexcept {
    madang_route_options result{};
    result.struct_size = sizeof result;
    result.handler_budget_ms = static_cast<std::uint32_t>(options.handler_budget.count());
    result.max_message_bytes = options.max_message_bytes;
    result.outbox_bytes = options.outbox_bytes;
    result.outbox_policy = static_cast<std::uint32_t>(options.outbox_policy);
    result.messages_per_second = options.messages_per_second;
    result.message_burst = options.message_burst;
    result.deflate = static_cast<std::int32_t>(options.deflate);
    result.subprotocols = to_abi(options.subprotocols);
    result.allowed_origins = to_abi(options.allowed_origins);
    return result;
}

struct ViewEntry {
    const Host* host;
    std::string name;
    AsyncView view;

    static madang_status handle(void* context, madang_request* handle) {
        const auto& self = *static_cast<const ViewEntry*>(context);
        const bool done =
            contained([&] { self.view(Request(*self.host, handle), Reply(Request(*self.host, handle))); },
                      [&](std::string_view what) { self.failed(what); });
        return done ? MADANG_OK : MADANG_FAILED;
    }
    void failed(std::string_view what) const noexcept {
        contained([&] { host->log(Level::error, "view_failed", name + ": " + std::string(what)); },
                  [](auto) {});
    }
    // A view that returns its response, with exceptions turned into answers.
    void answer(const View& direct, const Request& request, Reply reply) const {
        Response response;
        try {
            response = direct(request);
        } catch (const HttpError& error) {
            response = Response::text(error.what(), error.status());
        }
        reply(response);
    }
};

}  // namespace detail

struct TaskOptions;
namespace detail {
template <class Callable>  // in <madang/jobs.hpp>
std::shared_ptr<void> register_task(const Host& host, std::string_view name, Callable callable,
                                    const TaskOptions& options);
}  // namespace detail

// What MADANG_PLUGIN's block registers with, on the thread that loads plugins, before the server listens. It
// stays until the server has drained; layer(), jobs(), log() and host() then are for any thread. Every
// function that registers throws Error when the server refuses: a malformed pattern or name, one that is
// taken, or too late.
class Plugin {
  public:
    // @cond By MADANG_PLUGIN, and the test kit.
    Plugin(madang_host* handle, const madang_host_api& api) : host_(handle, api) {}
    // @endcond
    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;

    // Routes go by Django's converters (<str:x> <int:x> <slug:x> <uuid:x> <path:x>); the first match wins, in
    // the order of registration. Every instance is made as Type(arguments...): these are kept here, and
    // shared by all of them.
    template <class Type, class... Arguments>
    Plugin& websocket(std::string_view pattern, const RouteOptions& options = {}, Arguments&&... arguments) {
        static_assert(std::is_base_of_v<Consumer, Type>, "a consumer derives from madang::Consumer");
        static_assert(!detail::IsBackground<Type>, "a background consumer has no connection");
        auto entry = described<Type>(std::forward<Arguments>(arguments)...);
        const auto table = table_of<Type>(*entry);
        const madang_route_options route = detail::to_abi(options);
        registered(host_.api.route_websocket(host_.handle, detail::to_abi(pattern), &table, &route), pattern);
        classes_.push_back(std::move(entry));
        return *this;
    }

    // A consumer without a connection, one in the server, which layer().send(channel, …) reaches. Made as
    // Type(arguments...), which are kept, also when it is made anew after a failure.
    template <class Type, class... Arguments>
    Plugin& background(std::string_view channel, const BackgroundOptions& options = {},
                       Arguments&&... arguments) {
        static_assert(detail::IsBackground<Type>,
                      "derives from madang::Background or madang::SyncBackground");
        auto entry = described<Type>(std::forward<Arguments>(arguments)...);
        const auto table = table_of<Type>(*entry);
        const auto* extension = static_cast<const madang_background*>(host_.extension(MADANG_BACKGROUND));
        if (extension == nullptr) throw Error(MADANG_UNSUPPORTED, "this server has no background consumers");
        const madang_background_options given{sizeof(madang_background_options),
                                              static_cast<std::uint32_t>(options.handler_budget.count()),
                                              options.queue_events};
        registered(extension->add(host_.handle, detail::to_abi(channel), &table, &given), channel,
                   "background");
        classes_.push_back(std::move(entry));
        return *this;
    }

    // A view is callable as Response(const Request&), or as void(const Request&, Reply) to answer later.
    // methods: comma-separated, "GET,POST".
    template <class Callable>
    Plugin& view(std::string_view methods, std::string_view pattern, Callable callable,
                 ViewKind kind = ViewKind::async, const RouteOptions& options = {}) {
        auto entry = std::make_unique<detail::ViewEntry>();
        entry->host = &host_;
        entry->name.append(methods).append(" ").append(pattern);
        if constexpr (std::is_invocable_r_v<Response, Callable, const Request&>) {
            entry->view = [direct = View(std::move(callable)), self = entry.get()](const Request& request,
                                                                                   Reply reply) {
                self->answer(direct, request, std::move(reply));
            };
        } else {
            entry->view = std::move(callable);
        }
        madang_view table{};
        table.struct_size = sizeof table;
        table.kind = static_cast<std::uint32_t>(kind);
        table.name = detail::to_abi(entry->name);
        table.context = entry.get();
        table.handle = &detail::ViewEntry::handle;
        const madang_route_options route = detail::to_abi(options);
        registered(host_.api.route_http(host_.handle, detail::to_abi(methods), detail::to_abi(pattern),
                                        &table, &route),
                   pattern);
        views_.push_back(std::move(entry));
        return *this;
    }
    // A view of GET, without options.
    template <class Callable>
    Plugin& get(std::string_view pattern, Callable callable, ViewKind kind = ViewKind::async) {
        return view("GET", pattern, std::move(callable), kind);
    }
    // A view of POST, without options.
    template <class Callable>
    Plugin& post(std::string_view pattern, Callable callable, ViewKind kind = ViewKind::async) {
        return view("POST", pattern, std::move(callable), kind);
    }

    // What is kept of groups "NAME:…", as the server's documentation says for [namespace.NAME], which is
    // stronger, value by value: declare_namespace("room", R"({"history_size": 50, "history_ttl": "24h"})").
    Plugin& declare_namespace(std::string_view name, std::string_view json) {
        registered(detail::streams_of(host_).declare_namespace(host_.handle, detail::to_abi(name),
                                                               detail::to_abi(json)),
                   name, "declare_namespace");
        return *this;
    }
    // The same, of a nlohmann::json.
    template <JsonValue Value>
    Plugin& declare_namespace(std::string_view name, const Value& json) {
        return declare_namespace(name, std::string_view(json.dump()));
    }
    // Clients' calls of a method: RpcResult(const RpcCall&), or void(const RpcCall&, RpcReply) to answer
    // later. Calls of one method may run at the same time on several threads.
    template <class Callable>
    Plugin& on_rpc(std::string_view method, Callable callable, ViewKind kind = ViewKind::async) {
        auto entry = std::make_unique<detail::RpcEntry>();
        if constexpr (std::is_invocable_r_v<RpcResult, Callable, const RpcCall&>) {
            entry->handler = [direct = std::move(callable)](const RpcCall& call, const RpcReply& reply) {
                reply(direct(call));
            };
        } else {
            entry->handler = std::move(callable);
        }
        entry->method = method;
        entry->host = &host_;
        registered(detail::streams_of(host_).register_rpc(host_.handle, detail::to_abi(method),
                                                          static_cast<std::uint32_t>(kind),
                                                          &detail::RpcEntry::handle, entry.get()),
                   method, "on_rpc");
        calls_.push_back(std::move(entry));
        return *this;
    }
    // Clients' messages, which nobody answers: void(const RpcCall&).
    Plugin& on_message(std::function<void(const RpcCall&)> callable, ViewKind kind = ViewKind::async) {
        auto entry = std::make_unique<detail::RpcEntry>();
        entry->message_handler = std::move(callable);
        entry->method = "message";
        entry->host = &host_;
        registered(detail::streams_of(host_).register_message(host_.handle, static_cast<std::uint32_t>(kind),
                                                              &detail::RpcEntry::handle, entry.get()),
                   {}, "on_message");
        calls_.push_back(std::move(entry));
        return *this;
    }

    // A task: callable as Result(Job&) or Result(Job&, argument, ...), where Result and the arguments are
    // what nlohmann/json converts; void: null. It runs in a worker's child process, where this plugin is
    // loaded too; what it throws is the attempt's failure. Needs <madang/jobs.hpp>.
    template <class Callable, class Options = TaskOptions>
    Plugin& task(std::string_view name, Callable callable,
                 const std::type_identity_t<Options>& options = {}) {
        tasks_.push_back(detail::register_task(host_, name, std::move(callable), options));
        return *this;
    }
    // every(10min, signature(...)) or cron("0 3 * * *", signature(...)); the configuration file's
    // [schedule.NAME] is stronger.
    template <JsonValue What>
    Plugin& schedule(std::string_view name, const What& what) {
        if (host_.jobs == nullptr) detail::refuse(MADANG_UNSUPPORTED, "schedule", name);
        const std::string json = what.dump();
        registered(host_.jobs->declare_schedule(host_.handle, detail::to_abi(name), detail::to_abi(json)),
                   name, "schedule");
        return *this;
    }

    // [plugin.ID] of the configuration as JSON text, "{}" without one; <madang/json.hpp> has Config to read
    // it.
    std::string_view config_text() const noexcept {
        return detail::from_abi(host_.api.config_json(host_.handle));
    }
    const Host& host() const noexcept { return host_; }    // the server's functions
    Layer layer() const noexcept { return Layer(host_); }  // answers come on any thread and must not block
    // Needs <madang/jobs.hpp>. Answers come on any thread and must not block.
    template <class Type = Jobs>
    Type jobs() const {
        return Type(host_);
    }
    // event: a stable name for machines ("room_refused"); message: for people.
    void log(Level level, std::string_view event, std::string_view message) const noexcept {
        host_.log(level, event, message);
    }

  private:
    template <class Type, class... Arguments>
    auto described(Arguments&&... arguments) {
        using Entry = detail::ClassOf<Type, std::decay_t<Arguments>...>;
        auto entry = std::make_unique<Entry>(host_, std::forward<Arguments>(arguments)...);
        Class<Type> type(*entry);
        if constexpr (requires { Type::setup(type); }) {
            Type::setup(type);
        } else {
            static_assert(
                !requires { &Type::setup; }, "setup must be: public: static void setup(madang::Class<X>&)");
        }
        if constexpr (requires { Type::check_class(); }) Type::check_class();  // e.g. that its schema is one
        for (const std::string& group : entry->groups) entry->group_views.push_back(detail::to_abi(group));
        return entry;
    }
    template <class Type, class Entry>
    static madang_consumer_class table_of(Entry& entry) {
        madang_consumer_class table{};
        table.struct_size = sizeof table;
        table.kind = Type::kind;
        table.name = detail::to_abi(detail::type_name<Type>());
        table.context = static_cast<detail::ClassBase*>(&entry);
        table.groups = entry.group_views.data();
        table.groups_count = entry.group_views.size();
        table.create = &Entry::create;
        table.connect = &detail::ConsumerAccess::connect;
        table.receive = &detail::ConsumerAccess::receive;
        table.event = &detail::ConsumerAccess::event;
        table.timer = &detail::ConsumerAccess::timer;
        table.disconnect = &detail::ConsumerAccess::disconnect;
        table.destroy = &detail::ConsumerAccess::destroy;
        table.events = &detail::ConsumerAccess::events;
        return table;
    }

    static void registered(madang_status status, std::string_view what, std::string_view call = "route") {
        if (status != MADANG_OK) detail::refuse(status, call, what);
    }

    Host host_;
    std::vector<std::unique_ptr<detail::ClassBase>> classes_;
    std::vector<std::unique_ptr<detail::ViewEntry>> views_;
    std::vector<std::unique_ptr<detail::RpcEntry>> calls_;
    std::vector<std::shared_ptr<void>> tasks_;
};

// What MADANG_PLUGIN takes.
struct PluginInfo {
    const char* id;                 // [a-z0-9_-]{1,64}, unique among the loaded plugins
    const char* version;            // "1.2.0"
    const char* summary = nullptr;  // one line about it, in the admin API
};

namespace detail {

template <void (*Setup)(Plugin&)>
struct PluginEntry {
    static madang_plugin* init(madang_host* handle, const madang_host_api* api) {
        std::unique_ptr<Plugin> plugin;
        const bool done = contained(
            [&] {
                plugin = std::make_unique<Plugin>(handle, *api);
                Setup(*plugin);
            },
            [&](std::string_view what) {
                api->log(handle, MADANG_ERROR, to_abi("plugin_refused"), to_abi(what));
            });
        return done ? reinterpret_cast<madang_plugin*>(plugin.release()) : nullptr;
    }
    static void destroy(madang_plugin* plugin) { delete reinterpret_cast<Plugin*>(plugin); }
    static const void* extension(madang_plugin*, const char*) { return nullptr; }

    static madang_plugin_descriptor descriptor(const PluginInfo& info) noexcept {
        return {MADANG_ABI_MAGIC, sizeof(madang_plugin_descriptor),
                MADANG_ABI_MAJOR, MADANG_ABI_MINOR,
                info.id,          info.version,
                info.summary,     &init,
                &destroy,         &extension};
    }
};

}  // namespace detail
}  // namespace madang

// Once per shared library. Takes PluginInfo's members as designated initialisers; the block that follows
// registers everything through `plugin`. What it throws is logged, and the server then refuses to start.
#define MADANG_PLUGIN(...)                                                               \
    static void madang_plugin_setup(::madang::Plugin& plugin);                           \
    extern "C" MADANG_EXPORT const madang_plugin_descriptor* madang_plugin_entry(void) { \
        static const madang_plugin_descriptor descriptor =                               \
            ::madang::detail::PluginEntry<&madang_plugin_setup>::descriptor(             \
                ::madang::PluginInfo{__VA_ARGS__});                                      \
        return &descriptor;                                                              \
    }                                                                                    \
    static void madang_plugin_setup([[maybe_unused]] ::madang::Plugin& plugin)
