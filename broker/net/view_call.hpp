// One call of a plugin's HTTP view.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "broker/core/working_for.hpp"
#include "broker/net/http_dispatcher.hpp"
#include "plugins/host/plugin.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

// The madang_request: keeps itself alive until the plugin replied, or returned a failure. Until then the
// plugin may use it, also when nobody waits for the reply any more: what bounds the number of those is that a
// route counts them (http_route::unanswered), and its caller that it asks no more of a view that has too
// many.
class view_call final : public request_port,
                        public request_source,
                        public std::enable_shared_from_this<view_call> {
  public:
    // Called with a failed call's reason, on the thread that ran it.
    using failed = std::function<void(const http_route&, std::string_view request_id, std::string_view why)>;

    view_call(std::shared_ptr<const http_route> route, scope known, std::string_view body,
              reply_function reply, failed on_failure);
    // Calls the plugin. Returns how long that took. On the loop or on the pool, as the view's kind says.
    std::chrono::steady_clock::duration run();

    // Nobody waits for the reply any more. Returns how many of the route's calls that is true of now; 0: the
    // reply just came. Any thread.
    std::int32_t give_up() noexcept;

    const scope& get_scope() const noexcept override { return scope_; }
    const payload& body() const noexcept override { return body_; }
    madang_status reply(std::uint16_t status, std::span<const name_value> headers,
                        std::string_view body) override;

    payload request_id() const override { return payload::copy_of(scope_.get(scope_field::request_id)); }

  private:
    void fail(std::string_view why);
    bool first_reply() noexcept;

    std::shared_ptr<const http_route> route_;
    const scope scope_;
    const payload body_;
    reply_function reply_;
    failed on_failure_;
    open_span span_;  // ends with the first reply
    work_trace work_;
    enum class stage : std::uint8_t { asked, given_up, replied };
    std::atomic<stage> stage_{stage::asked};
    std::shared_ptr<view_call> self_;  // taken by whoever sets `replied`
};

}  // namespace madang
