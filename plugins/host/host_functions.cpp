// The table of C functions. Nothing throws out of them; what a plugin passes is checked before it is used.
// The hot ones (payloads, send_payload, group_send) do no more than the check and the call.

#include <cstring>

#include "plugins/host/abi_values.hpp"
#include "plugins/host/plugin_host.hpp"

namespace madang {

static_assert(static_cast<int>(scope_field::type) == MADANG_SCOPE_TYPE);
static_assert(static_cast<int>(scope_field::http_version) == MADANG_SCOPE_HTTP_VERSION);
static_assert(static_cast<int>(scope_field::method) == MADANG_SCOPE_METHOD);
static_assert(static_cast<int>(scope_field::scheme) == MADANG_SCOPE_SCHEME);
static_assert(static_cast<int>(scope_field::path) == MADANG_SCOPE_PATH);
static_assert(static_cast<int>(scope_field::raw_path) == MADANG_SCOPE_RAW_PATH);
static_assert(static_cast<int>(scope_field::query_string) == MADANG_SCOPE_QUERY_STRING);
static_assert(static_cast<int>(scope_field::root_path) == MADANG_SCOPE_ROOT_PATH);
static_assert(static_cast<int>(scope_field::client_address) == MADANG_SCOPE_CLIENT_ADDRESS);
static_assert(static_cast<int>(scope_field::client_port) == MADANG_SCOPE_CLIENT_PORT);
static_assert(static_cast<int>(scope_field::server_address) == MADANG_SCOPE_SERVER_ADDRESS);
static_assert(static_cast<int>(scope_field::server_port) == MADANG_SCOPE_SERVER_PORT);
static_assert(static_cast<int>(scope_field::request_id) == MADANG_SCOPE_REQUEST_ID);
static_assert(static_cast<int>(scope_field::user_id) == MADANG_SCOPE_USER_ID);
static_assert(static_cast<int>(scope_field::user_json) == MADANG_SCOPE_USER_JSON);
static_assert(static_cast<int>(scope_field::session_json) == MADANG_SCOPE_SESSION_JSON);
static_assert(scope_field_count == MADANG_SCOPE_SESSION_JSON + 1);
static_assert(static_cast<int>(scope_list::headers) == MADANG_SCOPE_HEADERS);
static_assert(static_cast<int>(scope_list::subprotocols) == MADANG_SCOPE_SUBPROTOCOLS);
static_assert(static_cast<int>(scope_list::url_args) == MADANG_SCOPE_URL_ARGS);
static_assert(scope_list_count == MADANG_SCOPE_URL_ARGS + 1);
// A list of headers crosses as it is.
static_assert(sizeof(madang_pair) == 2 * sizeof(madang_str));

using namespace abi_values;  // NOLINT

namespace {

bool take_headers(const madang_pair* headers, std::size_t count, std::vector<name_value>& result) {
    if (count > 0 && !headers) return false;
    if (count > 256) return false;
    result.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (!valid(headers[i].name) || !valid(headers[i].value)) return false;
        result.push_back({from(headers[i].name), from(headers[i].value)});
    }
    return true;
}

}  // namespace

struct host_functions {
    // -- Registration
    static madang_status route_websocket(madang_host* host, madang_str pattern,
                                         const madang_consumer_class* consumer,
                                         const madang_route_options* options) noexcept {
        if (!host || !valid(pattern) || !consumer) return MADANG_INVALID;
        return guarded(
            [&] { return from(host).host_->add_route(from(host), from(pattern), *consumer, options); });
    }
    static madang_status route_http(madang_host* host, madang_str methods, madang_str pattern,
                                    const madang_view* view, const madang_route_options* options) noexcept {
        if (!host || !valid(methods) || !valid(pattern) || !view) return MADANG_INVALID;
        return guarded([&] {
            return from(host).host_->add_view(from(host), from(methods), from(pattern), *view, options);
        });
    }
    static madang_status add_background(madang_host* host, madang_str channel,
                                        const madang_consumer_class* consumer,
                                        const madang_background_options* options) noexcept {
        if (!host || !valid(channel) || !consumer) return MADANG_INVALID;
        return guarded(
            [&] { return from(host).host_->add_background(from(host), from(channel), *consumer, options); });
    }
    static madang_str config_json(madang_host* host) noexcept {
        return host ? to_abi(std::string_view(from(host).config_)) : madang_str{"{}", 2};
    }

