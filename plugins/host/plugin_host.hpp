// Loads plugins and is the server's side of the plugin ABI: the C functions over plugins/host/ports.hpp.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/jobs.hpp"
#include "broker/core/namespaces.hpp"
#include "broker/core/streams.hpp"
#include "madang/background.h"
#include "madang/jobs.h"
#include "madang/streams.h"
#include "plugins/host/plugin.hpp"
#include "plugins/host/ports.hpp"
#include "plugins/host/rpc_table.hpp"
#include "plugins/host/task_table.hpp"

namespace madang {

// What the host itself needs of the server. Any thread calls `layer` and `log`; the rest is called while
// loading.
struct host_services {
    layer_port& layer;
    std::function<void(const plugin& who, madang_log_level, std::string_view event, std::string_view message)>
        log;
    // The plugin's section of the configuration as a JSON object; null function or "": "{}".
    std::function<std::string(std::string_view plugin_id)> config_json;
    // What is not of the host itself: a table that lives for ever, or null.
    std::function<const void*(const char* name)> extension = {};
    // Null: there is no "madang.streams/1".
    stream_port* streams = nullptr;
    // What plugins declare while they are loaded; the file's sections are set after that. Null: nobody can.
    namespace_table* namespaces = nullptr;
    // Null: there is no "madang.jobs/1".
    job_port* jobs = nullptr;
    // Runs it on the pool for sync handlers; false: that is full.
    std::function<bool(std::function<void()>)> pool = {};
    // A handler of its rpc methods failed: to be counted. Any thread.
    std::function<void(const plugin& who)> failed = {};
};

// What a plugin wants enqueued again and again; the configuration file's [schedule.NAME] is stronger.
struct declared_schedule {
    std::string name, json;
    const plugin* owner = nullptr;
};

// Loading and destroying: one thread, while nothing is served. Routes and plugins are immutable between.
class plugin_host {
  public:
    explicit plugin_host(host_services services);
    ~plugin_host();  // shut_down
    plugin_host(const plugin_host&) = delete;
    plugin_host& operator=(const plugin_host&) = delete;

    // Null with one line in `error` that names the file and the reason. A plugin that failed leaves no routes
    // behind.
    plugin* load(const std::string& path, std::string& error);
    // Takes a plugin that is part of the program, by its descriptor; `path` is for messages.
    plugin* add(const madang_plugin_descriptor& descriptor, const std::string& path, std::string& error);
    // Destroys the plugins, the last loaded first. Their libraries stay mapped.
    void shut_down() noexcept;

    // In the order of registration; the first match wins.
    const websocket_route_list& websocket_routes() const { return websocket_routes_; }
    const http_route_list& http_routes() const { return http_routes_; }
    const std::vector<std::shared_ptr<const background_route>>& backgrounds() const { return backgrounds_; }
    const std::vector<std::unique_ptr<plugin>>& plugins() const { return plugins_; }
    // What clients may call; outlives whoever calls.
    rpc_table& rpc() noexcept { return rpc_; }
    // Lives as long as the host.
    const task_table& tasks() const noexcept { return tasks_; }
    const std::vector<declared_schedule>& schedules() const noexcept { return schedules_; }

    static const madang_host_api& api() noexcept;
    static const madang_streams& streams_api() noexcept;
    static const madang_jobs& jobs_api() noexcept;
    static const madang_background& background_api() noexcept;

  private:
    friend struct host_functions;
    friend struct stream_functions;
    friend struct job_functions;
    plugin* start(const madang_plugin_descriptor& descriptor, const std::string& path, std::string& error);
    madang_status add_route(plugin& owner, std::string_view pattern, const madang_consumer_class& consumer,
                            const madang_route_options* options);
    madang_status add_view(plugin& owner, std::string_view methods, std::string_view pattern,
                           const madang_view& view, const madang_route_options* options);
    madang_status add_background(plugin& owner, std::string_view channel,
                                 const madang_consumer_class& consumer,
                                 const madang_background_options* options);
    madang_status declare_namespace(plugin& owner, std::string_view name, std::string_view json);
    madang_status add_task(plugin& owner, std::string_view name, std::string_view options,
                           madang_task_handler handler, void* context);
    madang_status declare_schedule(plugin& owner, std::string_view name, std::string_view json);
    madang_status refuse(plugin& owner, std::string_view event, const std::string& what);

    host_services services_;
    std::vector<std::unique_ptr<plugin>> plugins_;
    websocket_route_list websocket_routes_;
    http_route_list http_routes_;
    std::vector<std::shared_ptr<const background_route>> backgrounds_;
    std::map<std::string, const plugin*, std::less<>> namespaces_;  // whose
    rpc_table rpc_;
    task_table tasks_;
    std::uint32_t handlers_ = 0;  // numbers given
    std::vector<declared_schedule> schedules_;
};

}  // namespace madang
