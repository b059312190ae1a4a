#include "broker/net/cluster_link.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "broker/cluster/dial_plan.hpp"
#include "broker/core/log.hpp"

namespace madang {

namespace asio = boost::asio;
using descriptor = asio::posix::stream_descriptor;

namespace {

constexpr int passes_per_turn = 8;  // of one link, before the others have theirs
constexpr std::uint32_t grant_at_once = link_window / 4;

std::uint64_t stamp_of(link_hub::clock::time_point now) {
    return static_cast<std::uint64_t>(now.time_since_epoch() / std::chrono::microseconds(1));
}

}  // namespace

cluster_link::cluster_link(link_hub& hub, file_handle socket, std::shared_ptr<SSL_CTX> settings, origin from,
                           file_handle local)
    : hub_(hub),
      from_(std::move(from)),
      peer_(hub.io),
      local_(hub.io),
      settings_(std::move(settings)),
      shaker_(hub.self, hub.fresh_nonce(), from_.dialed, from_.id),
      worker_(hub.worker),
      given_(std::move(local)) {
    peer_.descriptor.assign(socket.get());
    socket.release();
}

void cluster_link::start() {
    const auto now = link_hub::clock::now();
    last_heard_ = now;
    if (!from_.dialed) return connected();
    stage_ = stage::connecting;
    deadline_ = now + std::min<link_hub::clock::duration>(dial_connect_limit, hub_.handshake_timeout);
    peer_.writable = false;
    arm();
}

void cluster_link::connected() {
    deadline_ = link_hub::clock::now() + hub_.handshake_timeout;
    stream_.emplace(peer_.descriptor.native_handle(), settings_, from_.dialed);
    settings_.reset();
    stage_ = stream_->secure() ? stage::securing : stage::greeting;
    if (from_.dialed && worker_)
        append_frame(small_, link_frame_kind::worker, encode(*worker_));
    else if (from_.dialed)
        append_frame(small_, link_frame_kind::hello, encode(shaker_.mine()));
    pump();
}

void cluster_link::pump_soon() {
    if (std::exchange(pump_posted_, true)) return;
    asio::post(hub_.io, [self = shared_from_this()] {
        self->pump_posted_ = false;
        self->pump();
    });
}

void cluster_link::pump() {
    if (over_ || std::exchange(pumping_, true)) return;
    const auto keep = shared_from_this();
    if (stage_ == stage::connecting && peer_.writable) {
        int why = 0;
        socklen_t size = sizeof why;
        ::getsockopt(peer_.descriptor.native_handle(), SOL_SOCKET, SO_ERROR, &why, &size);
        pumping_ = false;
        if (why == 0) return connected();
        return close(false);
    }
    heard_ = false;
    for (int pass = 0; !over_ && stage_ != stage::connecting; ++pass) {
        if (pass == passes_per_turn) {
            pump_soon();
            break;
        }
        bool moved = stage_ == stage::securing ? shake() : read_peer();
        if (!over_ && stage_ > stage::securing) {
            moved = write_local() || moved;
            moved = (!over_ && write_peer()) || moved;
        }
        if (!moved) break;
    }
    pumping_ = false;
    if (over_) return;
    arm();
    if (heard_ && up() && !worker_) hub_.host->bytes_came(shaker_.peer()->from);
}

void cluster_link::wait(side& which, descriptor::wait_type what, bool& waiting, bool& ready) {
    if (std::exchange(waiting, true)) return;
    which.descriptor.async_wait(what,
                                [self = shared_from_this(), &waiting, &ready](boost::system::error_code ec) {
                                    waiting = false;
                                    if (ec == asio::error::operation_aborted) return;
                                    ready = true;
                                    self->pump();
                                });
}

void cluster_link::arm() {
    if (!peer_.readable && stage_ != stage::connecting)
        wait(peer_, descriptor::wait_read, peer_.awaits_read, peer_.readable);
    if (!peer_.writable && (out_begin_ < out_end_ || read_wants_write_ || stage_ < stage::greeting))
        wait(peer_, descriptor::wait_write, peer_.awaits_write, peer_.writable);
    if (!up() || over_) return;
    if (!local_.readable && out_begin_ == out_end_)
        wait(local_, descriptor::wait_read, local_.awaits_read, local_.readable);
    if (!local_.writable && !for_local_.empty())
        wait(local_, descriptor::wait_write, local_.awaits_write, local_.writable);
}

// Whether the operation has to wait; which side has to be ready for it is noted.
bool cluster_link::blocked(link_stream::outcome what, bool& wants_other, bool reading) {
    if (what == link_stream::outcome::wants_read) {
        peer_.readable = false;
        wants_other = !reading;
        return true;
    }
    if (what == link_stream::outcome::wants_write) {
        peer_.writable = false;
        wants_other = reading;
        return true;
    }
    wants_other = false;
    return false;
}

bool cluster_link::shake() {
    if (!peer_.readable && !peer_.writable) return false;
    const auto what = stream_->shake();
    bool unused = false;
    peer_.readable = peer_.writable = true;
    if (blocked(what, unused, true)) return false;
    if (what != link_stream::outcome::done) {
        refuse(stream_->refusal(), stream_->detail());
        return false;
    }
    stage_ = stage::greeting;
    return true;
}

void cluster_link::peer_lost(link_stream::outcome what) {
    if (leaving_) return end("stopped", "this node stops");
    if (up()) return end("closed", "the connection was closed");
    refuse(what == link_stream::outcome::failed ? stream_->refusal() : link_refusal::closed,
           stream_->detail());
}

bool cluster_link::read_peer() {
    if (!peer_.readable || (read_wants_write_ && !peer_.writable)) return false;
    const auto room = decoder_.room();
    const auto [what, bytes] = stream_->read_some(room.data, room.size);
    if (blocked(what, read_wants_write_, true)) return false;
    if (what != link_stream::outcome::done) {
        peer_lost(what);
        return false;
    }
    decoder_.filled(bytes);
    bytes_in_ += bytes;
    hub_.counts->add(counter::cluster_bytes_in, bytes);
    last_heard_ = link_hub::clock::now();
    heard_ = true;
    // The kernel had no more: it tells when it has.
    if (!stream_->secure() && bytes < room.size) peer_.readable = false;
    for (;;) {
        const auto next = decoder_.next();
        if (!next) {
            if (up()) {
                end("protocol", next.error().detail);
            } else {
                refuse(link_refusal::protocol, next.error().detail);
            }
            return false;
        }
        if (!*next) return true;
        take(**next);
        if (over_) return false;
    }
}

void cluster_link::take(const link_frame& what) {
    switch (what.kind) {
        case link_frame_kind::hello:
            return take_hello(what.bytes);
        case link_frame_kind::worker:
            return take_worker(what.bytes);
        case link_frame_kind::welcome:
            if (worker_) return come_up();  // before it is up there is none: a worker's own
            return apply(from_.dialed ? shaker_.welcomed(*hub_.book)
                                      : link_handshake::step{link_refusal::protocol, {}, false, {}});
        case link_frame_kind::refused: {
            const std::string word(what.bytes);
            if (up()) return end("protocol", "it refused a link that was up");
            // It is the other's word: a duplicate is nothing to tell of.
            if (word != to_string(link_refusal::duplicate) && word != to_string(link_refusal::self) &&
                hub_.may_log(link_refusal::closed))
                log_warn("cluster.refused_by_peer", {{"address", from_.remote}, {"reason", word}});
            return close(false);
        }
        case link_frame_kind::data:
            return take_data(what.bytes);
        case link_frame_kind::credit: {
            const auto more = frame_number(what.bytes);
            if (more > link_window - may_send_) return end("protocol", "it granted more than there is");
            may_send_ += static_cast<std::uint32_t>(more);
            return;
        }
        case link_frame_kind::beat:
            if (worker_) return end("protocol", "a beat of a worker, or to one");
            return hub_.host->beat_came(shaker_.peer()->from, what.bytes);
        case link_frame_kind::ping:
            pong_ = frame_number(what.bytes);
            return;
        case link_frame_kind::pong: {
            const auto now = stamp_of(last_heard_), then = frame_number(what.bytes);
            if (then <= now) round_trip_ = std::chrono::microseconds(now - then);
            return;
        }
        case link_frame_kind::bye:
            return end("bye", "it goes in order");
    }
}

void cluster_link::take_hello(std::string_view bytes) {
    if (worker_) return refuse(link_refusal::protocol);
    const auto hello = decode_hello(bytes);
    if (!hello) return refuse(link_refusal::hello, hello.error().detail);
    apply(shaker_.heard(*hello, stream_->certified(), *hub_.book));
}

void cluster_link::take_worker(std::string_view bytes) {
    if (from_.dialed || shaker_.peer()) return refuse(link_refusal::protocol);
    auto hello = decode_worker_hello(bytes);
    if (!hello) return refuse(link_refusal::hello, hello.error().detail);
    if (const auto why = judge(*hello, hub_.self, stream_->certified())) return refuse(*why, hello->name);
    if (hub_.full_of_workers()) return refuse(link_refusal::workers, hello->name);
    worker_ = std::move(*hello);
    append_frame(small_, link_frame_kind::welcome);
    come_up();
}

void cluster_link::apply(const link_handshake::step& next) {
    if (next.say) append_frame(small_, link_frame_kind::hello, encode(*next.say));
    if (next.refused) return refuse(*next.refused);
    if (next.replaces) hub_.replace(*next.replaces);
    if (next.welcome) append_frame(small_, link_frame_kind::welcome);
    if (shaker_.up()) come_up();
}

void cluster_link::come_up() {
    file_handle near = std::move(given_), far;
    if (int ends[2]; !near) {
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            log_error("cluster.link_failed", {{"address", from_.remote}, {"why", std::strerror(errno)}});
            return close(false);
        }
        near = file_handle(ends[0]);
        far = file_handle(ends[1]);
    }
    ::fcntl(near.get(), F_SETFL, O_NONBLOCK);
    local_.descriptor.assign(near.get());
    near.release();
    decoder_.admit();
    stage_ = stage::up;
    told_ = true;
    last_ping_ = last_heard_;
    ping_due_ = true;
    if (worker_) {
        log_info("cluster.worker_joined",
                 {{"worker", worker_->name}, {"address", from_.remote}, {"dialed", from_.dialed}});
        if (far) hub_.host->worker_came(std::move(far), worker_->name);
        return;
    }
    hub_.counts->gauge_add(gauge::cluster_links, 1);
    const auto& who = *shaker_.peer();
    log_info("cluster.link_up", {{"peer", who.from.name},
                                 {"incarnation", who.from.incarnation},
                                 {"address", from_.remote},
                                 {"dialed", from_.dialed}});
    hub_.came_up(*this);
    hub_.host->link_up(who, std::move(far), from_.dialed);
}

