// The admin page on the internal listener: its files at /admin/, who is signed in at /admin/session, and what
// it asks of the server API at /admin/api/…, with the rights of the API key that signed in (docs/admin.md).
//
// A cookie says who it is. Whatever is not GET or HEAD must come from a page of this very address (Origin)
// and show the session's token (X-CSRF-Token): other pages that the browser has open can do neither. What
// changes something is in the log (admin.action) and counted.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "broker/auth/admin_sessions.hpp"
#include "broker/core/log_ring.hpp"
#include "broker/core/reloadable.hpp"
#include "broker/net/api_site.hpp"
#include "broker/net/http_dispatcher.hpp"
#include "broker/net/static_files.hpp"
#include "broker/protocol/origin.hpp"
#include "broker/protocol/rate_limit.hpp"

namespace madang {

// Any loop's thread.
class admin_site final : public http_dispatcher {
  public:
    struct parts {
        const reloadable<api_key_ring>& keys;       // outlives *this
        api_site& api;                              // outlives *this
        std::optional<static_files> files;          // the page; none: it is not installed
        std::function<std::string()> cluster = {};  // JSON; null: this server is in none
        std::function<std::string()> plugins = {};  // JSON, as plugin_report
        std::function<std::string()> charts = {};   // JSON, as metric_history
        const log_ring* log = nullptr;              // outlives *this; null: none is kept
    };
    explicit admin_site(parts all) : parts_(std::move(all)) {}

    // `path` is /admin or begins with /admin/.
    static bool serves(std::string_view path) noexcept;
    http_answer handle(loop& on, http_request& request, reply_function reply) override;

  private:
    struct visitor {
        std::string id;  // of the session
        admin_session session;
    };
    // With the rights that its key has by now; a session ends whose key is none that may read.
    std::optional<visitor> who_is(loop& on, const http_request& request);
    bool from_this_page(const http_request& request) const;
    http_answer page(http_request& request) const;
    http_answer sign_in(loop& on, http_request& request);
    http_answer sign_out(loop& on, const http_request& request, const visitor& who);
    http_answer ask_api(loop& on, http_request& request, const visitor& who, reply_function reply);
    std::optional<http_response> own(const http_request& request, std::string_view path) const;
    std::string shown(const admin_session* session) const;

    parts parts_;
    admin_sessions sessions_;
    const origin_policy same_origin_{{}};
    std::mutex mutex_;         // of tries_
    rate_limit tries_{1, 10};  // to sign in, whoever tries: a key cannot be guessed, nor this be slowed
};

}  // namespace madang
