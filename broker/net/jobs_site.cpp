#include "broker/net/jobs_site.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/core/option_parse.hpp"
#include "broker/core/percent.hpp"
#include "broker/jobs/job_json.hpp"
#include "broker/jobs/job_values.hpp"
#include "broker/net/api_answer.hpp"
#include "broker/protocol/api_codec.hpp"
#include "broker/protocol/json_members.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

http_response refusal(const error& why) { return madang::refusal(describe(why.code).http_status, why); }

// One request as the operations see it.
struct call {
    job_port& jobs;
    http_request& request;
    const jobs_site::parts& limits;
    std::vector<std::string> named;  // what stands for {…} in the path
    reply_function reply;
    std::chrono::milliseconds longer{0};  // that the answer may take

    std::optional<std::string> query(std::string_view name) const { return query_value(request.query, name); }
    // A member of the body, as it was written.
    std::optional<std::string_view> member(std::string_view name) const {
        return member_of(request.body, name);
    }
};

using outcome = std::optional<error>;  // what is wrong with the request; nothing: it is answered later

template <class T, class Encode>
job_port::answer<T> answering(const call& what, Encode encode_it, unsigned status = 200) {
    return [reply = what.reply, encode_it, status](result<T> got) {
        reply(got ? json_answer(status, encode_it(*got)) : refusal(got.error()));
    };
}
constexpr auto as_json = [](const auto& what) { return to_json(what); };

template <class T>
std::string list_of(std::string_view name, const std::vector<T>& all) {
    std::string text = "{\"" + std::string(name) + "\":[";
    for (std::size_t i = 0; i < all.size(); ++i) text.append(i == 0 ? "" : ",").append(to_json(all[i]));
    return text + "]}";
}
auto listing(std::string_view name) {
    return [name](const auto& all) { return list_of(name, all); };
}
auto counting(std::string_view name) {
    return
        [name](std::size_t count) { return "{\"" + std::string(name) + "\":" + std::to_string(count) + "}"; };
}

error wrong(std::string_view name, std::string_view what) {
    return fail(errc::bad_request, std::string(name) + ": " + std::string(what));
}

outcome enqueue(call& what) {
    auto& body = what.request.body;
    enqueue_request asked;
    asked.idempotency_key = std::string(what.request.header("idempotency-key"));
    asked.correlation_id = what.request.request_id;
    if (const auto how = what.query("durability"); how && *how == "synced")
        asked.how = durability::synced;
    else if (how && *how == "buffered")
        asked.how = durability::buffered;
    else if (how)
        return wrong("durability", "takes buffered or synced");
    const auto several = json_elements(body);
    if (several)
        asked.jobs.assign(several->begin(), several->end());
    else
        asked.jobs.push_back(std::move(body));
    what.jobs.enqueue(std::move(asked), answering<enqueued>(
                                            what,
                                            [several = several.has_value()](const enqueued& got) {
                                                auto text = to_json(got);
                                                if (several || got.jobs.size() != 1) return text;
                                                // One is asked for, one is told: its members stand at the top
                                                // too.
                                                text.pop_back();
                                                text += ",\"id\":";
                                                append_json_string(text, got.jobs.front().id);
                                                return text + "}";
                                            },
                                            202));
    return {};
}

outcome find(call& what) {
    std::chrono::milliseconds wait{0};
    if (const auto text = what.query("wait")) {
        const auto us = parse_duration(*text, std::chrono::seconds(1));
        if (!us) return wrong("wait", "takes a duration such as 10s");
        wait = std::min(std::chrono::milliseconds(*us / 1000), what.limits.wait);
    }
    what.longer = wait;
    what.jobs.find(what.named.at(0), wait,
                   answering<job_view>(what, [](const job_view& got) { return to_json(got, true); }));
    return {};
}

outcome list(call& what) {
    job_filter filter;
    filter.queue = what.query("queue").value_or("");
    filter.task = what.query("task").value_or("");
    filter.text = what.query("text").value_or("");
    filter.after = what.query("after").value_or("");
    filter.dead = what.query("dead").value_or("") == "true";
    if (const auto state = what.query("state")) {
        constexpr std::pair<std::string_view, job_state> states[] = {
            {"waiting", job_state::waiting},   {"scheduled", job_state::scheduled},
            {"ready", job_state::ready},       {"parked", job_state::parked},
            {"running", job_state::leased},    {"success", job_state::success},
            {"failure", job_state::failure},   {"revoked", job_state::revoked},
            {"rejected", job_state::rejected}, {"ignored", job_state::ignored}};
        const auto* found = std::find_if(std::begin(states), std::end(states),
                                         [&](const auto& each) { return each.first == *state; });
        if (found == std::end(states))
            return wrong(
                "state",
                "takes waiting, scheduled, ready, parked, running, success, failure, revoked, rejected or "
                "ignored");
        filter.state = found->second;
    }
    if (const auto limit = what.query("limit")) {
        const auto count = parse_count(*limit);
        if (!count || *count == 0) return wrong("limit", "takes a number from 1");
        filter.limit = static_cast<std::size_t>(*count);
    }
    filter.limit = std::min(filter.limit, what.limits.page);
    what.jobs.list(std::move(filter), answering<job_page>(what, as_json));
    return {};
}

