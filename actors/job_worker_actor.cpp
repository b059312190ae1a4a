#include "actors/job_worker_actor_impl.hpp"

#include <algorithm>

#include "broker/auth/secrets.hpp"
#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::size_t kept_bytes = 1024 * 1024;  // of a buffer that is empty
constexpr std::uint32_t most_children = 4096;

link::run run_of(job_assignment&& what) {
    const auto& spec = *what.spec;
    link::run made;
    made.token = what.token;
    made.id = spec.id;
    made.task = spec.task;
    made.queue = spec.queue;
    made.args = what.args.empty() ? spec.args : std::move(what.args);
    made.kwargs = spec.kwargs;
    made.headers = spec.headers;
    made.correlation_id = spec.correlation_id;
    made.parent = spec.parent;
    made.root = spec.root;
    made.checkpoint = std::move(what.checkpoint);
    made.retries = what.retries;
    made.losses = what.losses;
    made.max_retries = spec.retry.max_retries;
    made.soft_limit_ms = spec.soft_limit_ms;
    made.hard_limit_ms = spec.hard_limit_ms;
    return made;
}

}  // namespace

std::optional<std::string> refusal_of(const link::hello& who, const std::string* cookie) {
    if (who.version != link::version)
        return "its version is " + std::to_string(who.version) + ", the server's " +
               std::to_string(link::version);
    if (cookie != nullptr && !same_secret(who.cookie, *cookie))
        return "its cookie is not this server's; it is in the file beside the socket";
    return std::nullopt;
}

job_worker_actor::job_worker_actor(caf::actor_config& config, job_room& room, std::uint64_t id,
                                   std::unique_ptr<worker_wire> wire, job_desk::where from)
    : pinned_actor(config, room.on()), room_(room), id_(id), wire_(std::move(wire)), from_(from) {
    set_down_handler([this](caf::down_msg& down) {
        const auto found = std::find_if(children_.begin(), children_.end(), [&](const auto& each) {
            return each.second.who.address() == down.source;
        });
        if (found == children_.end()) return;
        const auto token = found->second.at->token;
        if (down.reason != caf::exit_reason::user_shutdown)
            room_.on().metrics().add(labelled_counter::actor_restarts, "job_child");
        if (token != 0) {
            link::ended lost;
            lost.token = token;
            lost.what = link::ended::outcome::lost;
            lost.error = {"WorkerLostError", "its child process " + std::to_string(found->first) + " ended",
                          ""};
            room_.desk().said(id_, std::move(lost));
        }
        children_.erase(found);
    });
}

caf::behavior job_worker_actor::make_behavior() {
    return {[](caf::unit_t) {}};
}

bool job_worker_actor::begin() {
    if (!wire_->begin(*this)) {
        close();
        return false;
    }
    too_many_ = room_.full();
    // Who does not say who it is within that time is nobody.
    room_.on().schedule(room_.with().settings.worker_timeout,
                        [this, who = caf::actor_cast<caf::actor>(this)] {
                            if (!greeted_) close();
                        });
    return true;
}

void job_worker_actor::close() {
    if (std::exchange(closed_, true)) return;
    wire_->close();
    for (auto& [pid, each] : children_) {
        demonitor(each.who.address());
        caf::anon_send_exit(each.who, caf::exit_reason::user_shutdown);
    }
    children_.clear();
    room_.remove(id_);
}

// ------------------------------------------------------------------------------------------- reading

bool job_worker_actor::bytes_came(std::string_view bytes) {
    try {
        return decode(bytes);
    } catch (const std::exception& e) {
        room_.on().metrics().add(labelled_counter::actor_restarts, "job_worker");
        log_error("job.worker.failed", {{"what", e.what()}});
        return false;
    }
}

void job_worker_actor::may_write() {
    if (!closed_ && written_ != out_.size()) touch();
}

