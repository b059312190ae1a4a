// A connection's life: handshake, accept, close, end.
#include "actors/connection.hpp"

#include <cassert>
#include <random>

#include "actors/connection_impl.hpp"
#include "actors/sync_consumer.hpp"
#include "broker/core/streams.hpp"
#include "broker/protocol/handshake.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds close_timeout{5'000};   // for the peer's close frame, and for the rest of the outbox
constexpr milliseconds linger_timeout{2'000};  // for the peer's FIN behind ours (RFC 6455 7.1.1)

}  // namespace

std::string http_refusal(unsigned status, std::string_view reason, std::string_view request_id) {
    const std::string_view text = status == 403   ? "Forbidden"
                                  : status == 503 ? "Service Unavailable"
                                                  : "Internal Server Error";
    std::string body{reason};
    body += "\n";
    return "HTTP/1.1 " + std::to_string(status) + " " + std::string(text) +
           "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\nX-Request-ID: " + std::string(request_id) + "\r\n\r\n" + body;
}

connection::connection(connection_request&& request, loop& on, connection_services& services,
                       connection_keeper& keeper)
    : loop_(on),
      route_(request.route),
      io_(std::move(request.io)),
      deflate_bits_(request.deflate ? request.deflate->server_max_window_bits : 0),
      services_(services),
      keeper_(keeper),
      decoder_(request.route->message_bytes,
               request.deflate ? ws_compression::permessage_deflate : ws_compression::none),
      unread_(std::move(request.leftover)),
      scope_(std::move(request.known)),
      handshake_(std::make_unique<handshake>()),
      permit_(std::move(request.permit)),
      entry_(std::move(request.entry)) {
    handshake_->accept_key = std::move(request.accept_key);
    handshake_->default_subprotocol = std::move(request.default_subprotocol);
    if (request.deflate) handshake_->extensions = std::move(request.deflate->response);
    handshake_->began = loop_.now();
    if (route_->messages_per_second != 0)
        limiter_.emplace(route_->messages_per_second, route_->message_burst);
}

connection::~connection() { assert(consumer_ == nullptr); }

void connection::start() {
    member_id_ = keeper_.id();
    const auto& type = *route_->consumer;
    if (background()) {
        handshake_.reset();
        channel_ = route_->channel;
        state_ = state::background;
    } else {
        loop_.metrics().gauge_add(gauge::connections_open, 1);
        arm_read();
    }
    if (type.kind == MADANG_SYNC) {
        sync_ = std::make_shared<sync_consumer>(*this);
        sync_->enqueue(
            {"create",
             [this_class = &type, port = static_cast<connection_port*>(sync_.get())](auto& consumer) {
                 consumer =
                     this_class->create(this_class->context, reinterpret_cast<madang_connection*>(port));
                 return consumer != nullptr ? MADANG_OK : MADANG_FAILED;
             }},
            route_->sync_queue, false);
    } else {
        ++calls_;
        consumer_ = type.create(type.context,
                                reinterpret_cast<madang_connection*>(static_cast<connection_port*>(this)));
        --calls_;
        if (consumer_ == nullptr) {
            consumer_gone_ = true;
            handler_failed("create");
            return;
        }
    }
    for (std::size_t i = 0; i < type.groups_count; ++i)
        group_add({type.groups[i].data, type.groups[i].size}, MADANG_TO_HANDLER);
    connect_called_ = true;
    if (sync_)
        sync_->enqueue({"connect", [c = &type](auto& consumer) { return c->connect(consumer); }},
                       route_->sync_queue, false);
    else
        call("connect", [&](madang_consumer* c) { return type.connect(c); });
    if (state_ != state::handshake) return;  // most answer at once
    life_timer_ = loop_.schedule(route_->handshake_timeout, [this] {
        life_timer_ = {};
        loop_.metrics().add(labelled_counter::connections_refused, "handshake_timeout");
        refuse(http_refusal(403, "the consumer did not answer in time", scope_.get(scope_field::request_id)),
               close_code::lost);
        if (calls_ == 0) after_call();
    });
}

madang_status connection::accept(std::string_view subprotocol, std::span<const name_value> headers) {
    if (state_ != state::handshake)
        return state_ == state::open || state_ == state::background ? MADANG_INVALID : MADANG_CLOSED;
    if (subprotocol.empty()) {
        subprotocol = handshake_->default_subprotocol;
    } else {
        bool offered = false;
        for (std::size_t i = 0; i < scope_.count(scope_list::subprotocols); ++i)
            offered = offered || scope_.at(scope_list::subprotocols, i).name == subprotocol;
        if (!offered) return MADANG_INVALID;
    }
    std::vector<name_value> extra{{"X-Request-ID", scope_.get(scope_field::request_id)}};
    extra.insert(extra.end(), headers.begin(), headers.end());
    const auto response =
        ws_accept_response(handshake_->accept_key, subprotocol, handshake_->extensions, extra);
    if (!response) return MADANG_INVALID;
    queue_control(*response);
    auto& metrics = loop_.metrics();
    metrics.observe(histogram::handshake_seconds,
                    std::chrono::duration<double>(loop::clock::now() - handshake_->began).count());
    metrics.add(counter::connections_opened);
    handshake_.reset();
    state_ = state::open;
    loop_.cancel(life_timer_);
    life_timer_ = {};
    if (route_->ping_interval.count() != 0) {
        // The first at a random point of the interval's second half, so that connections made together spread
        // out.
        thread_local std::minstd_rand random{std::random_device{}()};
        const auto half = route_->ping_interval.count() / 2;
        schedule_ping(milliseconds{half + std::uniform_int_distribution<std::int64_t>{0, half}(random)});
    }
    log_debug("ws.open", {{"plugin", route_->plugin},
                          {"path", scope_.get(scope_field::path)},
                          {"request_id", scope_.get(scope_field::request_id)}});
    return MADANG_OK;
}

