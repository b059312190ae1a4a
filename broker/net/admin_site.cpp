#include "broker/net/admin_site.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <memory>
#include <utility>

#include "broker/core/log.hpp"
#include "broker/core/percent.hpp"
#include "broker/net/api_answer.hpp"
#include "broker/protocol/json_members.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::string_view root = "/admin";
constexpr std::size_t log_answer = 300;  // lines of the log

// Stricter than what the public site's pages have: this one needs nothing but its own files.
constexpr std::string_view content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

// What the page may ask of the server API: these, and nothing else that its key could.
struct operation {
    std::string_view method, path;  // '*': one segment
    std::string_view action;        // that changes something, as in log and metric; "": it reads
};
constexpr operation operations[] = {
    {"POST", "/api/info", ""},
    {"POST", "/api/channels", ""},
    {"POST", "/api/presence", ""},
    {"POST", "/api/history", ""},
    {"GET", "/api/jobs", ""},
    {"GET", "/api/jobs/*", ""},
    {"GET", "/api/queues", ""},
    {"GET", "/api/workers", ""},
    {"GET", "/api/schedules", ""},
    {"GET", "/api/schedules/*/next", ""},
    {"POST", "/api/jobs/*/cancel", "job_cancel"},
    {"POST", "/api/jobs/requeue", "job_requeue"},
    {"POST", "/api/jobs/discard", "job_discard"},
    {"POST", "/api/queues/*/pause", "queue_pause"},
    {"POST", "/api/queues/*/resume", "queue_resume"},
};

// What stands for '*', as it is written, or ""; nothing: another path.
std::optional<std::string_view> fits(std::string_view pattern, std::string_view path) {
    const auto star = pattern.find('*');
    if (star == pattern.npos) return pattern == path ? std::optional<std::string_view>("") : std::nullopt;
    const auto before = pattern.substr(0, star), behind = pattern.substr(star + 1);
    if (path.size() <= before.size() + behind.size() || !path.starts_with(before) || !path.ends_with(behind))
        return std::nullopt;
    const auto named = path.substr(before.size(), path.size() - before.size() - behind.size());
    return named.find('/') == named.npos ? std::optional(named) : std::nullopt;
}

// A text of the body, which is a JSON object; "": there is none of that name.
std::string text_of(std::string_view body, std::string_view name) {
    const auto found = member_of(body, name);
    return found ? json_string(*found).value_or("") : "";
}

// "ids" of a body, for the log, which cuts it.
std::string ids_of(std::string_view body) {
    const auto found = member_of(body, "ids");
    const auto ids = found ? json_elements(*found) : std::nullopt;
    if (!ids) return text_of(body, "ids");
    std::string text;
    for (const auto& id : *ids) {
        if (text.size() > log_value_bytes) break;
        text.append(text.empty() ? "" : ",").append(json_string(id).value_or("?"));
    }
    return text;
}

std::string cookie_name(const http_request& request) {
    return "madang_admin_" + request.server_port;  // cookies do not tell ports apart
}

std::string cookie_of(const http_request& request, std::string_view id) {
    auto text = cookie_name(request) + "=" + std::string(id) + "; Path=/admin; HttpOnly; SameSite=Strict";
    if (id.empty()) text += "; Max-Age=0";
    // A proxy that speaks TLS in front of this listener is known by what the browser says of its page.
    if (request.header("origin").starts_with("https://")) text += "; Secure";
    return text;
}

// Written whatever log-level says: it is an audit log.
void audit(std::string_view event, log_fields fields) { write_log(log_level::info, event, fields); }

http_response refuse(loop& on, const http_request& request, unsigned status, std::string_view reason,
                     const error& why) {
    on.metrics().add(labelled_counter::admin_refused, reason);
    audit("admin.refused",
          {{"reason", reason}, {"client", request.client.address}, {"request_id", request.request_id}});
    return refusal(status, why);
}

}  // namespace

