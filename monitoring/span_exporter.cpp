#include "monitoring/span_exporter.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "broker/core/fnv1a.hpp"
#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using clock = std::chrono::steady_clock;
using outcome = span_queue::outcome;

// What OTLP/HTTP says may be sent again.
outcome judged(const result<fetch_answer>& answer) {
    if (!answer) return outcome::away;
    const auto status = answer->status;
    if (status >= 200 && status < 300) return outcome::sent;
    return status == 429 || status == 502 || status == 503 || status == 504 ? outcome::away
                                                                            : outcome::refused;
}

}  // namespace

// What an answer comes to; it may come when the exporter is gone.
struct span_exporter::shared {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<result<fetch_answer>> answer;
};

span_exporter::span_exporter(span_exporter_settings settings, http_fetcher& by, metrics& counts)
    : settings_(std::move(settings)),
      place_(fnv1a(settings_.from.instance)),
      fetcher_(by),
      counts_(counts),
      queue_(settings_.queue) {
    const auto read = [this](auto value) {
        return [this, value] {
            const std::lock_guard lock(mutex_);
            return static_cast<double>(value());
        };
    };
    counts_.set_counter(counter::spans_exported, read([this] { return queue_.exported(); }));
    counts_.set_counter(counter::spans_dropped, read([this] { return queue_.dropped() + lost_; }));
    counts_.set_counter(counter::spans_failed, read([this] { return queue_.failed(); }));
    counts_.set_gauge(gauge::spans_waiting, read([this] { return queue_.size(); }));
    thread_ = std::thread([this] { run(); });
}

span_exporter::~span_exporter() {
    stop();
    for (const auto which : {counter::spans_exported, counter::spans_dropped, counter::spans_failed})
        counts_.set_counter(which, {});
    counts_.set_gauge(gauge::spans_waiting, {});
}

void span_exporter::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

bool span_exporter::sample() noexcept {
    if (settings_.one_in <= 1) return settings_.one_in == 1;
    // Each thread by itself: one in so many, evenly, without a lock; the first one comes at once.
    static thread_local std::uint32_t seen = 0;
    return seen++ % settings_.one_in == 0;
}

void span_exporter::record(span&& what) noexcept {
    try {
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            ++lost_;
            return;
        }
        const auto now = clock::now();
        const bool first = queue_.size() == 0;
        queue_.add(std::move(what), now);
        // The thread sleeps until a batch's time; it is woken for the first, and for a full batch.
        if (first || queue_.size() == settings_.queue.batch) changed_.notify_one();
    } catch (...) {  // no memory for a span: it is lost, who made it is not
    }
}

std::int64_t span_exporter::now_ns() const noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

void span_exporter::run() {
    std::unique_lock lock(mutex_);
    bool away = false;
    std::optional<clock::time_point> last_chance;
    for (;;) {
        if (stopping_ && !last_chance) last_chance = clock::now() + settings_.timeout;
        const auto& batch = queue_.take(clock::now(), stopping_);
        if (batch.empty()) {
            if (stopping_) return;
            if (const auto due = queue_.due())
                changed_.wait_until(lock, *due);
            else
                changed_.wait(lock);
            continue;
        }
        fetch_request what;
        what.url = settings_.url;
        what.headers.emplace_back("Content-Type", "application/json");
        what.timeout = settings_.timeout;
        lock.unlock();  // the batch stays what it is until done()
        what.body = otlp_json(batch, settings_.from);
        const auto answered = std::make_shared<shared>();
        fetcher_.fetch(std::move(what), [answered](result<fetch_answer> answer) {
            const std::lock_guard told(answered->mutex);
            answered->answer = std::move(answer);
            answered->came.notify_all();
        });
        {
            std::unique_lock waits(answered->mutex);
            answered->came.wait(waits, [&] { return answered->answer.has_value(); });
        }
        const auto how = judged(*answered->answer);
        if (how == outcome::sent ? away : !away)
            log(how == outcome::sent ? log_level::info : log_level::warn,
                how == outcome::sent ? "trace.exported_again" : "trace.not_exported",
                {{"reason", !*answered->answer ? answered->answer->error().text()
                            : how == outcome::sent
                                ? std::string("the receiver is back")
                                : "status " + std::to_string((*answered->answer)->status)}});
        away = how != outcome::sent;
        lock.lock();
        queue_.done(how, clock::now());
        if (stopping_ && (away || (last_chance && clock::now() >= *last_chance))) return;
    }
}

}  // namespace madang