madang_status connection::close(std::uint16_t code, std::string_view reason) {
    if (code == 0) code = close_code::normal;
    if (!ws_sendable_close_code(code)) return MADANG_INVALID;
    switch (state_) {
        case state::handshake:
            refuse(http_refusal(403, "refused", scope_.get(scope_field::request_id)), close_code::lost);
            break;
        case state::open:
            begin_close(code, reason);
            break;
        case state::background:
            return MADANG_INVALID;
        default:
            return MADANG_CLOSED;
    }
    if (calls_ == 0) after_call();
    return MADANG_OK;
}

void connection::schedule_ping(milliseconds delay) {
    life_timer_ = loop_.schedule(delay, [this] { ping(); });
}

// Two steps per interval: a ping, then a look whether anything came back.
void connection::ping() {
    life_timer_ = {};
    if (state_ != state::open) return;
    if (!pinged_) {
        pinged_ = true;
        heard_ = wrote_ = false;
        loop_.metrics().add(counter::pings_sent);
        queue_control(make_ws_control(ws_opcode::ping, {}).bytes());
        return schedule_ping(route_->pong_timeout);
    }
    pinged_ = false;
    // Whom we do not read, we cannot hear: while its outbox is full, taking bytes is a sign of life; while
    // others are waited for, it is not to blame.
    const bool waiting_for_it = paused_ == static_cast<std::uint8_t>(pause::outbox);
    if (heard_ || (paused_ != 0 && (wrote_ || !waiting_for_it)))
        return schedule_ping(std::max(route_->ping_interval - route_->pong_timeout, milliseconds{1}));
    loop_.metrics().add(counter::pong_timeouts);
    begin_close(close_code::no_pong, "no pong");
    after_call();
}

// To closing or ended: the consumer is told of no further event.
void connection::leave_for(state next) noexcept {
    state_ = next;
    if (run_ != nullptr) run_->told.count = 0;
}

// Before accept: an HTTP response, and the end.
void connection::refuse(std::string_view response, std::uint16_t code) {
    if (state_ != state::handshake) return;
    leave_for(state::closing);
    peer_closed_ = true;
    code_ = code;
    loop_.cancel(life_timer_);
    life_timer_ = loop_.schedule(close_timeout, [this] { end(); });
    queue_control(response);
}

void connection::begin_close(std::uint16_t code, std::string_view reason) {
    if (state_ != state::open) return;
    leave_for(state::closing);
    code_ = code;
    loop_.cancel(life_timer_);
    life_timer_ = loop_.schedule(close_timeout, [this] { end(); });
    queue_control(make_ws_close(code, reason).bytes());
    if (paused_ != 0) {  // to hear its close frame
        paused_ = 0;
        loop_.metrics().gauge_add(gauge::readers_paused_now, -1);
    }
    unread_.clear();
    arm_read();
}

void connection::finish_when_flushed() {
    if (!outbox_.empty() || !peer_closed_ || shut_) return;
    // RFC 6455 7.1.1: the server closes first. Behind the peer's close frame nothing comes that close() would
    // answer with a reset; otherwise it is a half-close, so that the peer reads what is on its way.
    if (close_received_ && io_->writes_are_sent()) return end();
    shut_ = true;
    io_->shutdown_send();
    loop_.cancel(life_timer_);
    life_timer_ = loop_.schedule(linger_timeout, [this] { end(); });
    arm_read();
}

void connection::go_away() {
    if (state_ == state::background) {
        code_ = close_code::going_away;
        return end();
    }
    if (state_ == state::handshake)
        refuse(http_refusal(503, "the server is shutting down", scope_.get(scope_field::request_id)),
               close_code::lost);
    else if (client_ != nullptr)
        begin_close(close_code::shutdown, close_code::reason(close_code::shutdown));
    else
        begin_close(close_code::going_away, "the server is shutting down");
    if (calls_ == 0) after_call();
}

void connection::on_command(const client_command& what) {
    if (client_ != nullptr) return run("command", [&] { client_->on_command(what); });
    if (what.what != client_command::verb::disconnect) return;
    const auto code = what.code != 0 ? what.code : close_code::force_disconnect;
    close(code, what.reason.empty() ? close_code::reason(code) : std::string_view(what.reason));
}

std::string_view connection::user() const noexcept {
    return client_ != nullptr ? client_->user() : scope_.get(scope_field::user_id);
}

void connection::abandon() noexcept { end(); }

void connection::end() noexcept {
    if (state_ == state::ended) return;
    leave_for(state::ended);
    loop_.cancel(life_timer_);
    if (background()) {
        if (sync_ && code_ == close_code::internal)
            loop_.metrics().add(counter::background_drops, sync_->drop_events());
        disconnect_consumer();
        keeper_.ended();
        return services_.exit(*this);
    }
    auto& metrics = loop_.metrics();
    metrics.gauge_add(gauge::connections_open, -1);
    metrics.add(labelled_counter::closes, std::to_string(code_));
    if (paused_ != 0) metrics.gauge_add(gauge::readers_paused_now, -1);
    paused_ = 0;
    outbox_.clear();
    count_outbox();
    io_->close();
    log_debug("ws.close", {{"plugin", route_->plugin},
                           {"code", static_cast<std::int64_t>(code_)},
                           {"request_id", scope_.get(scope_field::request_id)}});
    disconnect_consumer();
    permit_.reset();
    keeper_.ended();
    services_.exit(*this);
}

}  // namespace madang
