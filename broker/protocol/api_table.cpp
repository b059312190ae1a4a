#include <algorithm>
#include <iterator>

#include "broker/protocol/api_runs.hpp"

namespace madang {
namespace {

using namespace api_runs;
using verb = client_command::verb;

// The schemas: what a reader of the API's document needs, and what the tests hold the answers to.
constexpr std::string_view group_only =
    R"({"type":"object","required":["channel"],"properties":{"channel":{"$ref":"#/components/schemas/Channel"}}})";
constexpr std::string_view empty_result = R"({"type":"object","properties":{}})";
constexpr std::string_view reached_result =
    R"({"type":"object","required":["num_clients"],"properties":{
        "num_clients":{"type":"integer","description":"How many connections it reached"}}})";

#define MADANG_WHOM                                                                               \
    R"("user":{"type":"string"},"client":{"type":"string","description":"One connection's id"},)" \
    R"("session":{"type":"string","description":"One connection's session id"})"
#define MADANG_DATA                                                                                   \
    R"("data":{"description":"Any JSON value; goes to clients as it is written here"},)"              \
    R"("b64data":{"type":"string","description":"The same as base64 (RFC 4648 4); must hold JSON"},)" \
    R"("skip_history":{"type":"boolean","description":"Live only"},)"                                 \
    R"("tags":{"type":"object","additionalProperties":{"type":"string"}},)"                           \
    R"("idempotency_key":{"type":"string","maxLength":255,"description":)"                            \
    R"("A second publication with it within 5 minutes is answered like the first and not sent"},)"    \
    R"("delta":{"type":"boolean","description":"Without effect"},)"                                   \
    R"("version":{"type":"integer","description":"Without effect"},)"                                 \
    R"("version_epoch":{"type":"string","description":"Without effect"})"