void cluster_link::take_data(std::string_view bytes) {
    if (bytes.size() > may_receive_) return end("protocol", "it sent more than it was granted");
    may_receive_ -= static_cast<std::uint32_t>(bytes.size());
    while (for_local_.empty() && local_.writable && !bytes.empty()) {
        const auto n = ::send(local_.descriptor.native_handle(), bytes.data(), bytes.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
            to_grant_ += static_cast<std::uint32_t>(n);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            local_.writable = false;
        } else if (errno != EINTR) {
            return end("local", "this node's end was closed");
        }
    }
    for_local_.append(bytes);
}

bool cluster_link::write_local() {
    bool moved = false;
    while (!for_local_.empty() && local_.writable) {
        const auto n = ::send(local_.descriptor.native_handle(), for_local_.data() + for_local_taken_,
                              for_local_.size() - for_local_taken_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            moved = true;
            for_local_taken_ += static_cast<std::size_t>(n);
            to_grant_ += static_cast<std::uint32_t>(n);
            if (for_local_taken_ == for_local_.size()) {
                for_local_taken_ = 0;
                std::string().swap(for_local_);
            } else if (for_local_taken_ >= link_window / 2) {
                for_local_.erase(0, std::exchange(for_local_taken_, 0));
            }
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            local_.writable = false;
        } else if (errno != EINTR) {
            end("local", "this node's end was closed");
            return false;
        }
    }
    return moved;
}

