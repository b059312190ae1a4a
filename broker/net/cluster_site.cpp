#include "broker/net/cluster_site.hpp"

#include <nlohmann/json.hpp>

#include "broker/core/base64.hpp"
#include "broker/core/log.hpp"
#include "broker/net/api_answer.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;

constexpr std::string_view root = "/api/cluster/";

struct wish {
    std::string node;
    bool flag = false;
    std::string word;  // bytes
};
struct operation {
    std::string_view name;
    bool needs_node;
    std::string_view flag;  // of its body; "": none
    bool has_word;          // base64url, in its body and its answer
    std::string_view summary, about_flag;
    void (*run)(cluster_port& node, wish what, cluster_port::told done);
};
// Of those that answer with nothing but that it was done.
cluster_port::answer plain(cluster_port::told done) {
    return [done = std::move(done)](std::optional<cluster_refusal> why) { done(std::move(why), {}); };
}
constexpr operation operations[] = {
    {"drain", false, "clients", false,
     "This node gives up what it owns and goes on serving who is there; /cluster says how much is left",
     "Its clients are told to connect elsewhere",
     [](auto& node, auto what, auto done) {
         node.drain(std::move(what.node), what.flag, plain(std::move(done)));
     }},
    {"resume", false, "", false, "A drained node is up again", "",
     [](auto& node, auto what, auto done) { node.resume(std::move(what.node), plain(std::move(done))); }},
    {"remove", true, "force", false, "A dead node will not come back before it is started anew",
     "Also one that lives: it ends as soon as it hears of it",
     [](auto& node, auto what, auto done) {
         node.remove(std::move(what.node), what.flag, plain(std::move(done)));
     }},
    {"adopt", true, "", true,
     "A word of `madang cluster adopt` to the node that takes a dead node's jobs, and its answer", "",
     [](auto& node, auto what, auto done) {
         node.adopt(std::move(what.node), std::move(what.word), std::move(done));
     }},
};

http_response refused(const cluster_refusal& why) {
    const auto code = why.status == 404      ? errc::not_found
                      : why.status == 501    ? errc::not_available
                      : why.reason == "busy" ? errc::busy
                      : why.status == 503    ? errc::draining
                                             : errc::bad_request;
    const json error{{"code", describe(code).wire_code}, {"message", why.text}, {"reason", why.reason}};
    return json_answer(why.status,
                       json{{"error", error}}.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

bool cluster_site::serves(std::string_view path) noexcept { return path.starts_with(root); }

http_answer cluster_site::handle(loop& on, http_request& request, const api_key_holder& who,
                                 reply_function reply) const {
    auto& counts = on.metrics();
    const auto refuse = [&](std::string_view reason, const error& why) {
        counts.add(labelled_counter::api_refused, reason);
        return refusal(describe(why.code).http_status, why);
    };
    const auto name = std::string_view(request.path).substr(root.size());
    const operation* found = nullptr;
    for (const auto& each : operations)
        if (each.name == name) found = &each;
    if (found == nullptr)
        return refuse("method", fail(errc::method_not_found, "GET /api/openapi.json has what there is"));
    if (!may(who.rights, api_right::manage))
        return refuse("right", fail(errc::permission_denied,
                                    "the key needs the right " + std::string(name_of(api_right::manage))));
    const auto asked =
        request.body.empty() ? json::object() : json::parse(request.body, nullptr, /*throw*/ false);
    if (!asked.is_object())
        return refuse("malformed", fail(errc::bad_request, "the body is no JSON object (RFC 8259, UTF-8)"));
    wish what;
    if (const auto at = asked.find("node"); at != asked.end()) {
        if (!at->is_string()) return refuse("malformed", fail(errc::bad_request, "node: takes a text"));
        what.node = at->get<std::string>();
    }
    if (found->needs_node && what.node.empty())
        return refuse("malformed", fail(errc::bad_request, "node: is missing"));
    if (const auto at = asked.find(found->flag); !found->flag.empty() && at != asked.end()) {
        if (!at->is_boolean())
            return refuse("malformed",
                          fail(errc::bad_request, std::string(found->flag) + ": takes true or false"));
        what.flag = at->get<bool>();
    }
    if (found->has_word) {
        const auto at = asked.find("word");
        auto bytes = at != asked.end() && at->is_string()
                         ? base64url_decode(at->get_ref<const std::string&>())
                         : std::nullopt;
        if (!bytes || bytes->empty())
            return refuse("malformed", fail(errc::bad_request, "word: takes base64url without padding"));
        what.word = std::move(*bytes);
    }
    counts.add(labelled_counter::api_requests, request.path);
    if (node_ == nullptr)
        return refused({501, "no_cluster", "this server is in no cluster (--cluster-listen)"});
    // Of words there are many.
    log(found->has_word ? log_level::debug : log_level::info, "cluster.asked",
        {{"what", found->name}, {"node", what.node}, {"key", who.name}});
    found->run(
        *node_, std::move(what),
        [reply, has_word = found->has_word](std::optional<cluster_refusal> why, std::string word) {
            if (why) return reply(refused(*why));
            reply(json_answer(200, has_word ? "{\"result\":{\"word\":\"" + base64url_encode(word) + "\"}}"
                                            : "{\"result\":{}}"));
        });
    return awaiting_reply{timeout_};
}

std::string with_cluster(const std::string& document) {
    auto all = json::parse(document);
    const auto content = [](json schema) {
        return json{{"application/json", {{"schema", std::move(schema)}}}};
    };
    for (const auto& each : operations) {
        json members{{"node", {{"type", "string"}}}};
        if (!each.flag.empty())
            members[std::string(each.flag)] = {{"type", "boolean"}, {"description", each.about_flag}};
        const json word{{"type", "string"}, {"description", "base64url without padding"}};
        if (each.has_word) members["word"] = word;
        json body{{"type", "object"}, {"properties", std::move(members)}};
        if (each.needs_node) body["required"] = {"node"};
        if (each.has_word) body["required"].push_back("word");
        json answered{{"type", "object"}};
        if (each.has_word) answered["properties"]["word"] = word;
        const json done{
            {"type", "object"}, {"required", {"result"}}, {"properties", {{"result", std::move(answered)}}}};
        all["paths"][std::string(root) + std::string(each.name)]["post"] = {
            {"operationId", "cluster_" + std::string(each.name)},
            {"summary", each.summary},
            {"description", "Needs the right: " + std::string(name_of(api_right::manage))},
            {"requestBody", {{"required", each.needs_node}, {"content", content(std::move(body))}}},
            {"responses",
             {{"200", {{"description", "Done"}, {"content", content(done)}}},
              {"default",
               {{"description", "Why not: error.reason has it by name"},
                {"content", content({{"$ref", "#/components/schemas/Failure"}})}}}}}};
    }
    return all.dump(2) + "\n";
}

}  // namespace madang
