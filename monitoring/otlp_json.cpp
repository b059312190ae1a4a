#include "monitoring/otlp_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace madang {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t text_bytes = 1024;

json text_value(std::string_view text) { return {{"stringValue", std::string(text.substr(0, text_bytes))}}; }
json attribute(std::string_view name, json value) { return {{"key", name}, {"value", std::move(value)}}; }

// 64 bits are text in Protobuf's JSON.
json value_of(const span::value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return text_value(*text);
    return {{"intValue", std::to_string(std::get<std::int64_t>(value))}};
}

json to_json(const span& what) {
    json made{{"traceId", to_hex(what.at.trace)}, {"spanId", to_hex(what.at.span)}};
    if (what.parent != span_id{}) made["parentSpanId"] = to_hex(what.parent);
    made["flags"] = what.at.flags;
    made["name"] = what.name.substr(0, text_bytes);
    made["kind"] = static_cast<int>(what.kind);
    made["startTimeUnixNano"] = std::to_string(what.begin_ns);
    made["endTimeUnixNano"] = std::to_string(std::max(what.begin_ns, what.end_ns));
    auto attributes = json::array();
    for (const auto& [name, value] : what.attributes) attributes.push_back(attribute(name, value_of(value)));
    if (!attributes.empty()) made["attributes"] = std::move(attributes);
    if (what.failed) made["status"] = {{"code", 2}, {"message", what.why.substr(0, text_bytes)}};
    return made;
}

}  // namespace

std::string otlp_json(std::span<const span> spans, const otlp_resource& from) {
    auto all = json::array();
    for (const auto& each : spans) all.push_back(to_json(each));
    auto resource = json::array({attribute("service.name", text_value("madang")),
                                 attribute("service.instance.id", text_value(from.instance)),
                                 attribute("service.version", text_value(from.version))});
    json scope{{"name", "madang"}, {"version", from.version}};
    json of_scope{{"scope", std::move(scope)}, {"spans", std::move(all)}};
    json of_resource{{"resource", {{"attributes", std::move(resource)}}},
                     {"scopeSpans", json::array({std::move(of_scope)})}};
    const json whole{{"resourceSpans", json::array({std::move(of_resource)})}};
    return whole.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace madang
