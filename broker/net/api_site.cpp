#include "broker/net/api_site.hpp"

#include <vector>

#include "broker/core/log.hpp"
#include "broker/net/api_answer.hpp"
#include "broker/net/jobs_openapi.hpp"
#include "broker/protocol/api_codec.hpp"
#include "broker/protocol/json_members.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::string_view root = "/api";

// An answer to one command. `bare`: the result is the whole answer.
http_response answer_to(const result<std::string>& outcome, bool bare, bool transport) {
    if (!outcome)
        return refusal(transport ? describe(outcome.error().code).http_status : 200, outcome.error());
    return json_answer(200, bare ? *outcome : "{\"result\":" + *outcome + "}");
}

// Which of madang_api_refused_total's reasons it is; "" for another error.
std::string_view refused_for(errc code) {
    switch (code) {
        case errc::permission_denied:
            return "right";
        case errc::limit_exceeded:
            return "limit";
        case errc::bad_request:
            return "malformed";
        case errc::method_not_found:
            return "method";
        default:
            return {};
    }
}

}  // namespace

api_site::api_site(parts all)
    : streams_(all.streams),
      keys_(all.keys),
      limits_(all.limits),
      timeout_(all.timeout),
      openapi_(all.jobs == nullptr ? api_openapi(all.version) : with_jobs(api_openapi(all.version))),
      jobs_(all.jobs),
      cluster_(all.cluster),
      back_up_(std::move(all.back_up)) {
    if (cluster_ != nullptr) openapi_ = with_cluster(openapi_);
}

