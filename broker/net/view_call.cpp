#include "broker/net/view_call.hpp"

#include <algorithm>

#include "broker/protocol/field_syntax.hpp"
#include "plugins/host/plugin_host.hpp"

namespace madang {

namespace {

// The server decides these (abi.h, reply).
bool is_servers(std::string_view name) {
    static constexpr std::string_view names[] = {"content-length",    "connection",  "date",
                                                 "transfer-encoding", "keep-alive",  "upgrade",
                                                 "trailer",           "x-request-id"};
    return std::any_of(std::begin(names), std::end(names), [&](auto n) { return equal_no_case(n, name); });
}

}  // namespace

view_call::view_call(std::shared_ptr<const http_route> route, scope known, std::string_view body,
                     reply_function reply, failed on_failure)
    : route_(std::move(route)),
      scope_(std::move(known)),
      body_(payload::copy_of(body)),
      reply_(std::move(reply)),
      on_failure_(std::move(on_failure)) {
    const auto* work = traced_work::current();
    if (work == nullptr) return;
    if (work->sampled()) span_ = open_span(*work, span_kind::internal, "view " + route_->pattern);
    work_ = span_ ? span_.work() : *work;
    span_.set("madang.plugin", route_->owner->id);
    span_.set("madang.view", route_->name);
    span_.set("madang.request_id", scope_.get(scope_field::request_id));
}

std::chrono::steady_clock::duration view_call::run() {
    auto keep = shared_from_this();
    self_ = keep;
    auto began = std::chrono::steady_clock::now();
    madang_status status = MADANG_FAILED;
    const working_for mine(*this);
    const traced_work traced(work_);
    try {
        status = route_->view.handle(route_->view.context, to_abi(static_cast<request_port*>(this)));
    } catch (...) {
        // By the ABI's rules it does not; a plugin that does it all the same has failed.
    }
    auto took = std::chrono::steady_clock::now() - began;
    if (status != MADANG_OK) fail("the view returned a failure");
    return took;
}

madang_status view_call::reply(std::uint16_t status, std::span<const name_value> headers,
                               std::string_view body) {
    http_response response;
    bool good = status >= 200 && status <= 599;
    for (const auto& [name, value] : headers) {
        good = good && is_token(name) && is_field_value(value);
        if (good && !is_servers(name)) response.set(name, value);
    }
    if (!good) {
        fail("the view's reply has a malformed header or status");
        return MADANG_INVALID;
    }
    response.status = status;
    response.body = body;
    if (!first_reply()) return MADANG_INVALID;
    auto keep = std::move(self_);
    span_.set("http.response.status_code", std::int64_t{status});
    span_.end();
    reply_(std::move(response));
    return MADANG_OK;
}

std::int32_t view_call::give_up() noexcept {
    auto now = stage::asked;
    if (stage_.compare_exchange_strong(now, stage::given_up)) return ++route_->unanswered;
    return 0;
}

bool view_call::first_reply() noexcept {
    const auto before = stage_.exchange(stage::replied);
    if (before == stage::given_up) --route_->unanswered;
    return before != stage::replied;
}

void view_call::fail(std::string_view why) {
    auto id = scope_.get(scope_field::request_id);
    if (on_failure_) on_failure_(*route_, id, why);
    if (!first_reply()) return;
    auto keep = std::move(self_);
    span_.fail(why);
    span_.end();
    reply_(error_response(500, "the view failed", id));
}

}  // namespace madang
