#include <algorithm>
#include <boost/asio/post.hpp>

#include <caf/actor_system.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <system_error>

#include "actors/asio_loop_impl.hpp"
#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

thread_local const loop* current_loop = nullptr;

// Messages one actor handles before the next has its turn.
constexpr std::size_t messages_per_resume = 128;
// A look at the clock per so many handlers.
constexpr std::size_t handlers_per_clock = 32;

int make_epoll() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    return fd;
}

}  // namespace

bool loop::in_this_thread() const noexcept { return current_loop == this; }

asio_loop::asio_loop(caf::actor_system& system, std::size_t index, metrics_shard& metrics,
                     const options& settings)
    : caf::execution_unit(&system),
      work_(context_.get_executor()),
      timer_(context_),
      descriptors_(context_, make_epoll()),
      index_(index),
      metrics_(metrics),
      turn_handlers_(settings.turn_handlers),
      turn_time_(settings.turn_time) {
    await_descriptors();
}

asio_loop::~asio_loop() = default;

void asio_loop::post(std::function<void()> fn) {
    boost::asio::post(context_, [fn = std::move(fn)] { fn(); });
}

void asio_loop::stop() {
    post([this] {
        stopping_ = true;
        timer_.cancel();
        descriptors_.cancel();
        work_.reset();
    });
}

void asio_loop::exec_later(caf::resumable* what) {
    if (what->subtype() != caf::resumable::io_actor) {
        system().scheduler().enqueue(what);
        return;
    }
    if (in_this_thread()) {
        ready_.push_back(what);
        return;
    }
    std::unique_lock lock(inbox_mutex_);
    inbox_.push_back(what);
    const bool signal = !std::exchange(signalled_, true);
    lock.unlock();
    if (signal) boost::asio::post(context_, [this] { take_inbox(); });
}

void asio_loop::take_inbox() {
    std::lock_guard lock(inbox_mutex_);
    signalled_ = false;
    ready_.insert(ready_.end(), inbox_.begin(), inbox_.end());
    inbox_.clear();
}

bool asio_loop::touch(flushable& what) {
    if (!mark(what)) return false;
    touched_.push_back(&what);
    return true;
}

bool asio_loop::touch_early(flushable& what) {
    if (!mark(what)) return false;
    early_.push_back(&what);
    return true;
}

// ------------------------------------------------------------------------------------------- descriptors

bool asio_loop::watch(int fd, descriptor_watcher& who) {
    epoll_event event{EPOLLIN | EPOLLRDHUP | EPOLLET, {.ptr = &who}};
    return ::epoll_ctl(descriptors_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void asio_loop::watch_writes(int fd, descriptor_watcher& who) {
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = &who}};
    ::epoll_ctl(descriptors_.native_handle(), EPOLL_CTL_MOD, fd, &event);
}

void asio_loop::unwatch(int fd, descriptor_watcher& who) noexcept {
    ::epoll_ctl(descriptors_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
    for (int i = next_event_; i < last_event_; ++i)
        if (events_[static_cast<std::size_t>(i)].data.ptr == &who)
            events_[static_cast<std::size_t>(i)].data.ptr = nullptr;
    std::replace(looking_again_.begin(), looking_again_.end(), &who,
                 static_cast<descriptor_watcher*>(nullptr));
}

void asio_loop::await_descriptors() {
    descriptors_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                            [this](boost::system::error_code error) {
                                if (!error) descriptors_ready_ = true;
                            });
}