constexpr api_method methods[] = {
    {"publish", api_right::publish, "Publish into a group",
     R"({"type":"object","required":["channel"],"properties":{
         "channel":{"$ref":"#/components/schemas/Channel"},)" MADANG_DATA "}}",
     R"({"type":"object","properties":{"offset":{"type":"integer"},"epoch":{"type":"string"}},
         "description":"Its position; empty where no history is kept"})",
     R"({"channel":"news:kr","data":{"text":"hello"},"idempotency_key":"k1","tags":{"lang":"ko"}})", publish},
    {"broadcast", api_right::publish, "Publish the same into several groups",
     R"({"type":"object","required":["channels"],"properties":{
         "channels":{"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/Channel"}},)" MADANG_DATA
     "}}",
     R"({"type":"object","required":["responses"],"properties":{"responses":{"type":"array",
         "description":"In the order of channels",
         "items":{"type":"object","properties":{"error":{"$ref":"#/components/schemas/Error"},
           "result":{"type":"object","properties":{"offset":{"type":"integer"},"epoch":{"type":"string"}}}}}}}})",
     R"({"channels":["news:kr","news:us"],"data":{"text":"hello"}})", broadcast},
    {"subscribe", api_right::manage, "Subscribe a user's connections to a group",
     R"({"type":"object","required":["channel"],"properties":{
         "channel":{"$ref":"#/components/schemas/Channel"},)" MADANG_WHOM R"(,
         "info":{"description":"Any JSON value: the member's chan_info"},
         "b64info":{"type":"string"},
         "data":{"description":"Any JSON value: told to the client"},"b64data":{"type":"string"},
         "expire_at":{"type":"integer","description":"Unix seconds; 0: never"},
         "recover_since":{"$ref":"#/components/schemas/StreamPosition"},
         "override":{"type":"object","description":"Without effect"}}})",
     reached_result, R"({"channel":"news:kr","user":"ada","info":{"role":"guest"}})",
     command<verb::subscribe>},
    {"unsubscribe", api_right::manage, "Unsubscribe a user's connections from a group, or from all",
     R"({"type":"object","properties":{
         "channel":{"type":"string","maxLength":255,"description":"Empty or missing: every group"},)" MADANG_WHOM
     "}}",
     reached_result, R"({"channel":"news:kr","user":"ada"})", command<verb::unsubscribe>},
    {"disconnect", api_right::manage, "Close a user's connections",
     R"({"type":"object","properties":{)" MADANG_WHOM R"(,
         "whitelist":{"type":"array","items":{"type":"string"},"description":"Connections that stay"},
         "disconnect":{"type":"object","properties":{
           "code":{"type":"integer","description":"3000-4999; missing or 0: 3503, and the client does not reconnect"},
           "reason":{"type":"string","maxLength":123}}}}})",
     reached_result, R"({"user":"ada","disconnect":{"code":4100,"reason":"moved"}})",
     command<verb::disconnect>},
    {"refresh", api_right::manage, "Prolong or end a user's connections",
     R"({"type":"object","properties":{)" MADANG_WHOM R"(,
         "expired":{"type":"boolean","description":"Close them with 3005, expired"},
         "expire_at":{"type":"integer","description":"Unix seconds; 0: never"},
         "info":{"description":"Without effect"}}})",
     reached_result, R"({"user":"ada","expire_at":2000000000})", command<verb::refresh>},
    {"presence", api_right::read, "Who is in a group",
     R"({"type":"object","required":["channel"],"properties":{
         "channel":{"$ref":"#/components/schemas/Channel"},
         "limit":{"type":"integer","description":"0 or missing: as many as one answer may have"},
         "after":{"type":"string","description":"Behind this connection's id: the next page"}}})",
     R"({"type":"object","required":["presence"],"properties":{
         "presence":{"type":"object","additionalProperties":{"$ref":"#/components/schemas/Member"},
           "description":"By connection id"},
         "more":{"type":"boolean","description":"There are others behind the last of these"}}})",
     R"({"channel":"news:kr"})", presence},
    {"presence_stats", api_right::read, "How many are in a group", group_only,
     R"({"type":"object","required":["num_clients","num_users"],"properties":{
         "num_clients":{"type":"integer"},
         "num_users":{"type":"integer","description":"A user's several connections are one"}}})",
     R"({"channel":"news:kr"})", presence_stats},
    {"last_seen", api_right::read, "When users who left a group were last in it",
     R"({"type":"object","required":["channel"],"properties":{
         "channel":{"$ref":"#/components/schemas/Channel"},
         "limit":{"type":"integer","description":"0 or missing: as many as one answer may have"}}})",
     R"({"type":"object","required":["users"],"properties":{"users":{"type":"array",
         "description":"The latest first; who is there is not among them",
         "items":{"type":"object","required":["user","time"],"properties":{
           "user":{"type":"string"},"time":{"type":"integer","description":"Unix milliseconds"}}}}}})",
     R"({"channel":"news:kr","limit":10})", last_seen},
    {"history", api_right::read, "What a group's stream keeps",
     R"({"type":"object","required":["channel"],"properties":{
         "channel":{"$ref":"#/components/schemas/Channel"},
         "limit":{"type":"integer","description":"0 or missing: the position only; negative: all"},
         "since":{"$ref":"#/components/schemas/StreamPosition"},
         "reverse":{"type":"boolean","description":"The latest first"}}})",
     R"({"type":"object","required":["publications","epoch","offset"],"properties":{
         "publications":{"type":"array","items":{"$ref":"#/components/schemas/Publication"}},
         "epoch":{"type":"string"},"offset":{"type":"integer","description":"Of the latest publication"},
         "more":{"type":"boolean","description":"The answer ended at a limit of the server: ask since its last"}}})",
     R"({"channel":"news:kr","limit":10,"since":{"epoch":"e1","offset":1}})", history},
    {"history_remove", api_right::manage, "Forget what a group's stream keeps", group_only, empty_result,
     R"({"channel":"news:kr"})", history_remove},
    {"channels", api_right::read, "Groups with members",
     R"({"type":"object","properties":{"pattern":{"type":"string","maxLength":255,
         "description":"A glob: * and ?; missing: all"},
         "limit":{"type":"integer","description":"At most so many: those with the most members"}}})",
     R"({"type":"object","required":["channels"],"properties":{
         "channels":{"type":"object","additionalProperties":{"type":"object","required":["num_clients"],
           "properties":{"num_clients":{"type":"integer"}}}},
         "more":{"type":"boolean","description":"There are others"}}})",
     R"({"pattern":"news:*"})", channels},
    {"info", api_right::read, "The nodes and their figures", R"({"type":"object"})",
     R"({"type":"object","required":["nodes"],"properties":{
         "nodes":{"type":"array","items":{"$ref":"#/components/schemas/Node"}}}})",
     "{}", info},
    {"backup", api_right::manage, "Make a backup of the running store, in a new folder in --backup-dir",
     R"({"type":"object","required":["name"],"properties":{
         "name":{"type":"string","pattern":"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$","description":"The folder's"}}})",
     R"({"type":"object","required":["folder"],"properties":{
         "folder":{"type":"string","description":"For madang store restore"}}})",
     R"({"name":"before-the-move"})", backup},
    {"batch", api_right::none, "Several commands in one request, in order or side by side",
     R"({"type":"object","required":["commands"],"properties":{
         "commands":{"type":"array","items":{"type":"object","minProperties":1,"maxProperties":1},
           "description":"{METHOD: {…}} each, any method but batch"},
         "parallel":{"type":"boolean","description":"Do not wait for one before beginning the next"}}})",
     R"({"type":"object","required":["replies"],"properties":{"replies":{"type":"array",
         "description":"In the order of commands: {METHOD: {…}} or {error: {…}} each",
         "items":{"type":"object","minProperties":1,"maxProperties":1}}}})",
     R"({"commands":[{"publish":{"channel":"news:kr","data":1}},{"presence_stats":{"channel":"news:kr"}}]})",
     batch},
};

#undef MADANG_WHOM
#undef MADANG_DATA

}  // namespace

std::span<const api_method> api_methods() { return methods; }

const api_method* find_api_method(std::string_view name) {
    const auto* found = std::find_if(std::begin(methods), std::end(methods),
                                     [&](const api_method& each) { return each.name == name; });
    return found == std::end(methods) ? nullptr : found;
}

}  // namespace madang