void cluster_link::put(std::string_view frame) {
    if (out_.size() < out_end_ + frame.size()) out_.resize(out_end_ + frame.size());
    std::memcpy(out_.data() + out_end_, frame.data(), frame.size());
    out_end_ += frame.size();
}

// What goes out next: what is small and urgent, then one frame of data.
bool cluster_link::fill() {
    out_begin_ = out_end_ = 0;
    if (bye_said_) return false;
    if (up()) {
        if (!beat_.empty()) append_frame(small_, link_frame_kind::beat, std::exchange(beat_, {}));
        if (to_grant_ >= grant_at_once) {
            may_receive_ += to_grant_;
            append_frame_u32(small_, link_frame_kind::credit, std::exchange(to_grant_, 0));
        }
        if (pong_) append_frame_u64(small_, link_frame_kind::pong, *std::exchange(pong_, std::nullopt));
        if (std::exchange(ping_due_, false))
            append_frame_u64(small_, link_frame_kind::ping, stamp_of(link_hub::clock::now()));
    }
    if (!small_.empty()) {
        put(small_);
        std::string().swap(small_);
    }
    if (!up()) return out_end_ > 0;
    if (local_.readable && may_send_ > 0) {
        const auto size = std::min<std::size_t>(link_data_limit, may_send_);
        if (out_.size() < out_end_ + link_frame_head + size) out_.resize(out_end_ + link_frame_head + size);
        char* at = out_.data() + out_end_;
        const auto n = ::recv(local_.descriptor.native_handle(), at + link_frame_head, size, MSG_DONTWAIT);
        if (n > 0) {
            write_frame_head(at, link_frame_kind::data, static_cast<std::size_t>(n));
            out_end_ += link_frame_head + static_cast<std::size_t>(n);
            may_send_ -= static_cast<std::uint32_t>(n);
            if (static_cast<std::size_t>(n) < size) local_.readable = false;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            local_.readable = false;
        } else if (n == 0 || errno != EINTR) {
            if (leaving_) {
                end("stopped", "this node stops");
            } else {
                end("local", "this node's end was closed");
            }
            return false;
        }
    }
    if (leaving_ && out_end_ == 0) {
        std::string bye;
        append_frame(bye, link_frame_kind::bye);
        put(bye);
        bye_said_ = true;
    }
    return out_end_ > 0;
}

