#include <nlohmann/json.hpp>

#include "broker/protocol/api_methods.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;

json components() {
    return json::parse(R"({
  "schemas": {
    "Channel": {"type": "string", "minLength": 1, "maxLength": 255, "description": "A group's name"},
    "Error": {"type": "object", "required": ["code", "message"], "properties": {
      "code": {"type": "integer"}, "message": {"type": "string"}}},
    "Failure": {"type": "object", "required": ["error"], "properties": {
      "error": {"$ref": "#/components/schemas/Error"}}},
    "StreamPosition": {"type": "object", "properties": {
      "offset": {"type": "integer"}, "epoch": {"type": "string"}}},
    "ClientInfo": {"type": "object", "required": ["user", "client"], "properties": {
      "user": {"type": "string"}, "client": {"type": "string"}, "conn_info": {}, "chan_info": {}}},
    "Member": {"type": "object", "required": ["user", "client"], "properties": {
      "user": {"type": "string"}, "client": {"type": "string"}, "conn_info": {}, "chan_info": {},
      "since": {"type": "integer", "description": "Unix milliseconds"}}},
    "Publication": {"type": "object", "required": ["data"], "properties": {
      "data": {}, "offset": {"type": "integer"},
      "time": {"type": "integer", "description": "Unix milliseconds"},
      "info": {"$ref": "#/components/schemas/ClientInfo"},
      "tags": {"type": "object", "additionalProperties": {"type": "string"}}}},
    "Node": {"type": "object", "required": ["uid", "name", "version", "num_clients", "num_users", "num_subs",
        "num_channels", "uptime"], "properties": {
      "uid": {"type": "string"}, "name": {"type": "string"}, "version": {"type": "string"},
      "num_clients": {"type": "integer"}, "num_users": {"type": "integer"}, "num_subs": {"type": "integer"},
      "num_channels": {"type": "integer"}, "uptime": {"type": "integer", "description": "Seconds"}}}
  },
  "responses": {
    "BadRequest": {"description": "The body is not JSON"},
    "Unauthorized": {"description": "No key, or not one of this server's"},
    "Forbidden": {"description": "The key lacks the right"},
    "NotFound": {"description": "There is no such method"}
  },
  "securitySchemes": {
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "authorization": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "apikey KEY"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"}
  }
})");
}

json body_of(json schema) { return {{"application/json", {{"schema", std::move(schema)}}}}; }

json answer_of(json schema) {
    return {{"description", "Done, or why not"}, {"content", body_of(std::move(schema))}};
}

json failures() {
    json out = json::object();
    for (const auto& [status, name] : {std::pair{"400", "BadRequest"}, std::pair{"401", "Unauthorized"},
                                       std::pair{"403", "Forbidden"}, std::pair{"404", "NotFound"}})
        out[status] = {{"$ref", std::string("#/components/responses/") + name}};
    return out;
}

json operation(const api_method& method) {
    auto result = json::parse(method.result);
    json answer;
    if (method.name == "batch") {  // as Centrifugo's: without a result around it
        auto& reply = result["properties"]["replies"]["items"]["properties"];
        reply["error"] = {{"$ref", "#/components/schemas/Error"}};
        for (const auto& each : api_methods())
            if (&each != &method) reply[std::string(each.name)] = json::parse(each.result);
        answer = {{"oneOf", json::array({result, {{"$ref", "#/components/schemas/Failure"}}})}};
    } else {
        answer = {{"type", "object"},
                  {"minProperties", 1},
                  {"maxProperties", 1},
                  {"properties", {{"result", result}, {"error", {{"$ref", "#/components/schemas/Error"}}}}}};
    }
    auto responses = failures();
    responses["200"] = answer_of(std::move(answer));
    auto request = body_of(json::parse(method.request));
    request["application/json"]["example"] = json::parse(method.example);
    return {{"operationId", std::string(method.name)},
            {"summary", std::string(method.summary)},
            {"description", "Needs the right: " + std::string(name_of(method.needs))},
            {"requestBody", {{"required", true}, {"content", std::move(request)}}},
            {"responses", std::move(responses)}};
}

}  // namespace

std::string api_openapi(std::string_view version) {
    json document = {{"openapi", "3.0.3"},
                     {"info", {{"title", "Madang server API"}, {"version", std::string(version)}}},
                     {"security", json::array({{{"header", json::array()}},
                                               {{"authorization", json::array()}},
                                               {{"query", json::array()}}})},
                     {"paths", json::object()},
                     {"components", components()}};
    for (auto& [name, response] : document["components"]["responses"].items())
        response["content"] = body_of({{"$ref", "#/components/schemas/Failure"}});
    for (const auto& method : api_methods())
        document["paths"]["/api/" + std::string(method.name)] = {{"post", operation(method)}};
    auto one = failures();
    one["200"] = answer_of(json::parse(
        R"({"type":"object","properties":{"id":{},"result":{"type":"object"},"error":{"$ref":"#/components/schemas/Error"}}})"));
    document["paths"]["/api"] = {
        {"post",
         {{"operationId", "command"},
          {"summary", "A command as {method, params}; several, each in a line, are answered each in a line"},
          {"requestBody",
           {{"required", true},
            {"content",
             body_of(json::parse(
                 R"({"type":"object","required":["method"],"properties":{"id":{},"method":{"type":"string"},"params":{"type":"object"}}})"))}}},
          {"responses", std::move(one)}}}};
    return document.dump(2) + "\n";
}

}  // namespace madang
