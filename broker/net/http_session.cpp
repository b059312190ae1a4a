#include "broker/net/http_session.hpp"

#include <array>

#include "broker/core/log.hpp"
#include "broker/core/request_id.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t output_bound = 256 * 1024;
constexpr std::size_t file_piece = 64 * 1024;
constexpr int pieces_per_turn = 4;  // 256 KiB: then others have their turn
// RFC 9112 9.6: closing at once, with unread input, would reset the connection before the client read its
// answer.
constexpr auto linger_time = 2s;
// For a request that is on its way, or here and unread: closing at once would reset it.
constexpr std::chrono::milliseconds drain_grace{50};

// Its dispatcher may take the connection over, once everything before is sent: client_site's streams too.
bool wants_upgrade(const http_request& request) {
    return !request.header("upgrade").empty() || request.path.starts_with("/connection/");
}

}  // namespace

void log_access(const access_entry& e) {
    log_info("http.request", {{"request_id", e.request_id},
                              {"client", e.client},
                              {"method", e.method},
                              {"path", e.path},
                              {"status", e.status},
                              {"bytes", e.bytes},
                              {"microseconds", e.took.count()}});
}

http_session::http_session(loop& on, const http_environment& environment, std::unique_ptr<transport> io,
                           const listener::peer& peer, connection_slot slot)
    : loop_(on), environment_(environment), io_(std::move(io)), slot_(std::move(slot)), peer_(peer) {
    ++environment_.sessions;
    if (environment_.counted) loop_.metrics().gauge_add(gauge::http_connections_open, 1);
}

http_session::~http_session() {
    loop_.cancel(timer_);
    if (environment_.counted) loop_.metrics().gauge_add(gauge::http_connections_open, -1);
    --environment_.sessions;
}

void http_session::start() {
    set_deadline(deadline::head);
    read_more();
}

void http_session::refuse(http_response response) {
    close_after_ = true;
    response.close = true;
    out_ = response_head(response, response.body.size(), {}, false) + response.body;
    touch();
}

void http_session::drain() {
    if (phase_ == phase::head && in_.empty() && !output_pending()) restart_deadline(deadline::idle);
}

void http_session::close() {
    auto self = std::move(awaiting_);
    give_up_on_view();
    phase_ = phase::closed;
    set_deadline(deadline::none);
    file_.reset();
    reader_.reset();
    unlink();
    if (io_) io_->close();
}

void http_session::on_readable(bool alive) {
    auto self = std::move(reading_);
    if (phase_ == phase::closed) return;
    if (!alive) return close();
    if (phase_ == phase::closing) return discard_input();

    static thread_local std::array<char, 64 * 1024> shared_buffer;
    auto got = io_->read_some(shared_buffer.data(), shared_buffer.size());
    switch (got.what) {
        case transport::outcome::done:
            in_.append(shared_buffer.data(), got.bytes);
            break;
        case transport::outcome::would_block:
            break;
        case transport::outcome::closed:
            // A half-closed client still gets what it asked for.
            input_ended_ = true;
            if (!output_pending() && phase_ != phase::answering) return close();
            break;
        case transport::outcome::failed:
            return close();
    }
    process();
    read_more();
}

void http_session::discard_input() {
    std::array<char, 16 * 1024> nowhere;
    for (int i = 0; i < pieces_per_turn; ++i) {
        auto got = io_->read_some(nowhere.data(), nowhere.size());
        if (got.what == transport::outcome::would_block) break;
        if (got.what != transport::outcome::done) return close();
    }
    reading_ = shared_from_this();
    io_->wait_readable(*this);
}

void http_session::read_more() {
    bool wants = phase_ == phase::head || phase_ == phase::body;
    // Never while a whole request waits in in_ (parked, or too much output): a transport is handed over
    // without waits.
    if (!wants || reading_ || parked_ || input_ended_ || close_after_ || out_.size() - sent_ > output_bound ||
        file_)
        return;
    reading_ = shared_from_this();
    io_->wait_readable(*this);
}