bool cluster_link::write_peer() {
    if (out_begin_ == out_end_ && !fill()) {
        if (bye_said_ && !over_ && !std::exchange(finished_, true)) stream_->finish();
        return false;
    }
    if (!peer_.writable || (write_wants_read_ && !peer_.readable)) return false;
    const auto [what, bytes] = stream_->write_some(out_.data() + out_begin_, out_end_ - out_begin_);
    if (blocked(what, write_wants_read_, false)) {
        if (!stalled_since_) stalled_since_ = link_hub::clock::now();
        return false;
    }
    if (what != link_stream::outcome::done) {
        peer_lost(what);
        return false;
    }
    stalled_since_.reset();
    out_begin_ += bytes;
    bytes_out_ += bytes;
    hub_.counts->add(counter::cluster_bytes_out, bytes);
    return true;
}

void cluster_link::send_beat(std::string_view bytes) {
    if (!up() || leaving_ || worker_) return;
    beat_ = bytes;  // a later one says all that one did that waits
    pump_soon();
}

void cluster_link::leave() {
    if (!up()) return close(true);
    leaving_ = true;
    local_.readable = true;
    pump();
}

void cluster_link::tick(link_hub::clock::time_point now, link_hub::clock::duration away) {
    if (over_) return;
    deadline_ += away;
    last_heard_ = std::min(now, last_heard_ + away);
    if (stalled_since_) *stalled_since_ += away;
    if (!up()) {
        if (now < deadline_) return;
        if (stage_ == stage::connecting) return close(false);
        return refuse(link_refusal::timeout);
    }
    if (now - last_heard_ > hub_.timeout) {
        // Perhaps it was this thread that was away.
        peer_.readable = true;
        pump();
        if (over_) return;
        if (now - last_heard_ > hub_.timeout) return end("silent", "nothing came for cluster-timeout");
    }
    if (stalled_since_ && now - *stalled_since_ > hub_.timeout)
        return end("stalled", "it took nothing for cluster-timeout");
    if (now - last_ping_ >= hub_.heartbeat) {
        last_ping_ = now;
        ping_due_ = true;
        pump();
    }
}