    // -- Payloads
    static madang_payload* payload_new(madang_host*, madang_str bytes) noexcept {
        // "Never NULL": without memory for it the process ends here (noexcept), as it would a moment later.
        return to_abi(payload::copy_of(valid(bytes) ? from(bytes) : std::string_view{}).detach());
    }
    static void payload_retain(madang_payload* p) noexcept { payload::retain(from(p)); }
    static void payload_release(madang_payload* p) noexcept { payload::release(from(p)); }
    static madang_str payload_bytes(const madang_payload* p) noexcept {
        const auto lent = borrowed(const_cast<madang_payload*>(p));
        return to_abi(static_cast<const payload&>(lent).bytes());
    }
    static const void* payload_parsed(madang_payload* p, const char* key, void* (*make)(madang_str),
                                      void (*destroy)(void*)) noexcept {
        if (!p || !key || !make || !destroy) return nullptr;
        try {
            const auto lent = borrowed(p);
            return static_cast<const payload&>(lent).derived(
                key,
                [](void* context, std::string_view bytes) -> void* {
                    return (*static_cast<void* (**)(madang_str)>(context))(to_abi(bytes));
                },
                &make, destroy);
        } catch (...) {
            return nullptr;
        }
    }

    // -- Scope
    static madang_str scope_get(const madang_scope* s, madang_scope_field field) noexcept {
        if (!s || static_cast<unsigned>(field) >= scope_field_count) return {nullptr, 0};
        return to_abi(from(s).get(static_cast<scope_field>(field)));
    }
    static std::size_t scope_count(const madang_scope* s, madang_scope_list list) noexcept {
        if (!s || static_cast<unsigned>(list) >= scope_list_count) return 0;
        return from(s).count(static_cast<scope_list>(list));
    }
    static madang_pair scope_at(const madang_scope* s, madang_scope_list list, std::size_t index) noexcept {
        if (index >= scope_count(s, list)) return {{nullptr, 0}, {nullptr, 0}};
        auto item = from(s).at(static_cast<scope_list>(list), index);
        return {to_abi(item.name), to_abi(item.value)};
    }

    // -- A connection
    static const madang_scope* connection_scope(madang_connection* c) noexcept {
        return c ? reinterpret_cast<const madang_scope*>(&from(c).get_scope()) : nullptr;
    }
    static madang_str connection_channel(madang_connection* c) noexcept {
        return c ? to_abi(from(c).channel()) : madang_str{nullptr, 0};
    }
    static madang_status accept(madang_connection* c, madang_str subprotocol, const madang_pair* headers,
                                std::size_t count) noexcept {
        if (!c || !valid(subprotocol)) return MADANG_INVALID;
        return guarded([&] {
            std::vector<name_value> list;
            if (!take_headers(headers, count, list)) return MADANG_INVALID;
            return from(c).accept(from(subprotocol), list);
        });
    }
    static madang_status close(madang_connection* c, std::uint16_t code, madang_str reason) noexcept {
        if (!c || !valid(reason)) return MADANG_INVALID;
        return guarded([&] { return from(c).close(code, from(reason)); });
    }
    static madang_status send(madang_connection* c, madang_frame kind, madang_str bytes) noexcept {
        if (!c || !valid(bytes) || (kind != MADANG_TEXT && kind != MADANG_BINARY)) return MADANG_INVALID;
        return guarded([&] { return from(c).send(kind, payload::copy_of(from(bytes))); });
    }
    static madang_status send_payload(madang_connection* c, madang_frame kind, madang_payload* p) noexcept {
        if (!c || !p || (kind != MADANG_TEXT && kind != MADANG_BINARY)) return MADANG_INVALID;
        return guarded([&] { return from(c).send(kind, borrowed(p)); });
    }
    static madang_status group_add(madang_connection* c, madang_str group,
                                   madang_delivery delivery) noexcept {
        if (!c || !valid(group) || (delivery != MADANG_TO_HANDLER && delivery != MADANG_TO_SOCKET))
            return MADANG_INVALID;
        return guarded([&] { return from(c).group_add(from(group), delivery); });
    }
    static madang_status group_discard(madang_connection* c, madang_str group) noexcept {
        if (!c || !valid(group)) return MADANG_INVALID;
        return guarded([&] { return from(c).group_discard(from(group)); });
    }
    static madang_status timer_start(madang_connection* c, std::uint64_t id, std::uint64_t delay,
                                     std::uint64_t repeat) noexcept {
        if (!c) return MADANG_INVALID;
        return guarded([&] { return from(c).timer_start(id, delay, repeat); });
    }
    static void timer_cancel(madang_connection* c, std::uint64_t id) noexcept {
        if (!c) return;
        guarded([&] {
            from(c).timer_cancel(id);
            return MADANG_OK;
        });
    }
    static void report_error(madang_connection* c, madang_str where, madang_str what) noexcept {
        if (!c || !valid(where) || !valid(what)) return;
        guarded([&] {
            from(c).report_error(from(where), from(what));
            return MADANG_OK;
        });
    }