void http_session::process() {
    while (process_one()) {
    }
    if (phase_ != phase::head && phase_ != phase::body) return;
    if (close_after_) return;
    if (input_ended_ && !output_pending()) return close();
    if (output_pending()) return;  // write_out holds the deadline
    if (phase_ == phase::body) return set_deadline(deadline::body);
    // The first request's deadline runs from the accept, a later one's from its first byte.
    if (!in_.empty()) {
        set_deadline(deadline::head);
    } else if (request_number_ > 0) {
        set_deadline(deadline::idle);
    }
}

// True when another request may follow.
bool http_session::process_one() {
    if (close_after_ || file_ || parked_ || out_.size() - sent_ > output_bound) return false;
    if (phase_ != phase::head && phase_ != phase::body) return false;
    if (!reader_) {
        if (in_.empty()) return false;
        reader_ = std::make_unique<request_reader>(request_reader::limits{
            environment_.settings.http_head_bytes, environment_.settings.http_body_bytes});
    }
    switch (reader_->advance(in_)) {
        case request_reader::progress::need_head:
            return false;
        case request_reader::progress::refused:
            refuse_request(reader_->refusal());
            return false;
        case request_reader::progress::need_body:
            if (reader_->take_expectation()) {
                out_ += "HTTP/1.1 100 Continue\r\n\r\n";
                touch();
            }
            phase_ = phase::body;
            return false;
        case request_reader::progress::ready:
            break;
    }
    if (wants_upgrade(reader_->request()) && output_pending()) {
        parked_ = true;
        return false;
    }
    dispatch();
    return phase_ == phase::head;
}

void http_session::dispatch() {
    phase_ = phase::answering;
    set_deadline(deadline::none);
    request_began_ = loop::clock::now();
    auto number = ++request_number_;
    auto& request = reader_->request();
    request.over_tls = environment_.over_tls;
    request.server_address = peer_.local_address;
    request.server_port = std::to_string(peer_.local_port);
    request.client = {peer_.address, std::to_string(peer_.port), environment_.over_tls,
                      std::string(request.header("host"))};
    if (!environment_.proxies.empty())
        request.client =
            resolve_client(environment_.proxies, std::move(request.client), request.joined("x-forwarded-for"),
                           request.joined("x-forwarded-proto"), request.joined("x-forwarded-host"));

    if (environment_.limits && request.client.address != peer_.address &&
        environment_.limits->assign(slot_, request.client.address) != connection_limits::verdict::admitted) {
        loop_.metrics().add(labelled_counter::connections_refused, "address_limit");
        auto refusal = error_response(429, "too many connections from this address", request.request_id);
        refusal.set("Retry-After", "5");
        refusal.close = true;
        return respond(std::move(refusal));
    }

    if (auto* by = loop_.tracing()) begin_trace(*by, request);
    const traced_work traced(span_ ? span_->work() : work_trace{});
    reply_function reply = [&on = loop_, weak = weak_from_this(), number](http_response response) {
        on.post([weak, number, response = std::make_shared<http_response>(std::move(response))] {
            if (auto self = weak.lock()) self->view_replied(number, std::move(*response));
        });
    };
    try {
        auto answer = environment_.dispatcher.handle(loop_, request, std::move(reply));
        if (auto* response = std::get_if<http_response>(&answer)) {
            respond(std::move(*response));
        } else if (auto* wait = std::get_if<awaiting_reply>(&answer)) {
            view_timeout_ = wait->timeout;
            given_up_ = std::move(wait->given_up);
            awaiting_ = shared_from_this();  // until view_replied, the time-out or close
            set_deadline(deadline::view);
        } else {
            hand_over(std::move(std::get<take_over>(answer)));
        }
    } catch (const std::exception& e) {
        log_error("http.failed", {{"request_id", request.request_id}, {"what", e.what()}});
        if (phase_ == phase::answering) respond(error_response(500, "the server failed", request.request_id));
    }
}