// "ids":[…], or "ids":"*" where `all` may be meant.
result<std::vector<std::string>> ids_of(const call& what, bool all) {
    const auto given = what.member("ids");
    if (!given) return wrong("ids", "is missing");
    if (all)
        if (const auto text = json_string(*given); text && *text == "*") return std::vector<std::string>{"*"};
    std::vector<std::string> ids;
    const auto each = json_elements(*given);
    if (!each) return wrong("ids", all ? "takes an array of ids, or \"*\"" : "takes an array of ids");
    for (const auto& id : *each) {
        auto text = json_string(id);
        if (!text) return wrong("ids", "takes texts");
        ids.push_back(std::move(*text));
    }
    return ids;
}

outcome cancel(call& what, std::vector<std::string> ids) {
    std::string reason;
    if (const auto given = what.member("reason")) {
        const auto text = json_string(*given);
        if (!text) return wrong("reason", "takes a text");
        reason = *text;
    }
    what.jobs.cancel(std::move(ids), std::move(reason), answering<std::size_t>(what, counting("cancelled")));
    return {};
}
outcome cancel_one(call& what) { return cancel(what, {what.named.at(0)}); }
outcome cancel_several(call& what) {
    auto ids = ids_of(what, false);
    return ids ? cancel(what, std::move(*ids)) : outcome(ids.error());
}
outcome requeue(call& what) {
    auto ids = ids_of(what, true);
    if (!ids) return ids.error();
    what.jobs.requeue(std::move(*ids), answering<std::size_t>(what, counting("requeued")));
    return {};
}
outcome discard(call& what) {
    auto ids = ids_of(what, true);
    if (!ids) return ids.error();
    what.jobs.discard(std::move(*ids), answering<std::size_t>(what, counting("discarded")));
    return {};
}

outcome queues(call& what) {
    what.jobs.queues(answering<std::vector<queue_view>>(what, listing("queues")));
    return {};
}
// What stands for {name} in the path, where it can be a queue's.
outcome no_queue(const call& what) {
    if (valid_job_name(what.named.at(0))) return {};
    return wrong("queue", "takes a name: 1-255 bytes of printable ASCII without space");
}
outcome pause(call& what, bool paused) {
    if (auto why = no_queue(what)) return why;
    what.jobs.pause(what.named.at(0), paused, answering<bool>(what, [paused](bool was) {
                        return "{\"paused\":"s + (paused ? "true" : "false") +
                               ",\"was_paused\":" + (was ? "true" : "false") + "}";
                    }));
    return {};
}
outcome pause_queue(call& what) { return pause(what, true); }
outcome resume_queue(call& what) { return pause(what, false); }
outcome purge(call& what) {
    if (auto why = no_queue(what)) return why;
    what.jobs.purge(what.named.at(0), answering<std::size_t>(what, counting("revoked")));
    return {};
}
outcome workers(call& what) {
    what.jobs.workers(answering<std::vector<worker_view>>(what, listing("workers")));
    return {};
}
outcome tasks(call& what) {
    what.jobs.tasks(answering<std::vector<task_options>>(what, listing("tasks")));
    return {};
}
outcome schedules(call& what) {
    what.jobs.schedules(answering<std::vector<schedule_view>>(what, listing("schedules")));
    return {};
}
outcome put_schedule(call& what) {
    what.jobs.put_schedule(what.named.at(0), std::move(what.request.body),
                           answering<schedule_view>(what, as_json));
    return {};
}
outcome remove_schedule(call& what) {
    auto& name = what.named.at(0);
    what.jobs.remove_schedule(name, [reply = what.reply, name](result<bool> got) {
        if (got && *got) return reply(json_answer(200, "{\"removed\":true}"));
        reply(refusal(got ? fail(errc::not_found, "there is no schedule " + name) : got.error()));
    });
    return {};
}
outcome next_of(call& what, std::string name, std::string json) {
    std::size_t count = 5;
    if (const auto text = what.query("count")) {
        const auto given = parse_count(*text);
        if (!given || *given == 0 || *given > 1000) return wrong("count", "takes a number from 1 to 1000");
        count = static_cast<std::size_t>(*given);
    }
    what.jobs.next_fires(std::move(name), std::move(json), count,
                         answering<std::vector<std::int64_t>>(what, [](const std::vector<std::int64_t>& all) {
                             std::string text = "{\"next\":[";
                             for (std::size_t i = 0; i < all.size(); ++i)
                                 text.append(i == 0 ? "" : ",").append(std::to_string(all[i]));
                             return text + "]}";
                         }));
    return {};
}
outcome next_fires(call& what) { return next_of(what, what.named.at(0), {}); }
outcome preview(call& what) { return next_of(what, {}, std::move(what.request.body)); }