bool job_worker_actor::decode(std::string_view bytes) {
    if (refused_) return true;
    decoder_.add(bytes);
    for (;;) {
        auto next = decoder_.next();
        if (!next) {
            log_warn("job.worker.refused", {{"why", next.error().text()}});
            return false;
        }
        if (!*next) return true;
        hear(std::move(**next));
        if (closed_) return true;
    }
}

void job_worker_actor::hear(link::from_worker&& what) {
    if (refused_) return;
    if (!greeted_) {
        if (auto* hello = std::get_if<link::hello>(&what)) return greet(std::move(*hello));
        return refuse("the first word is hello");
    }
    if (auto* call = std::get_if<link::call>(&what)) {
        room_.desk().said(id_, link::alive{});
        return room_.call(id_, std::move(*call));
    }
    if (const auto* began = std::get_if<link::began>(&what)) {
        child_began(began->child, began->token);
    } else if (const auto* ended = std::get_if<link::ended>(&what)) {
        for (auto& [pid, each] : children_)
            if (each.at->token == ended->token) each.at->token = 0;
    } else if (const auto* gone = std::get_if<link::child_ended>(&what)) {
        child_ended(gone->child, gone->expected);
    }
    room_.desk().said(id_, std::move(what));
}

void job_worker_actor::greet(link::hello&& who) {
    if (auto why = refusal_of(who, from_ == job_desk::where::process ? &room_.with().cookie : nullptr))
        return refuse(std::move(*why));
    // Only once it said hello: a worker that is still writing it would find its connection closed, and no
    // reason.
    if (too_many_) return refuse("no more workers are accepted (--worker-connections)");
    greeted_ = true;
    log_info("job.worker.arrived", {{"worker", who.name}, {"children", who.concurrency}});
    tell(link::welcome{id_, room_.with().node});
    who.cookie.clear();
    room_.desk().arrived(id_, std::move(who), from_);
}

void job_worker_actor::refuse(std::string why) {
    log_warn("job.worker.refused", {{"why", why}});
    tell(link::refused{std::move(why)});
    refused_ = true;  // closed when that is written
}

void job_worker_actor::child_began(std::uint32_t pid, std::uint64_t token) {
    auto found = children_.find(pid);
    if (found == children_.end()) {
        if (children_.size() >= most_children) return;
        caf::actor_config config{&room_.on()};
        auto who =
            room_.on().system().spawn_class<job_child_actor, caf::no_spawn_options>(config, room_.on());
        auto* const at = static_cast<job_child_actor*>(caf::actor_cast<caf::abstract_actor*>(who));
        monitor(who);
        found = children_.emplace(pid, child{std::move(who), at}).first;
    }
    found->second.at->token = token;
}

void job_worker_actor::child_ended(std::uint32_t pid, bool expected) {
    const auto found = children_.find(pid);
    if (found == children_.end()) return;
    caf::anon_send_exit(found->second.who,
                        expected ? caf::exit_reason::user_shutdown : caf::exit_reason::unhandled_exception);
}

// ------------------------------------------------------------------------------------------- writing

void job_worker_actor::run(job_assignment&& what) { tell(run_of(std::move(what))); }

void job_worker_actor::tell(const link::from_server& what) {
    if (closed_ || refused_) return;
    link::append(out_, what);
    touch();
}

void job_worker_actor::touch() {
    if (room_.on().touch(*this)) self_ = caf::actor_cast<caf::strong_actor_ptr>(this);
}

void job_worker_actor::flush() {
    const auto alive = std::exchange(self_, nullptr);
    if (closed_) return;
    if (written_ < out_.size()) {
        const auto count = wire_->write(std::string_view(out_).substr(written_));
        if (!count) return close();
        written_ += *count;
    }
    const auto left = out_.size() - written_;
    if (left == 0) {
        out_.clear();
        written_ = 0;
        if (out_.capacity() > kept_bytes) std::string().swap(out_);
        if (refused_) return close();
    }
    const bool stalled = left > room_.with().settings.publish_credit_bytes;
    if (std::exchange(stalled_, stalled) != stalled) room_.desk().stall(id_, stalled);
}

}  // namespace madang