    // -- The channel layer
    static madang_status group_send(madang_host* host, madang_str group, madang_str type,
                                    madang_payload* p) noexcept {
        if (!host || !valid(group) || !valid(type) || !p) return MADANG_INVALID;
        return guarded([&] {
            return from(host).host_->services_.layer.group_send(from(group), from(type), borrowed(p));
        });
    }
    static madang_status channel_send(madang_host* host, madang_str channel, madang_str type,
                                      madang_payload* p) noexcept {
        if (!host || !valid(channel) || !valid(type) || !p) return MADANG_INVALID;
        return guarded([&] {
            return from(host).host_->services_.layer.channel_send(from(channel), from(type), borrowed(p));
        });
    }

    // -- HTTP views
    static const madang_scope* request_scope(madang_request* r) noexcept {
        return r ? reinterpret_cast<const madang_scope*>(&from(r).get_scope()) : nullptr;
    }
    static madang_payload* request_body(madang_request* r) noexcept {
        return r ? to_abi(from(r).body().get()) : nullptr;
    }
    static madang_status reply(madang_request* r, std::uint16_t status, const madang_pair* headers,
                               std::size_t count, madang_str body) noexcept {
        if (!r) return MADANG_INVALID;
        return guarded([&] {
            std::vector<name_value> list;
            bool good = take_headers(headers, count, list) && valid(body);
            // A status of 0 is refused by the port, which answers 500: the request has to end.
            return from(r).reply(good ? status : 0, list, good ? from(body) : std::string_view{});
        });
    }

    // -- Everything else
    static void log(madang_host* host, madang_log_level level, madang_str event,
                    madang_str message) noexcept {
        if (!host || !valid(event) || !valid(message)) return;
        if (level < MADANG_DEBUG || level > MADANG_ERROR) level = MADANG_INFO;
        guarded([&] {
            auto& who = from(host);
            if (who.initialising_ && level == MADANG_ERROR) {
                who.last_error_ = from(message);
                if (from(event) == "plugin_refused") return MADANG_OK;  // the SDK's last word: load() says it
            }
            if (who.host_->services_.log) who.host_->services_.log(who, level, from(event), from(message));
            return MADANG_OK;
        });
    }
    static std::uint64_t now_ms(madang_host* host) noexcept {
        return host ? from(host).host_->services_.layer.now_ms() : 0;
    }
    static const void* get_extension(madang_host* host, const char* name) noexcept {
        if (!host || !name) return nullptr;
        try {
            const auto& services = from(host).host_->services_;
            if (std::strcmp(name, MADANG_STREAMS) == 0)
                return services.streams ? &plugin_host::streams_api() : nullptr;
            if (std::strcmp(name, MADANG_JOBS) == 0)
                return services.jobs ? &plugin_host::jobs_api() : nullptr;
            if (std::strcmp(name, MADANG_BACKGROUND) == 0) return &plugin_host::background_api();
            return services.extension ? services.extension(name) : nullptr;
        } catch (...) {
            return nullptr;
        }
    }
};

const madang_background& plugin_host::background_api() noexcept {
    static const madang_background table = {sizeof(madang_background), host_functions::add_background};
    return table;
}

const madang_host_api& plugin_host::api() noexcept {
    using f = host_functions;
    static const madang_host_api table = {
        sizeof(madang_host_api),
        MADANG_ABI_MAJOR,
        MADANG_ABI_MINOR,
        f::route_websocket,
        f::route_http,
        f::config_json,
        f::payload_new,
        f::payload_retain,
        f::payload_release,
        f::payload_bytes,
        f::payload_parsed,
        f::scope_get,
        f::scope_count,
        f::scope_at,
        f::connection_scope,
        f::connection_channel,
        f::accept,
        f::close,
        f::send,
        f::send_payload,
        f::group_add,
        f::group_discard,
        f::timer_start,
        f::timer_cancel,
        f::report_error,
        f::group_send,
        f::channel_send,
        f::request_scope,
        f::request_body,
        f::reply,
        f::log,
        f::now_ms,
        f::get_extension,
    };
    return table;
}

}  // namespace madang
