#include "broker/net/jobs_openapi.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/core/lower_case.hpp"
#include "broker/net/jobs_site.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;

json schemas() {
    return json::parse(R"({
  "Work": {"description": "A signature or a workflow; docs/jobs.md has the members", "oneOf": [
    {"$ref": "#/components/schemas/Signature"},
    {"type": "object", "required": ["chain"], "additionalProperties": false, "properties": {
      "chain": {"$ref": "#/components/schemas/WorkList"}}},
    {"type": "object", "required": ["group"], "additionalProperties": false, "properties": {
      "group": {"$ref": "#/components/schemas/WorkList"}}},
    {"type": "object", "required": ["chord"], "additionalProperties": false, "properties": {
      "chord": {"type": "object", "required": ["header", "body"], "properties": {
        "header": {"$ref": "#/components/schemas/WorkList"}, "body": {"$ref": "#/components/schemas/Work"}}}}}]},
  "WorkList": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Work"}},
  "Links": {"oneOf": [{"$ref": "#/components/schemas/Work"}, {"$ref": "#/components/schemas/WorkList"}]},
  "Duration": {"description": "Seconds, or a text such as 500ms, 30s, 5m, 2h, 7d", "type": ["number", "string"]},
  "Time": {"description": "ISO 8601, or Unix time in seconds", "type": ["number", "string"]},
  "Signature": {"type": "object", "required": ["task"], "additionalProperties": false, "properties": {
    "task": {"type": "string"}, "args": {"type": "array"}, "kwargs": {"type": "object"},
    "queue": {"type": "string"}, "priority": {"type": "integer", "minimum": 0, "maximum": 9},
    "countdown": {"$ref": "#/components/schemas/Duration"}, "eta": {"$ref": "#/components/schemas/Time"},
    "expires": {"description": "A duration from now, or a time", "type": ["number", "string"]},
    "id": {"type": "string", "maxLength": 128},
    "unique": {"oneOf": [{"type": "boolean"}, {"type": "object", "required": ["key"], "properties": {
      "key": {"type": "string"}, "for": {"$ref": "#/components/schemas/Duration"}}}]},
    "headers": {"type": "object"},
    "link": {"$ref": "#/components/schemas/Links"}, "link_error": {"$ref": "#/components/schemas/Links"},
    "notify": {"type": "object", "properties": {"user": {"type": "string"}, "group": {"type": "string"}}},
    "immutable": {"type": "boolean"}, "ignore_result": {"type": "boolean"},
    "soft_time_limit": {"$ref": "#/components/schemas/Duration"},
    "time_limit": {"$ref": "#/components/schemas/Duration"}}},
  "Enqueued": {"type": "object", "required": ["jobs", "repeated"], "properties": {
    "id": {"type": "string", "description": "Of the only job or workflow that was asked for"},
    "jobs": {"type": "array", "items": {"type": "object", "required": ["id", "duplicate"], "properties": {
      "id": {"type": "string"},
      "duplicate": {"type": "boolean", "description": "Another job has the unique key: this is that one"},
      "children": {"type": "array", "items": {"type": "string"}}}}},
    "repeated": {"type": "boolean", "description": "The idempotency key was there"}}},
  "JobError": {"type": "object", "required": ["type"], "properties": {
    "type": {"type": "string"}, "message": {"type": "string"}, "trace": {"type": "string"}}},
  "Job": {"type": "object", "required": ["id", "task", "queue", "state"], "properties": {
    "id": {"type": "string"}, "task": {"type": "string"}, "queue": {"type": "string"},
    "state": {"type": "string", "enum": ["PENDING", "RECEIVED", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED",
      "REJECTED", "IGNORED"]},
    "ready": {"type": "boolean", "description": "Over"},
    "dead": {"type": "boolean", "description": "A dead letter: it can be requeued and discarded"},
    "result": {}, "progress": {}, "error": {"$ref": "#/components/schemas/JobError"}}},
  "Queue": {"type": "object", "required": ["name", "paused"], "properties": {
    "name": {"type": "string"}, "ready": {"type": "integer"}, "scheduled": {"type": "integer"},
    "leased": {"type": "integer"}, "parked": {"type": "integer"}, "dead": {"type": "integer"},
    "paused": {"type": "boolean"}}},
  "Worker": {"type": "object", "required": ["id", "name"], "properties": {
    "id": {"type": "string"}, "name": {"type": "string"}}},
  "Task": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
  "Schedule": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
})");
}

json content(json schema) { return {{"application/json", {{"schema", std::move(schema)}}}}; }

json parameters(const jobs_site::operation& what) {
    json list = json::array();
    for (const auto name : {"id", "name"})
        if (what.path.find("{" + std::string(name) + "}") != what.path.npos)
            list.push_back(
                {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
    for (auto rest = what.query; !rest.empty();) {
        const auto end = std::min(rest.find('|'), rest.size());
        const auto one = rest.substr(0, end);
        const auto colon = one.find(':');
        list.push_back({{"name", std::string(one.substr(0, colon))},
                        {"in", "query"},
                        {"description", std::string(one.substr(colon + 1))},
                        {"schema", {{"type", "string"}}}});
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return list;
}

// "post /api/queues/{name}/pause" -> "queues_pause_post"
std::string operation_id(const jobs_site::operation& what, const std::string& method) {
    std::string id;
    for (const char c : what.path.substr(5)) id += c == '/' ? '_' : c;
    std::erase_if(id, [](char c) { return c == '{' || c == '}'; });
    return id + "_" + method;
}

}  // namespace

std::string with_jobs(const std::string& document) {
    auto all = json::parse(document);
    all["components"]["schemas"].update(schemas());
    for (const auto& each : jobs_site::operations()) {
        const auto method = lower_case(each.method);
        json responses;
        responses[std::to_string(each.status)] = {{"description", "Done"},
                                                  {"content", content(json::parse(each.answer))}};
        responses["default"] = {{"description", "Why not"},
                                {"content", content({{"$ref", "#/components/schemas/Failure"}})}};
        json shown = {{"operationId", operation_id(each, method)},
                      {"summary", std::string(each.summary)},
                      {"description", "Needs the right: " + std::string(name_of(each.needs))}};
        if (auto list = parameters(each); !list.empty()) shown["parameters"] = std::move(list);
        if (!each.body.empty())
            shown["requestBody"] = {{"required", each.path == "/api/jobs"},
                                    {"content", content(json::parse(each.body))}};
        shown["responses"] = std::move(responses);
        all["paths"][std::string(each.path)][method] = std::move(shown);
    }
    return all.dump(2) + "\n";
}

}  // namespace madang