bool admin_site::serves(std::string_view path) noexcept {
    return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

http_answer admin_site::handle(loop& on, http_request& request, reply_function reply) {
    const auto rest = std::string_view(request.path).substr(root.size());
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const bool about_session = rest == "/session";
    if (!about_session && !rest.starts_with("/api/")) return page(request);

    auto who = who_is(on, request);
    if (about_session && reads) return json_answer(200, shown(who ? &who->session : nullptr));
    if (!reads && !from_this_page(request))
        return refuse(
            on, request, 403, "origin",
            fail(errc::permission_denied, "the request does not come from this server's admin page"));
    if (about_session && request.method == "POST") return sign_in(on, request);
    if (!who)
        return refuse(on, request, 401, "session",
                      fail(errc::unauthorized, "nobody is signed in, or no longer: sign in again"));
    if (!reads && !who->session.shows(request.header("x-csrf-token")))
        return refuse(
            on, request, 403, "token",
            fail(errc::permission_denied, "the session's token (X-CSRF-Token) is missing or wrong"));
    if (!about_session) return ask_api(on, request, *who, std::move(reply));
    if (request.method == "DELETE") return sign_out(on, request, *who);
    auto response = refusal(405, fail(errc::method_not_allowed));
    response.set("Allow", "GET, HEAD, POST, DELETE");
    return response;
}

std::optional<admin_site::visitor> admin_site::who_is(loop& on, const http_request& request) {
    const auto name = cookie_name(request);
    for (auto& [key, id] : parse_cookies(request.header("cookie")))
        if (key == name)
            if (auto found = sessions_.find(id, on.now())) {
                const auto* holder = parts_.keys.now().find(found->who);
                if (holder == nullptr || !may(holder->rights, api_right::read)) {
                    sessions_.close(id);
                    continue;
                }
                found->who = *holder;
                return visitor{std::move(id), std::move(*found)};
            }
    return std::nullopt;
}

// Its host and port are what counts: of the scheme a proxy in front of this listener says nothing.
bool admin_site::from_this_page(const http_request& request) const {
    const auto origin = request.header("origin");
    const auto page = web_origin::parse(origin);
    return page && same_origin_.allows(origin, page->scheme, request.header("host"));
}

http_answer admin_site::page(http_request& request) const {
    if (!parts_.files)
        return error_response(404, "the admin page is not installed (share/madang/admin beside the binary)",
                              request.request_id);
    if (request.method != "GET" && request.method != "HEAD") {
        auto response = error_response(405, "the address does not know that method", request.request_id);
        response.set("Allow", "GET, HEAD");
        return response;
    }
    http_response response;
    if (request.path == root) {
        response.status = 308;
        response.set("Location", "/admin/");
        return response;
    }
    auto within = request;
    within.path = within.raw_path = request.path.substr(root.size());
    auto found = parts_.files->serve(within);
    if (!found) return error_response(404, "there is nothing at that address", request.request_id);
    std::erase_if(found->headers, [](const auto& each) { return each.first == "Content-Security-Policy"; });
    found->set("Content-Security-Policy", content_policy);
    found->set("Referrer-Policy", "no-referrer");
    return std::move(*found);
}

std::string admin_site::shown(const admin_session* session) const {
    if (session == nullptr)
        return std::string("{\"signed_in\":false,\"keys\":") +
               (parts_.keys.now().empty() ? "false" : "true") + "}";
    std::string rights;
    for (const auto each : {api_right::read, api_right::publish, api_right::manage, api_right::enqueue})
        if (may(session->who.rights, each))
            rights.append(rights.empty() ? "\"" : ",\"").append(name_of(each)).append("\"");
    return "{\"signed_in\":true,\"name\":\"" + session->who.name + "\",\"rights\":[" + rights +
           "],\"token\":\"" + session->token + "\",\"cluster\":" + (parts_.cluster ? "true" : "false") + "}";
}

http_answer admin_site::sign_in(loop& on, http_request& request) {
    const bool may_try = [&] {
        const std::lock_guard lock(mutex_);
        return tries_.take(on.now());
    }();
    if (!may_try) {
        auto response =
            refuse(on, request, 429, "limit", fail(errc::limit_exceeded, "too many tries: wait a moment"));
        response.set("Retry-After", "1");
        return response;
    }
    const auto* holder = parts_.keys.now().find(text_of(request.body, "key"));
    if (holder == nullptr)
        return refuse(on, request, 401, "key", fail(errc::unauthorized, "the key is none of this server's"));
    if (!may(holder->rights, api_right::read))
        return refuse(on, request, 403, "right",
                      fail(errc::permission_denied, "the key needs the right read"));
    const auto made = sessions_.open(*holder, on.now());
    on.metrics().add(labelled_counter::admin_actions, "sign_in");
    audit("admin.signed_in",
          {{"key", holder->name}, {"client", request.client.address}, {"request_id", request.request_id}});
    auto response = json_answer(200, shown(&made.session));
    response.set("Set-Cookie", cookie_of(request, made.id));
    return response;
}

http_answer admin_site::sign_out(loop& on, const http_request& request, const visitor& who) {
    sessions_.close(who.id);
    on.metrics().add(labelled_counter::admin_actions, "sign_out");
    audit("admin.signed_out", {{"key", who.session.who.name}, {"request_id", request.request_id}});
    auto response = json_answer(200, shown(nullptr));
    response.set("Set-Cookie", cookie_of(request, ""));
    return response;
}

// What the server API does not tell.
std::optional<http_response> admin_site::own(const http_request& request, std::string_view path) const {
    if (path == "/api/cluster" && parts_.cluster) return json_answer(200, parts_.cluster());
    if (path == "/api/plugins" && parts_.plugins) return json_answer(200, parts_.plugins());
    if (path == "/api/charts" && parts_.charts) return json_answer(200, parts_.charts());
    if (path != "/api/log") return std::nullopt;
    if (parts_.log == nullptr) return json_answer(200, R"({"kept":false})");
    const auto query = [&](std::string_view name) { return query_value(request.query, name).value_or(""); };
    const auto text = query("text"), after = query("after");
    log_ring::question what;
    what.text = text;
    what.limit = log_answer;
    if (const auto level = query("level"); !level.empty()) what.least = parse_log_level(level);
    std::from_chars(after.data(), after.data() + after.size(), what.after);  // what is no number: 0
    auto told = parts_.log->read(what);
    told.insert(1, "\"kept\":true,\"unwritten\":" + std::to_string(log_lines_lost()) + ",");
    return json_answer(200, std::move(told));
}

http_answer admin_site::ask_api(loop& on, http_request& request, const visitor& who, reply_function reply) {
    const auto path =
        std::string_view(request.raw_path).substr(std::min(request.raw_path.size(), root.size()));
    if (request.method == "GET")
        if (auto answer = own(request, path)) return std::move(*answer);
    const operation* found = nullptr;
    std::string_view named;
    for (const auto& each : operations) {
        if (each.method != request.method) continue;
        if (const auto fit = fits(each.path, path)) {
            found = &each;
            named = *fit;
            break;
        }
    }
    if (found == nullptr)
        return refusal(404, fail(errc::not_found, "the admin page asks nothing of that kind"));

    http_request asked = request;  // a dispatcher leaves path as it is
    asked.raw_path = path;
    asked.path = request.path.substr(root.size());
    if (found->action.empty()) return parts_.api.answer(on, asked, who.session.who, std::move(reply));

    on.metrics().add(labelled_counter::admin_actions, found->action);
    // One line, by whatever happens first: an answer, or that nobody waits for it any longer.
    const auto tell = [key = who.session.who.name, action = found->action, id = request.request_id,
                       target = named.empty() ? ids_of(request.body) : percent_decode(named).value_or("?"),
                       told = std::make_shared<std::atomic<bool>>(false)](unsigned status) {
        if (told->exchange(true)) return;
        audit("admin.action", {{"key", key},
                               {"action", action},
                               {"target", target},
                               {"outcome", status < 300    ? "done"
                                           : status == 504 ? "unknown"
                                                           : "refused"},
                               {"status", status},
                               {"request_id", id}});
    };
    auto answer = parts_.api.answer(on, asked, who.session.who,
                                    [tell, reply = std::move(reply)](http_response response) {
                                        tell(response.status);
                                        reply(std::move(response));
                                    });
    if (const auto* now = std::get_if<http_response>(&answer)) tell(now->status);
    if (auto* later = std::get_if<awaiting_reply>(&answer))
        later->given_up = [tell, before = std::move(later->given_up)] {
            tell(504);
            if (before) before();
        };
    return answer;
}

}  // namespace madang