// What a plugin finds as its traceparent is what it may hand on: this request's span. But not for a
// connection that begins a trace itself, since its messages are traces of their own then.
void http_session::begin_trace(tracer& by, http_request& request) {
    const auto outside = parse_traceparent(request.joined("traceparent"));
    if (!outside && !environment_.counted && !request.path.starts_with("/api/")) return;
    if (request.path == "/healthz" || request.path == "/readyz") return;
    open_span span(by, outside, span_kind::server, request.method);
    if (span.work().by == nullptr) return;
    span.set("http.request.method", request.method);
    span.set("url.path", request.path);
    span.set("client.address", request.client.address);
    span.set("madang.request_id", request.request_id);
    if (outside || !wants_upgrade(request)) {
        std::erase_if(request.headers, [](const auto& each) { return each.first == "traceparent"; });
        request.headers.emplace_back("traceparent", format_traceparent(span.work().at));
    }
    span_ = std::make_unique<open_span>(std::move(span));
}

void http_session::end_trace(unsigned status) {
    if (!span_) return;
    span_->set("http.response.status_code", std::int64_t{status});
    if (status >= 500) span_->fail("");
    span_.reset();
}

void http_session::give_up_on_view() {
    if (auto told = std::exchange(given_up_, nullptr)) told();
}

void http_session::view_replied(std::uint64_t number, http_response&& response) {
    if (phase_ != phase::answering || number != request_number_) return;
    awaiting_.reset();
    given_up_ = nullptr;
    respond(std::move(response));
    process();
    read_more();
}

void http_session::respond(http_response&& response) {
    const auto& request = reader_->request();
    bool keep = request.keep_alive && !response.close && !input_ended_ && !environment_.draining.load();
    std::uint64_t length = response.file ? response.file->size : response.body.size();
    out_ += response_head(response, length, request.request_id, keep);
    bool bodiless = request.method == "HEAD" || response.status == 204 || response.status == 304;
    if (!bodiless) {
        out_ += response.body;
        if (response.file && length > 0) file_ = std::move(response.file);
    }
    close_after_ = !keep;

    auto took = std::chrono::duration_cast<std::chrono::microseconds>(loop::clock::now() - request_began_);
    if (environment_.counted) {
        loop_.metrics().add(http_status_class(response.status));
        loop_.metrics().observe(histogram::http_seconds, std::chrono::duration<double>(took).count());
    }
    const traced_work traced(span_ ? span_->work() : work_trace{});
    if (environment_.access_log)
        environment_.access_log({request.request_id, request.method, request.path, request.client.address,
                                 response.status, bodiless ? 0 : length, took});
    end_trace(response.status);
    reader_.reset();
    phase_ = phase::head;
    set_deadline(deadline::none);
    touch();
}

void http_session::refuse_request(const request_reader::refused& what) {
    auto& request = reader_->request();
    if (environment_.counted) loop_.metrics().add(labelled_counter::rejected_heads, what.why);
    if (request.request_id.empty()) request.request_id = make_request_id();
    if (request.client.address.empty()) request.client.address = peer_.address;
    request_began_ = loop::clock::now();
    auto response = error_response(what.status, std::string(what.why) + what.limit, request.request_id);
    response.close = true;
    respond(std::move(response));
}

void http_session::hand_over(take_over&& taker) {
    auto self = shared_from_this();
    phase_ = phase::closed;
    reader_.reset();
    unlink();
    const traced_work traced(span_ ? span_->work() : work_trace{});
    taker.by({std::move(io_), std::move(in_), std::move(slot_)});
    end_trace(101);
}

void http_session::touch() {
    if (loop_.touch(*this)) touched_ = shared_from_this();
}

void http_session::flush() {
    auto self = std::move(touched_);
    if (phase_ != phase::closed && phase_ != phase::closing && !writing_) write_out();
}

void http_session::on_writable(bool alive) {
    auto self = std::move(writing_);
    if (phase_ == phase::closed) return;
    if (!alive) return close();
    write_out();
}