struct row {
    jobs_site::operation shown;
    outcome (*run)(call&);
};

constexpr auto ids_schema =
    R"({"type":"object","required":["ids"],"properties":{"ids":{"oneOf":[{"type":"array","items":{"type":"string"}},{"type":"string","enum":["*"]}]},"reason":{"type":"string"}}})"sv;

// What the answers are: schemas of the document that api_openapi makes.
const row rows[] = {
    {{"POST", "/api/jobs", api_right::enqueue,
      "Enqueue a job or workflow, or an array of them: all or none. The header Idempotency-Key: a second "
      "request with it within 5 minutes is answered as the first",
      "durability:buffered or synced; the server's option where it is missing",
      R"({"oneOf":[{"$ref":"#/components/schemas/Work"},{"type":"array","items":{"$ref":"#/components/schemas/Work"}}]})",
      R"({"$ref":"#/components/schemas/Enqueued"})", 202},
     &enqueue},
    {{"GET", "/api/jobs", api_right::read, "Jobs, the newest first",
      "state:waiting, scheduled, ready, parked, running, success, failure, revoked, rejected or "
      "ignored|dead:true for dead letters|queue:its name|task:its name|text:in id, task, arguments or "
      "error|limit:at most so many|after:the page before's next",
      "",
      R"({"type":"object","required":["jobs"],"properties":{"jobs":{"type":"array","items":{"$ref":"#/components/schemas/Job"}},"next":{"type":"string"}}})",
      200},
     &list},
    {{"GET", "/api/jobs/{id}", api_right::read, "What is known of a job",
      "wait:a duration such as 10s: waits for its end so long at most", "",
      R"({"$ref":"#/components/schemas/Job"})", 200},
     &find},
    {{"POST", "/api/jobs/{id}/cancel", api_right::manage,
      "Cancel a job, wherever it is, or all of a workflow by the id that it was answered with", "",
      R"({"type":"object","properties":{"reason":{"type":"string"}}})",
      R"({"type":"object","required":["cancelled"],"properties":{"cancelled":{"type":"integer"}}})", 200},
     &cancel_one},
    {{"POST", "/api/jobs/cancel", api_right::manage, "Cancel several", "", ids_schema,
      R"({"type":"object","required":["cancelled"],"properties":{"cancelled":{"type":"integer"}}})", 200},
     &cancel_several},
    {{"POST", "/api/jobs/requeue", api_right::manage, "Dead letters back to their queues", "", ids_schema,
      R"({"type":"object","required":["requeued"],"properties":{"requeued":{"type":"integer"}}})", 200},
     &requeue},
    {{"POST", "/api/jobs/discard", api_right::manage, "Forget dead letters", "", ids_schema,
      R"({"type":"object","required":["discarded"],"properties":{"discarded":{"type":"integer"}}})", 200},
     &discard},
    {{"GET", "/api/queues", api_right::read, "Queues and their depths", "", "",
      R"({"type":"object","required":["queues"],"properties":{"queues":{"type":"array","items":{"$ref":"#/components/schemas/Queue"}}}})",
      200},
     &queues},
    {{"POST", "/api/queues/{name}/pause", api_right::manage, "Begin none of its jobs until it is resumed", "",
      "",
      R"({"type":"object","required":["paused"],"properties":{"paused":{"type":"boolean"},"was_paused":{"type":"boolean"}}})",
      200},
     &pause_queue},
    {{"POST", "/api/queues/{name}/resume", api_right::manage, "Go on with its jobs", "", "",
      R"({"type":"object","required":["paused"],"properties":{"paused":{"type":"boolean"},"was_paused":{"type":"boolean"}}})",
      200},
     &resume_queue},
    {{"POST", "/api/queues/{name}/purge", api_right::manage, "Revoke all that has not begun", "", "",
      R"({"type":"object","required":["revoked"],"properties":{"revoked":{"type":"integer"}}})", 200},
     &purge},
    {{"GET", "/api/workers", api_right::read, "Workers", "", "",
      R"({"type":"object","required":["workers"],"properties":{"workers":{"type":"array","items":{"$ref":"#/components/schemas/Worker"}}}})",
      200},
     &workers},
    {{"GET", "/api/tasks", api_right::read, "Tasks that plugins have", "", "",
      R"({"type":"object","required":["tasks"],"properties":{"tasks":{"type":"array","items":{"$ref":"#/components/schemas/Task"}}}})",
      200},
     &tasks},
    {{"GET", "/api/schedules", api_right::read, "Schedules", "", "",
      R"({"type":"object","required":["schedules"],"properties":{"schedules":{"type":"array","items":{"$ref":"#/components/schemas/Schedule"}}}})",
      200},
     &schedules},
    {{"POST", "/api/schedules/next", api_right::read, "When a schedule would fire, without keeping it",
      "count:fires, 5 where it is missing", R"({"type":"object"})",
      R"({"type":"object","required":["next"],"properties":{"next":{"type":"array","items":{"type":"integer","description":"Unix milliseconds"}}}})",
      200},
     &preview},
    {{"GET", "/api/schedules/{name}/next", api_right::read, "When a schedule fires next",
      "count:fires, 5 where it is missing", "",
      R"({"type":"object","required":["next"],"properties":{"next":{"type":"array","items":{"type":"integer","description":"Unix milliseconds"}}}})",
      200},
     &next_fires},
    {{"PUT", "/api/schedules/{name}", api_right::manage, "Make or change a schedule", "",
      R"({"type":"object"})", R"({"$ref":"#/components/schemas/Schedule"})", 200},
     &put_schedule},
    {{"DELETE", "/api/schedules/{name}", api_right::manage, "Remove a schedule", "", "",
      R"({"type":"object","required":["removed"],"properties":{"removed":{"type":"boolean"}}})", 200},
     &remove_schedule},
};

std::vector<std::string_view> segments(std::string_view path) {
    std::vector<std::string_view> all;
    for (std::size_t at = 1; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        all.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return all;
}

// What stands for the names in braces, percent-decoded; nothing: another path.
std::optional<std::vector<std::string>> fits(std::string_view pattern,
                                             const std::vector<std::string_view>& path) {
    const auto parts = segments(pattern);
    if (parts.size() != path.size()) return std::nullopt;
    std::vector<std::string> named;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (!parts[i].starts_with('{')) {
            if (parts[i] != path[i]) return std::nullopt;
            continue;
        }
        auto text = percent_decode(path[i]);
        if (!text || text->empty()) return std::nullopt;
        named.push_back(std::move(*text));
    }
    return named;
}

}  // namespace

bool jobs_site::serves(std::string_view path) noexcept {
    for (const auto root :
         {"/api/jobs"sv, "/api/queues"sv, "/api/workers"sv, "/api/tasks"sv, "/api/schedules"sv})
        if (path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/')) return true;
    return false;
}

std::span<const jobs_site::operation> jobs_site::operations() {
    static const auto all = [] {
        std::vector<operation> list;
        for (const auto& each : rows) list.push_back(each.shown);
        return list;
    }();
    return all;
}

http_answer jobs_site::handle(loop& on, http_request& request, const api_key_holder& who,
                              reply_function reply) const {
    auto& counts = on.metrics();
    const auto refuse = [&](std::string_view reason, const error& why) {
        counts.add(labelled_counter::api_refused, reason);
        return refusal(why);
    };
    const auto path = segments(request.raw_path);
    std::string allowed;
    // Rows without names come before those with them, so that /api/jobs/cancel is not a job's.
    for (const auto& each : rows) {
        auto named = fits(each.shown.path, path);
        if (!named) continue;
        if (each.shown.method != request.method &&
            !(each.shown.method == "GET" && request.method == "HEAD")) {
            if (allowed.find(each.shown.method) == allowed.npos)
                allowed.append(allowed.empty() ? "" : ", ").append(each.shown.method);
            continue;
        }
        if (!may(who.rights, each.shown.needs))
            return refuse("right", fail(errc::permission_denied,
                                        "the key needs the right " + std::string(name_of(each.shown.needs))));
        if (!each.shown.body.empty()) {
            if (request.body.empty()) request.body = "{}";
            if (!valid_json(request.body))
                return refuse("malformed", fail(errc::bad_request, "the body is not JSON (RFC 8259, UTF-8)"));
        }
        counts.add(labelled_counter::api_requests, each.shown.path);
        call what{parts_.jobs, request, parts_, std::move(*named), std::move(reply)};
        if (const auto why = each.run(what)) return refuse("malformed", *why);
        return awaiting_reply{parts_.timeout + what.longer};
    }
    if (allowed.empty())
        return refuse("method", fail(errc::not_found, "GET /api/openapi.json has what there is"));
    auto response = refuse("method", fail(errc::method_not_allowed));
    response.set("Allow", allowed);
    return response;
}

}  // namespace madang
