#include "broker/app/plugin_report.hpp"

#include <nlohmann/json.hpp>

#include "monitoring/metrics.hpp"
#include "plugins/host/plugin_host.hpp"

namespace madang {
namespace {

using nlohmann::json;

json handler(std::string_view kind, std::string_view name, std::string_view at, std::uint32_t number,
             const metrics& counts) {
    const auto& row = histogram_rows[static_cast<std::size_t>(kind == "task" ? histogram::job_run_seconds
                                                                             : histogram::handler_seconds)];
    const auto times = counts.handler(number);
    json made{{"kind", kind}, {"name", name}, {"at", at}, {"calls", times.count()}};
    if (number >= metrics_shard::max_handlers) made["calls"] = nullptr;  // not counted by itself
    made["most_s"] = row.upper_bound(row.buckets - 1);
    const bool called = times.count() != 0;
    made["mean_s"] = called ? json(times.mean()) : json();
    made["p50_s"] = called ? json(times.quantile(row, 0.5)) : json();
    made["p99_s"] = called ? json(times.quantile(row, 0.99)) : json();
    return made;
}

}  // namespace

std::string plugin_report(const plugin_host& plugins, const metrics& counts) {
    json all = json::array();
    for (const auto& each : plugins.plugins()) {
        json handlers = json::array();
        for (const auto& [pattern, route] : plugins.websocket_routes())
            if (route->owner == each.get())
                handlers.push_back(handler("consumer", route->name, route->pattern, route->handler, counts));
        for (const auto& route : plugins.backgrounds())
            if (route->owner == each.get())
                handlers.push_back(
                    handler("background", route->name, route->channel, route->handler, counts));
        for (const auto& [pattern, views] : plugins.http_routes())
            for (const auto& view : views)
                if (view->owner == each.get())
                    handlers.push_back(handler("view", view->name, view->pattern, view->handler, counts));
        for (const auto& task : plugins.tasks().all())
            if (task.plugin == each->id)
                handlers.push_back(handler("task", task.name, task.queue, task.handler, counts));
        all.push_back({{"id", each->id},
                       {"version", each->version},
                       {"summary", each->summary},
                       {"path", each->path},
                       {"errors", counts.total(labelled_counter::plugin_errors, each->id)},
                       {"slow", counts.total(labelled_counter::slow_handlers, each->id)},
                       {"handlers", std::move(handlers)}});
    }
    return json{{"plugins", std::move(all)}}.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace madang