// The next piece of the file into out_. False: nothing left, or the file shrank (the connection then cannot
// be saved).
bool http_session::refill() {
    if (!file_) return false;
    auto want = static_cast<std::size_t>(std::min<std::uint64_t>(file_->size, file_piece));
    out_.resize(want);
    sent_ = 0;
    auto n = ::pread(file_->file.get(), out_.data(), want, static_cast<off_t>(file_->offset));
    if (n <= 0) {
        close();
        return false;
    }
    out_.resize(static_cast<std::size_t>(n));
    file_->offset += static_cast<std::uint64_t>(n);
    file_->size -= static_cast<std::uint64_t>(n);
    if (file_->size == 0) file_.reset();
    return true;
}

void http_session::write_out() {
    bool progress = false;
    for (int pieces = 0;;) {
        if (sent_ == out_.size()) {
            out_.clear();
            sent_ = 0;
            if (pieces++ == pieces_per_turn && file_) break;
            if (!refill()) {
                if (phase_ != phase::closed) drained_output();
                return;
            }
        }
        iovec part{out_.data() + sent_, out_.size() - sent_};
        auto got = io_->write_some(&part, 1);
        if (got.what == transport::outcome::would_block) break;
        if (got.what != transport::outcome::done) return close();
        sent_ += got.bytes;
        progress = true;
    }
    // A view's deadline goes on; otherwise the client has to take something in time.
    if (phase_ != phase::answering && (progress || deadline_ != deadline::write))
        restart_deadline(deadline::write);
    writing_ = shared_from_this();
    io_->wait_writable(*this);
}

void http_session::drained_output() {
    if (out_.capacity() > 4096) std::string().swap(out_);
    if (in_.empty() && in_.capacity() > 4096) std::string().swap(in_);
    if (close_after_) {
        phase_ = phase::closing;
        set_deadline(deadline::linger);
        io_->shutdown_send();
        if (input_ended_) return close();
        if (!reading_) discard_input();
        return;
    }
    if (deadline_ == deadline::write) set_deadline(deadline::none);
    if (std::exchange(parked_, false)) dispatch();
    process();
    read_more();
}

void http_session::set_deadline(deadline what) {
    if (what != deadline_) restart_deadline(what);
}

void http_session::restart_deadline(deadline what) {
    loop_.cancel(std::exchange(timer_, timer_id{}));
    deadline_ = what;
    std::chrono::milliseconds after{0};
    switch (what) {
        case deadline::none:
            return;
        case deadline::head:
            after = environment_.settings.http_head_timeout;
            break;
        case deadline::body:
            after = environment_.settings.http_body_timeout;
            break;
        case deadline::idle:
            after = environment_.draining.load() ? drain_grace : environment_.settings.http_idle_timeout;
            break;
        case deadline::write:
            after = environment_.settings.http_idle_timeout;
            break;
        case deadline::view:
            after = view_timeout_;
            break;
        case deadline::linger:
            after = linger_time;
            break;
    }
    timer_ = loop_.schedule(after, [this] { expired(); });
}

void http_session::expired() {
    auto self = shared_from_this();
    timer_ = {};
    switch (std::exchange(deadline_, deadline::none)) {
        case deadline::view:
            awaiting_.reset();
            give_up_on_view();
            if (environment_.counted) loop_.metrics().add(counter::view_timeouts);
            respond(error_response(504, "no answer in time", reader_->request().request_id));
            process();
            return read_more();
        case deadline::head:
            // Who sent nothing at all gets no answer either.
            if (environment_.counted) loop_.metrics().add(counter::http_timeouts);
            if (in_.empty() || !reader_) return close();
            return refuse_request({408, "the request's head took too long"});
        case deadline::body:
            if (environment_.counted) loop_.metrics().add(counter::http_timeouts);
            return refuse_request({408, "the request's body took too long"});
        case deadline::none:
            return;
        default:
            close();
    }
}

}  // namespace madang
