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

// The madang_request: keeps itself alive until the plugin replied, or returned a failure.
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

    const scope& get_scope() const noexcept override { return scope_; }
    const payload& body() const noexcept override { return body_; }
    madang_status reply(std::uint16_t status, std::span<const name_value> headers,
                        std::string_view body) override;

    payload request_id() const override { return payload::copy_of(scope_.get(scope_field::request_id)); }

  private:
    void fail(std::string_view why);

    std::shared_ptr<const http_route> route_;
    const scope scope_;
    const payload body_;
    reply_function reply_;
    failed on_failure_;
    std::atomic<bool> replied_{false};
    std::shared_ptr<view_call> self_;  // taken by whoever sets replied_
};

}  // namespace madang
