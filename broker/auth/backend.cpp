#include "broker/auth/backend.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include "broker/auth/circuit_breaker.hpp"
#include "broker/auth/json_text.hpp"
#include "broker/auth/secrets.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/core/log.hpp"
#include "broker/core/lower_case.hpp"
#include "broker/core/scope.hpp"
#include "broker/core/span.hpp"
#include "broker/core/utf8.hpp"

namespace madang {

namespace {

constexpr std::string_view names[proxy_count] = {"connect",     "refresh", "subscribe",
                                                 "sub_refresh", "publish", "rpc"};
constexpr std::size_t reason_bytes = 123;  // of a close frame (RFC 6455 5.5)

bool sendable(std::string_view value) noexcept {
    return std::none_of(value.begin(), value.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// Error codes of the protocol (100-399) and custom ones (400-1999); disconnects that a backend may choose.
bool valid_error(std::int64_t code) noexcept { return code >= 100 && code <= 1999; }
bool valid_disconnect(std::int64_t code) noexcept { return code >= 3000 && code <= 4999; }

bool read_code(const nlohmann::json& object, std::int64_t& into) {
    const auto found = object.find("code");
    if (found == object.end() || !found->is_number_integer()) return false;
    into = found->get<std::int64_t>();
    return true;
}

}  // namespace

backend_question::backend_question(std::string_view client, std::string_view transport) : text_("{") {
    add_text("client", client);
    add_text("transport", transport);
    text_ += R"(,"protocol":"json","encoding":"json")";
}

backend_question::backend_question(const known_client& who)
    : backend_question(who.who.client, who.transport) {
    add_text("user", who.who.user);
    add_json("meta", who.meta);
}

void backend_question::name(std::string_view name) {
    if (text_.size() > 1) text_ += ',';
    text_.append("\"").append(name).append("\":");
}

void backend_question::add_text(std::string_view member, std::string_view value) {
    name(member);
    text_ += json_text(nlohmann::json(value));
}

void backend_question::add_json(std::string_view member, std::string_view json) {
    if (json.empty() || !nlohmann::json::accept(json)) return;
    name(member);
    text_ += json;
}

struct backend::state {
    state(const options& from, http_fetcher& by, const clock_source& time, metrics_shard& into)
        : settings(from), fetcher(by), clock(time), counts(into) {}

    const options& settings;
    http_fetcher& fetcher;
    const clock_source& clock;
    metrics_shard& counts;
    std::string urls[proxy_count];
    std::vector<std::string> copied;  // in lower case
    std::mutex lock;                  // of the breakers, and of their gauge in `counts`
    std::map<std::string, circuit_breaker, std::less<>> breakers;  // by URL

    void count(proxy which, std::string_view outcome, bool failed) {
        counts.add(labelled_counter::proxy_requests, outcome);
        if (failed) counts.add(labelled_counter::proxy_failures, names[static_cast<std::size_t>(which)]);
    }
};

backend::backend(const options& settings, http_fetcher& fetcher, const clock_source& clock,
                 metrics_shard& counts)
    : state_(std::make_shared<state>(settings, fetcher, clock, counts)) {
    const std::string* urls[proxy_count] = {&settings.proxy_connect,   &settings.proxy_refresh,
                                            &settings.proxy_subscribe, &settings.proxy_sub_refresh,
                                            &settings.proxy_publish,   &settings.proxy_rpc};
    for (std::size_t i = 0; i < proxy_count; ++i) state_->urls[i] = *urls[i];
    for (const auto& each : settings.proxy_headers) state_->copied.push_back(lower_case(each));
    for (const auto& url : state_->urls)
        state_->breakers.try_emplace(url, settings.proxy_breaker_failures, settings.proxy_breaker_pause);
}

backend::~backend() = default;

bool backend::has(proxy which) const noexcept {
    return !state_->urls[static_cast<std::size_t>(which)].empty();
}

backend::headers backend::copied(const scope* known, const headers& own) const {
    headers out;
    for (const auto& name : state_->copied) {
        std::string_view value = known ? known->header(name) : std::string_view();
        if (value.empty()) {
            const auto found = std::find_if(own.begin(), own.end(),
                                            [&](const auto& each) { return lower_case(each.first) == name; });
            if (found != own.end()) value = found->second;
        }
        if (!value.empty() && sendable(value)) out.emplace_back(name, value);
    }
    return out;
}

std::optional<verdict<nlohmann::json>> backend::read(std::string_view answer) {
    auto json = parse_json(answer);
    if (!json || !json->is_object()) return std::nullopt;
    verdict<nlohmann::json> made;
    std::int64_t code = 0;
    std::string text;
    if (const auto found = json->find("disconnect"); found != json->end() && !found->is_null()) {
        if (!found->is_object() || !read_code(*found, code) || !valid_disconnect(code) ||
            !read_text(*found, "reason", text))
            return std::nullopt;
        const auto wire = static_cast<std::uint16_t>(code);
        if (text.empty() || !sendable(text)) text = close_code::reason(wire);
        made.goodbye = disconnect_verdict{wire, std::string(cut_utf8(text, reason_bytes))};
        return made;
    }
    if (const auto found = json->find("error"); found != json->end() && !found->is_null()) {
        if (!found->is_object() || !read_code(*found, code) || !valid_error(code) ||
            !read_text(*found, "message", text))
            return std::nullopt;
        made.no = fail(errc::permission_denied, "the backend's answer");
        made.wire_code = static_cast<std::uint16_t>(code);
        made.message = std::move(text);
        return made;
    }
    const auto found = json->find("result");
    if (found == json->end() || found->is_null()) {
        made.yes = nlohmann::json();
        return made;
    }
    if (!found->is_object()) return std::nullopt;
    made.yes = std::move(*found);
    return made;
}

void backend::ask(proxy which, std::string question, const headers& with,
                  std::function<void(verdict<nlohmann::json>)> done) {
    const auto& url = state_->urls[static_cast<std::size_t>(which)];
    const auto refused = [] {
        verdict<nlohmann::json> made;
        made.no = fail(errc::internal, "the backend gave no good answer");
        return made;
    };
    std::optional<circuit_breaker::ticket> ticket;
    {
        const std::lock_guard lock(state_->lock);
        ticket = state_->breakers.at(url).admit(state_->clock.steady_now());
    }
    if (!ticket) {
        state_->count(which, "breaker_open", true);
        done(refused());
        return;
    }
    fetch_request what;
    what.url = url;
    what.headers = with;
    what.headers.emplace_back("Content-Type", "application/json");
    what.body = std::move(question);
    what.timeout = state_->settings.proxy_timeout;
    what.answer_bytes = state_->settings.proxy_answer_bytes;
    std::shared_ptr<open_span> span;  // null: the work is not traced
    if (const auto* work = traced_work::current()) {
        open_span asking(*work, span_kind::client, "POST");
        std::erase_if(what.headers, [](const auto& each) { return lower_case(each.first) == "traceparent"; });
        what.headers.emplace_back("traceparent", format_traceparent(asking ? asking.work().at : work->at));
        asking.set("http.request.method", "POST");
        asking.set("url.full", url_for_log(url));
        asking.set("madang.proxy", names[static_cast<std::size_t>(which)]);
        if (asking) span = std::make_shared<open_span>(std::move(asking));
    }
    state_->fetcher.fetch(std::move(what), [state = state_, which, ticket = *ticket, refused, span,
                                            done = std::move(done)](result<fetch_answer> answer) {
        std::optional<verdict<nlohmann::json>> verdict;
        std::string outcome;
        if (!answer)
            outcome = describe(answer.error().code).name;
        else if (answer->status != 200)
            outcome = "status";
        else if (verdict = read(answer->body); !verdict)
            outcome = "malformed";
        const bool good = verdict.has_value();
        if (good) outcome = verdict->goodbye ? "disconnect" : verdict->yes ? "result" : "error";
        bool opened = false;
        {
            const std::lock_guard lock(state->lock);
            auto& breaker = state->breakers.at(state->urls[static_cast<std::size_t>(which)]);
            const bool before = breaker.open();
            opened = breaker.done(ticket, good, state->clock.steady_now());
            state->counts.gauge_add(gauge::breakers_open, int{breaker.open()} - int{before});
        }
        state->count(which, outcome, !good);
        if (span) {
            if (answer) span->set("http.response.status_code", std::int64_t{answer->status});
            if (!good) span->fail(outcome);
            span->end();
        }
        if (!good)
            log_warn("proxy.failed", {{"proxy", names[static_cast<std::size_t>(which)]},
                                      {"reason", outcome},
                                      {"detail", answer ? std::string() : answer.error().detail},
                                      {"status", answer ? answer->status : 0},
                                      {"left_alone", opened}});
        done(good ? std::move(*verdict) : refused());
    });
}

}  // namespace madang