void cluster_link::end(std::string_view word, const std::string& why) {
    if (over_) return;
    if (!up()) return refuse(link_refusal::duplicate);
    if (worker_) {
        log_info("cluster.worker_left",
                 {{"worker", worker_->name}, {"address", from_.remote}, {"reason", word}, {"why", why}});
        return close(word != "silent" && word != "stalled");
    }
    hub_.counts->add(labelled_counter::cluster_link_ends, word);
    log_info("cluster.link_down", {{"peer", shaker_.peer()->from.name},
                                   {"incarnation", shaker_.peer()->from.incarnation},
                                   {"reason", word},
                                   {"why", why}});
    over_ = true;
    hub_.book->release(from_.id);
    hub_.counts->gauge_add(gauge::cluster_links, -1);
    local_.descriptor.close();
    if (std::exchange(told_, false)) hub_.host->link_down(shaker_.peer()->from, why);
    close(word != "silent" && word != "stalled");
}

void cluster_link::refuse(link_refusal why, const std::string& detail) {
    if (over_) return;
    hub_.counts->add(labelled_counter::cluster_refused, to_string(why));
    const bool ordinary = why == link_refusal::duplicate || why == link_refusal::closed ||
                          (why == link_refusal::self && shaker_.peer()->from == hub_.self.from);
    const auto level = ordinary ? log_level::debug : log_level::warn;
    if (log_enabled(level) && hub_.may_log(why))
        log(level, "cluster.refused",
            {{"address", from_.remote},
             {"reason", to_string(why)},
             {"why", describe(why)},
             {"detail", detail},
             {"peer", shaker_.peer() ? shaker_.peer()->from.name : std::string()},
             {"dialed", from_.dialed}});
    // It hears why if it has got as far as a hello and takes a few bytes at once.
    if (stage_ == stage::greeting && why != link_refusal::closed && why != link_refusal::tls &&
        out_begin_ == out_end_) {
        append_frame(small_, link_frame_kind::refused, to_string(why));
        stream_->write_some(small_.data(), small_.size());
    }
    close(stage_ == stage::greeting);
}

void cluster_link::close(bool orderly) {
    const bool first = !std::exchange(over_, true);
    if (first) hub_.book->release(from_.id);
    if (!peer_.descriptor.is_open()) return;
    if (orderly && stream_ && !finished_) stream_->finish();
    boost::system::error_code ignored;
    peer_.descriptor.close(ignored);
    local_.descriptor.close(ignored);
    given_.reset();
    stream_.reset();
    hub_.over(*this);
}

cluster_links::link_status cluster_link::status() const {
    return {shaker_.peer()->from, from_.remote, from_.dialed, bytes_in_, bytes_out_, round_trip_};
}

}  // namespace madang
