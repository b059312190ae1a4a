#include "plugins/host/plugin_host.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "broker/core/names.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/jobs/schedule.hpp"
#include "plugins/host/abi_values.hpp"
#include "plugins/host/plugin_file.hpp"

namespace madang {

namespace {

using abi_values::copy_options;
using abi_values::from;
using abi_values::valid;

bool valid_id(const char* id) {
    if (!id) return false;
    std::string_view text(id, ::strnlen(id, 65));
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

// Null: good.
const char* take_options(const madang_route_options* given, route_settings& settings) {
    if (!given) return nullptr;
    auto o = copy_options(given);
    if (o.max_message_bytes == UINT64_MAX) return "messages must have a limit";
    if (o.outbox_policy > MADANG_OUTBOX_LATEST_ONLY) return "unknown outbox policy";
    if (o.deflate < -1 || o.deflate > 1) return "deflate is -1, 0 or 1";
    if (!valid(o.subprotocols) || !valid(o.allowed_origins)) return "a list is NULL";
    settings = {o.handler_budget_ms,
                o.max_message_bytes,
                o.outbox_bytes,
                static_cast<madang_outbox_policy>(o.outbox_policy),
                o.messages_per_second,
                o.message_burst,
                o.deflate,
                split_list(from(o.subprotocols)),
                split_list(from(o.allowed_origins))};
    return nullptr;
}

// Null: good.
const char* take_class(plugin& owner, const madang_consumer_class& given, hosted_class& to) {
    to.owner = &owner;
    to.consumer = copy_options(&given);
    auto& c = to.consumer;
    if (!c.create || !c.connect || !c.receive || !c.event || !c.timer || !c.disconnect || !c.destroy)
        return "the consumer class lacks a function";
    if (c.kind > MADANG_SYNC) return "unknown kind of consumer";
    if (!valid(c.name) || c.name.size == 0) return "the consumer class has no name";
    if (c.groups_count > 0 && !c.groups) return "its groups are NULL";
    to.name = from(c.name);
    for (std::size_t i = 0; i < c.groups_count; ++i) {
        auto group = valid(c.groups[i]) ? from(c.groups[i]) : std::string_view{};
        if (!valid_group_name(group)) return "a group of the consumer class has an invalid name";
        to.group_names.emplace_back(group);
    }
    for (const auto& name : to.group_names) to.groups.push_back(to_abi(std::string_view(name)));
    c.name = to_abi(std::string_view(to.name));
    c.groups = to.groups.data();
    return nullptr;
}

bool known_method(std::string_view method) {
    return !method.empty() &&
           std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

const void* plugin::extension(const char* name) const {
    try {
        return descriptor_->get_extension && instance_ ? descriptor_->get_extension(instance_, name)
                                                       : nullptr;
    } catch (...) {
        return nullptr;
    }
}

plugin_host::plugin_host(host_services services)
    : services_(std::move(services)), rpc_(services_.pool, services_.log, services_.failed) {}
plugin_host::~plugin_host() { shut_down(); }

plugin* plugin_host::load(const std::string& path, std::string& error) {
    const auto* descriptor = load_plugin_file(path, error);
    return descriptor ? add(*descriptor, path, error) : nullptr;
}

plugin* plugin_host::add(const madang_plugin_descriptor& descriptor, const std::string& path,
                         std::string& error) {
    if (!valid_id(descriptor.id)) {
        error = "plugin " + path + " has no valid id; it must be 1-64 of a-z, 0-9, '_' and '-'";
        return nullptr;
    }
    for (const auto& other : plugins_) {
        if (other->id != descriptor.id) continue;
        error = "plugin " + path + " has the id \"" + other->id + "\", as has " + other->path +
                "; load one of them only";
        return nullptr;
    }
    return start(descriptor, path, error);
}

plugin* plugin_host::start(const madang_plugin_descriptor& descriptor, const std::string& path,
                           std::string& error) {
    auto fresh = std::make_unique<plugin>();
    fresh->id = descriptor.id;
    fresh->version = descriptor.version ? descriptor.version : "";
    fresh->summary = descriptor.summary ? descriptor.summary : "";
    fresh->path = path;
    fresh->host_ = this;
    fresh->descriptor_ = &descriptor;
    fresh->config_ = services_.config_json ? services_.config_json(fresh->id) : "";
    if (fresh->config_.empty()) fresh->config_ = "{}";

    auto websocket_routes = websocket_routes_;
    auto http_routes = http_routes_;
    fresh->initialising_ = true;
    std::string why;
    try {
        fresh->instance_ = descriptor.init(reinterpret_cast<madang_host*>(fresh.get()), &api());
    } catch (const std::exception& e) {
        why = e.what();
    } catch (...) {
        why = "it threw";
    }
    fresh->initialising_ = false;
    if (!fresh->instance_) {
        websocket_routes_ = std::move(websocket_routes);
        http_routes_ = std::move(http_routes);
        std::erase_if(backgrounds_, [&](const auto& each) { return each->owner == fresh.get(); });
        rpc_.remove(*fresh);
        tasks_.remove(*fresh);
        std::erase_if(schedules_, [&](const auto& each) { return each.owner == fresh.get(); });
        if (why.empty()) why = fresh->last_error_.empty() ? "it gave no reason" : fresh->last_error_;
        error = "plugin " + path + " did not start: " + why;
        plugins_.push_back(std::move(fresh));  // it may have kept its madang_host
        return nullptr;
    }
    plugins_.push_back(std::move(fresh));
    return plugins_.back().get();
}

void plugin_host::shut_down() noexcept {
    for (auto p = plugins_.rbegin(); p != plugins_.rend(); ++p) {
        auto* instance = std::exchange((*p)->instance_, nullptr);
        if (!instance) continue;
        try {
            (*p)->descriptor_->destroy(instance);
        } catch (...) {
            if (services_.log) services_.log(**p, MADANG_ERROR, "plugin.destroy_failed", "it threw");
        }
    }
}

madang_status plugin_host::refuse(plugin& owner, std::string_view event, const std::string& what) {
    owner.last_error_ = what;
    if (services_.log) services_.log(owner, MADANG_ERROR, event, what);
    return MADANG_INVALID;
}

madang_status plugin_host::declare_namespace(plugin& owner, std::string_view name, std::string_view json) {
    if (!owner.initialising_) return MADANG_INVALID;
    if (services_.namespaces == nullptr) return MADANG_UNSUPPORTED;
    const auto whose = "namespace " + std::string(name);
    if (const auto [place, fresh] = namespaces_.emplace(name, &owner); !fresh && place->second != &owner)
        return refuse(owner, "plugin.namespace_refused",
                      whose + ": plugin " + place->second->id + " has declared it already");
    const auto taken = services_.namespaces->set(name, json, whose);
    return taken ? MADANG_OK : refuse(owner, "plugin.namespace_refused", taken.error().detail);
}

madang_status plugin_host::add_task(plugin& owner, std::string_view name, std::string_view options,
                                    madang_task_handler handler, void* context) {
    if (!owner.initialising_) return MADANG_INVALID;
    std::string wrong;
    const auto status = tasks_.add(owner, name, options, handler, context, wrong, ++handlers_);
    return status == MADANG_OK ? status : refuse(owner, "plugin.task_refused", wrong);
}

madang_status plugin_host::declare_schedule(plugin& owner, std::string_view name, std::string_view json) {
    if (!owner.initialising_) return MADANG_INVALID;
    const auto refuse_schedule = [&](std::string_view why) {
        return refuse(owner, "plugin.schedule_refused",
                      "schedule " + std::string(name) + ": " + std::string(why));
    };
    for (const auto& other : schedules_)
        if (other.name == name)
            return refuse_schedule("plugin " + other.owner->id + " has declared it already");
    if (const auto parsed = schedule::parse(name, json); !parsed)
        return refuse_schedule(parsed.error().detail);
    schedules_.push_back({std::string(name), std::string(json), &owner});
    return MADANG_OK;
}

madang_status plugin_host::add_route(plugin& owner, std::string_view pattern,
                                     const madang_consumer_class& consumer,
                                     const madang_route_options* options) {
    if (!owner.initialising_) return MADANG_INVALID;
    const auto refuse_route = [&](std::string_view why) {
        return refuse(owner, "plugin.route_refused",
                      "route " + std::string(pattern) + ": " + std::string(why));
    };
    auto route = std::make_shared<websocket_route>();
    route->pattern = pattern;
    route->handler = ++handlers_;
    if (const char* wrong = take_class(owner, consumer, *route)) return refuse_route(wrong);
    if (const char* wrong = take_options(options, route->settings)) return refuse_route(wrong);
    if (auto added = websocket_routes_.add(pattern, std::move(route)); !added)
        return refuse_route(added.error().detail);
    return MADANG_OK;
}

madang_status plugin_host::add_background(plugin& owner, std::string_view channel,
                                          const madang_consumer_class& consumer,
                                          const madang_background_options* options) {
    if (!owner.initialising_) return MADANG_INVALID;
    const auto refuse_it = [&](const std::string& why) {
        return refuse(owner, "plugin.background_refused",
                      "background consumer " + std::string(channel) + ": " + why);
    };
    if (!valid_channel_name(channel) || channel.find('!') != std::string_view::npos ||
        channel.starts_with("specific."))
        return refuse_it(
            "a channel's name is 1-99 letters, digits, '-', '_' and '.', and not \"specific.…\"");
    for (const auto& other : backgrounds_)
        if (other->channel == channel) return refuse_it("already taken by " + other->owner->id);
    auto route = std::make_shared<background_route>();
    route->channel = channel;
    route->handler = ++handlers_;
    if (const char* wrong = take_class(owner, consumer, *route)) return refuse_it(wrong);
    if (options) {
        const auto given = copy_options(options);
        route->handler_budget_ms = given.handler_budget_ms;
        route->queue_events = given.queue_events;
    }
    backgrounds_.push_back(std::move(route));
    return MADANG_OK;
}

madang_status plugin_host::add_view(plugin& owner, std::string_view methods, std::string_view pattern,
                                    const madang_view& given, const madang_route_options* options) {
    if (!owner.initialising_) return MADANG_INVALID;
    const auto refuse_route = [&](std::string_view why) {
        return refuse(owner, "plugin.route_refused",
                      "route " + std::string(pattern) + ": " + std::string(why));
    };
    auto route = std::make_shared<http_route>();
    route->pattern = pattern;
    route->owner = &owner;
    route->handler = ++handlers_;
    route->view = copy_options(&given);
    route->methods = split_list(methods);
    if (!route->view.handle) return refuse_route("the view has no handle function");
    if (route->view.kind > MADANG_SYNC) return refuse_route("unknown kind of view");
    if (!valid(route->view.name) || route->view.name.size == 0) return refuse_route("the view has no name");
    if (route->methods.empty() || !std::all_of(route->methods.begin(), route->methods.end(), known_method))
        return refuse_route("methods are written as in \"GET,POST\"");
    if (const char* wrong = take_options(options, route->settings)) return refuse_route(wrong);
    route->name = from(route->view.name);
    route->view.name = to_abi(std::string_view(route->name));

    auto parsed = route_pattern::parse(pattern);
    if (!parsed) return refuse_route(parsed.error().detail);
    auto* present = http_routes_.find_shape(parsed->shape());
    if (!present) {
        (void)http_routes_.add(pattern, {std::move(route)});
        return MADANG_OK;
    }
    for (const auto& other : *present) {
        for (const auto& method : route->methods) {
            if (std::count(other->methods.begin(), other->methods.end(), method))
                return refuse_route(method + " is already taken by " + other->owner->id);
        }
        // Arguments are named by the first pattern of that shape.
        if (other->pattern != route->pattern) return refuse_route("already taken with other parameter names");
    }
    present->push_back(std::move(route));
    return MADANG_OK;
}

}  // namespace madang