bool api_site::serves(std::string_view path) noexcept {
    return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

http_answer api_site::handle(loop& on, http_request& request, reply_function reply) {
    const auto allow = [](std::string_view methods) {
        auto response = refusal(405, fail(errc::method_not_allowed));
        response.set("Allow", methods);
        return response;
    };
    if (request.path == "/api/openapi.json") {
        if (request.method != "GET" && request.method != "HEAD") return allow("GET, HEAD");
        return json_answer(200, openapi_);
    }
    if (request.method != "POST" && !about_jobs(request)) return allow("POST");

    const auto key = api_key_of(request.header("x-api-key"), request.header("authorization"), request.query);
    const auto& keys = keys_.now();
    const auto* holder = keys.find(key);
    if (holder == nullptr) {
        const auto reason = keys.empty() ? "no_keys" : key.empty() ? "key_missing" : "key";
        log_info("api.refused", {{"reason", reason}, {"request_id", request.request_id}});
        on.metrics().add(labelled_counter::api_refused, reason);
        auto response = refusal(
            401,
            fail(errc::unauthorized,
                 keys.empty()  ? "this server has no API key; give it one with --api-key or MADANG_API_KEYS "
                                 "(NAME:RIGHTS:KEY)"
                 : key.empty() ? "no key; send it as X-API-Key: KEY or Authorization: apikey KEY"
                               : "the key is none of this server's"));
        response.set("WWW-Authenticate", "apikey");
        return response;
    }
    return answer(on, request, *holder, std::move(reply));
}

bool api_site::about_jobs(const http_request& request) const {
    return jobs_ != nullptr && jobs_site::serves(request.path);
}

http_answer api_site::answer(loop& on, http_request& request, const api_key_holder& who,
                             reply_function reply) {
    auto& counts = on.metrics();
    const auto refuse = [&](unsigned status, std::string_view reason, error why) {
        counts.add(labelled_counter::api_refused, reason);
        return refusal(status, why);
    };
    log_debug("api.request", {{"key", who.name}, {"path", request.path}, {"request_id", request.request_id}});

    if (about_jobs(request)) return jobs_->handle(on, request, who, std::move(reply));
    if (cluster_ != nullptr && cluster_site::serves(request.path))
        return cluster_->handle(on, request, who, std::move(reply));

    const auto task = std::make_shared<api_request>(
        api_request{.streams = streams_,
                    .limits = limits_,
                    .rights = who.rights,
                    .body = std::move(request.body),
                    .note =
                        [&counts](const api_method* method, const error* wrong) {
                            if (method != nullptr) counts.add(labelled_counter::api_requests, method->name);
                            if (wrong == nullptr) return;
                            if (method != nullptr) counts.add(labelled_counter::api_errors, method->name);
                            if (const auto reason = refused_for(wrong->code); !reason.empty())
                                counts.add(labelled_counter::api_refused, reason);
                        },
                    .back_up = back_up_});
    const bool transport = request.header("x-centrifugo-error-mode") == "transport";
    const auto name = std::string_view(request.path).substr(std::min(request.path.size(), root.size() + 1));
    if (name.empty()) return several(task, transport, reply);

    const auto* method = find_api_method(name);
    if (method == nullptr)
        return refuse(
            404, "method",
            fail(errc::method_not_found, "there is no such method; GET /api/openapi.json has them"));
    if (task->body.empty()) task->body = "{}";
    if (!valid_json(task->body))
        return refuse(400, "malformed", fail(errc::bad_request, "the body is not JSON (RFC 8259, UTF-8)"));
    if (!may(who.rights, method->needs)) {
        http_response forbidden;
        run_api_method(
            *method, task, task->body, limits_.answer_bytes,
            [&](const result<std::string>& outcome) { forbidden = refusal(403, outcome.error()); });
        return forbidden;
    }
    return one(*method, task, transport, reply);
}

http_answer api_site::one(const api_method& method, const std::shared_ptr<const api_request>& task,
                          bool transport, const reply_function& reply) const {
    run_api_method(method, task, task->body, limits_.answer_bytes,
                   [reply, transport, bare = method.name == "batch"](const result<std::string>& outcome) {
                       reply(answer_to(outcome, bare, transport));
                   });
    return awaiting_reply{timeout_};
}

http_answer api_site::several(const std::shared_ptr<const api_request>& task, bool transport,
                              const reply_function& reply) const {
    auto decoded = decode_calls(task->body, limits_.batch);
    if (!decoded) {
        const auto why = decoded.error();
        task->note(nullptr, &why);
        return refusal(why.code == errc::bad_request ? 400
                       : transport                   ? describe(why.code).http_status
                                                     : 200,
                       why);
    }
    struct state {
        std::vector<api_call> calls;
        std::string text;
        unsigned status = 200;
    };
    auto all = std::make_shared<state>();
    all->calls = std::move(*decoded);
    for_each_api_call(
        all->calls.size(), 1,
        [task, all, transport](std::size_t i, std::function<void()> next) {
            const auto& call = all->calls[i];
            api_done done = [all, i, transport, next = std::move(next)](const result<std::string>& outcome) {
                auto& text = all->text;
                if (i != 0) text += '\n';
                text += '{';
                if (!all->calls[i].id.empty()) text.append("\"id\":").append(all->calls[i].id).append(",");
                text += outcome ? "\"result\":" + *outcome : "\"error\":" + encode(outcome.error());
                text += '}';
                if (!outcome && all->calls.size() == 1) {
                    const auto code = outcome.error().code;
                    if (transport || code == errc::method_not_found || code == errc::permission_denied)
                        all->status = describe(code).http_status;
                }
                next();
            };
            const auto* method = find_api_method(call.method);
            const auto room = task->limits.answer_bytes;
            std::optional<error> why;
            if (method == nullptr)
                why = fail(errc::method_not_found, "there is no such method");
            else if (all->text.size() >= room)
                why = fail(errc::limit_exceeded,
                           "the answer is as large as may be (api-answer-bytes); this command was not "
                           "carried out");
            if (why) {
                task->note(method, &*why);
                return done(*why);
            }
            run_api_method(*method, task, call.params, room - all->text.size(), std::move(done));
        },
        [all, reply] { reply(json_answer(all->status, std::move(all->text))); });
    return awaiting_reply{timeout_};
}

}  // namespace madang
