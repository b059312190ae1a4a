// A loaded plugin, and the routes that plugins register.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/route_pattern.hpp"
#include "madang/abi.h"

namespace madang {

class plugin_host;

// Lives as long as its host. What is public is immutable once loaded; any thread.
class plugin {
  public:
    std::string id;
    std::string version;
    std::string summary;
    std::string path;

    // One of the plugin's own tables by name, or null.
    const void* extension(const char* name) const;

  private:
    friend class plugin_host;
    friend struct host_functions;
    friend struct stream_functions;
    friend struct job_functions;
    plugin_host* host_ = nullptr;
    const madang_plugin_descriptor* descriptor_ = nullptr;
    madang_plugin* instance_ = nullptr;
    std::string config_;
    std::string last_error_;  // logged during init; main thread
    bool initialising_ = false;
};

// Per-route options as given; 0 or empty means the server's option of the same name.
struct route_settings {
    std::uint32_t handler_budget_ms = 0;
    std::uint64_t max_message_bytes = 0;
    std::uint64_t outbox_bytes = 0;
    madang_outbox_policy outbox_policy = MADANG_OUTBOX_DEFAULT;
    std::uint32_t messages_per_second = 0;  // UINT32_MAX: unlimited
    std::uint32_t message_burst = 0;
    int deflate = 0;                        // -1 off, 0 the server's option, 1 on when offered
    std::vector<std::string> subprotocols;  // preferred first
    std::vector<std::string> allowed_origins;
};

// A plugin's class of consumers. Addresses are stable; `consumer` and what it points to (name, groups) live
// as long as the host.
struct hosted_class {
    plugin* owner = nullptr;
    std::uint32_t handler = 0;  // its number among the host's classes, views and tasks, from 1
    madang_consumer_class consumer{};
    std::string name;
    std::vector<std::string> group_names;
    std::vector<madang_str> groups;
};

struct websocket_route : hosted_class {
    std::string pattern;
    route_settings settings;
};

// One instance, without a connection, reached by the name of its channel.
struct background_route : hosted_class {
    std::string channel;
    std::uint32_t handler_budget_ms = 0;  // this and the next: 0 means the server's option
    std::uint32_t queue_events = 0;
};

struct http_route {
    std::string pattern;
    plugin* owner = nullptr;
    std::uint32_t handler = 0;  // as hosted_class has it
    madang_view view{};
    route_settings settings;
    std::string name;
    std::vector<std::string> methods;
    // Requests that the view still holds although nobody waits for its reply any more. Any thread; for a
    // moment below zero when a reply comes just then.
    mutable std::atomic<std::int32_t> unanswered{0};
};

using websocket_route_list = route_list<std::shared_ptr<const websocket_route>>;
// All views at one path, by method.
using http_route_list = route_list<std::vector<std::shared_ptr<const http_route>>>;

}  // namespace madang