// One look into the epoll set: at most 256 of them, then the turn's bounds are checked.
std::size_t asio_loop::run_descriptors() {
    std::size_t handled = 0;
    if (!looking_again_.empty()) {
        // By index: they may be joined by others, and be forgotten, meanwhile.
        for (std::size_t i = 0, count = looking_again_.size(); i < count; ++i, ++handled)
            if (auto* who = looking_again_[i]) guarded([&] { return who->on_ready({}), 0; });
        looking_again_.erase(looking_again_.begin(),
                             looking_again_.begin() + static_cast<std::ptrdiff_t>(handled));
    }
    if (!descriptors_ready_) return handled;
    next_event_ = 0;
    last_event_ = std::max(
        0, ::epoll_wait(descriptors_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0));
    const bool all = last_event_ < static_cast<int>(events_.size());
    while (next_event_ < last_event_) {
        const auto event = events_[static_cast<std::size_t>(next_event_++)];
        auto* who = static_cast<descriptor_watcher*>(event.data.ptr);
        if (who == nullptr) continue;
        ++handled;
        guarded([&] {
            who->on_ready({(event.events & EPOLLIN) != 0, (event.events & EPOLLOUT) != 0,
                           (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0});
            return 0;
        });
    }
    if (all) {
        descriptors_ready_ = false;
        if (!stopping_) await_descriptors();
    }
    return handled;
}

loop::clock::time_point asio_loop::now() const noexcept {
    if (!now_valid_) {
        now_ = clock::now();
        now_valid_ = true;
    }
    return now_;
}

timer_id asio_loop::schedule(std::chrono::milliseconds delay, std::function<void()> fn) {
    const auto id = timers_.schedule(now(), delay, std::move(fn));
    arm_timer();
    return id;
}

void asio_loop::arm_timer() {
    const auto next = timers_.next_deadline();
    if (!next || *next >= armed_ || stopping_) return;
    armed_ = *next;
    timer_.expires_at(*next);
    timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;  // armed anew for an earlier deadline
        armed_ = clock::time_point::max();
        now_valid_ = false;
        metrics_.add(counter::timers_fired, guarded([this] { return timers_.fire(now()); }));
        arm_timer();
    });
}

// Exceptions stop here: what threw is logged and the loop goes on.
template <class Function>
std::size_t asio_loop::guarded(Function fn) noexcept {
    try {
        return fn();
    } catch (const std::exception& e) {
        log_error("loop.exception", {{"what", e.what()}});
    } catch (...) {
        log_error("loop.exception", {{"what", "not a std::exception"}});
    }
    return 1;
}

void asio_loop::resume(caf::resumable* what) {
    switch (what->resume(this, messages_per_resume)) {
        case caf::resumable::resume_later:
            ready_.push_back(what);
            break;  // keeps the reference
        case caf::resumable::shutdown_execution_unit:
            break;
        default:
            caf::intrusive_ptr_release(what);
    }
}

std::size_t asio_loop::run_ready() {
    running_.swap(ready_);
    const std::size_t count = running_.size();
    for (auto* each : running_) resume(each);
    running_.clear();
    return count;
}

void asio_loop::run() {
    current_loop = this;
    while (!(stopping_ && !has_work() && context_.stopped())) {
        if (context_.stopped()) context_.restart();
        run_turn();
    }
    current_loop = nullptr;
}

bool asio_loop::release_ready() {
    for (bool any = false;; any = true) {
        context_.restart();
        auto handled = guarded([&] { return context_.poll(); });
        take_inbox();
        handled += run_ready();
        if (handled == 0) return any;
    }
}

void asio_loop::run_turn() {
    now_valid_ = false;
    std::size_t handlers = 0;
    if (has_work())
        handlers += guarded([&] { return context_.poll_one(); });
    else
        handlers += guarded([&] { return context_.run_one(); });
    const auto began = clock::now();
    now_ = began;
    now_valid_ = true;
    turn_began_.store(began.time_since_epoch().count(), std::memory_order_relaxed);
    auto next_look = handlers + handlers_per_clock;
    for (;;) {
        handlers += run_descriptors();
        handlers += run_ready();
        const auto polled = guarded([&] { return context_.poll_one(); });
        handlers += polled;
        if (polled == 0 && ready_.empty() && !descriptors_ready_ && looking_again_.empty()) break;
        if (handlers >= turn_handlers_) break;
        if (handlers < next_look) continue;
        next_look = handlers + handlers_per_clock;
        if (clock::now() - began >= turn_time_) break;
    }
    // What is touched meanwhile waits for the next turn.
    for (auto* list : {&early_, &touched_}) {
        flushing_.swap(*list);
        for (auto* each : flushing_) {
            unmark(*each);
            guarded([&] {
                each->flush();
                return 0;
            });
        }
        flushing_.clear();
    }
    const std::chrono::duration<double> length = clock::now() - began;
    turn_began_.store(0, std::memory_order_relaxed);
    note_running(nullptr);
    metrics_.observe(histogram::turn_seconds, length.count());
    metrics_.gauge_add(gauge::timers,
                       static_cast<std::int64_t>(timers_.size()) -
                           std::exchange(counted_timers_, static_cast<std::int64_t>(timers_.size())));
    metrics_.observe(histogram::turn_handlers, static_cast<double>(handlers));
}

}  // namespace madang
