#include "storage/committing_store.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "broker/core/log.hpp"
#include "monitoring/metrics.hpp"
#include "storage/job_book.hpp"
#include "storage/shard.hpp"
#include "storage/submission.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;

std::size_t bytes_of(const store_request& what) noexcept {
    std::size_t size = sizeof what + group_of(what).size();
    if (const auto* publish = std::get_if<commands::publish>(&what))
        size += stream_state::size_of(publish->what) + publish->idempotency_key.size();
    if (const auto* enter = std::get_if<commands::enter>(&what)) {
        const auto& who = enter->who.who;
        size += who.client.size() + who.user.size() + who.conn_info.size() + who.chan_info.size();
    }
    if (const auto* adopt = std::get_if<commands::adopt>(&what)) {
        for (const auto& each : adopt->what.publications) size += stream_state::size_of(each.what);
        for (const auto& each : adopt->what.keys) size += sizeof each + each.name.size();
        for (const auto& each : adopt->what.seen) size += sizeof each + each.user.size();
    }
    return size;
}

std::int64_t time_of(const store_request& what) noexcept {
    return std::visit(
        [](const auto& each) -> std::int64_t {
            if constexpr (requires { each.now_ms; })
                return each.now_ms;
            else if constexpr (requires { each.what.time_ms; })
                return each.what.time_ms;
            else
                return 0;
        },
        what);
}

std::optional<error> why_not(const result<void>& done) {
    return done ? std::nullopt : std::optional(done.error());
}

std::string_view reason_of(errc code) noexcept { return describe(code).name; }

class committing_store final : public store {
  public:
    committing_store(std::unique_ptr<kv> bytes, const generation& now, const store_limits& limits,
                     const clock_source& clock, metrics& counts)
        : bytes_(std::move(bytes)),
          limits_(limits),
          clock_(clock),
          counts_(counts),
          writer_counts_(counts.new_shard()),
          syncer_counts_(counts.new_shard()),
          copier_counts_(counts.new_shard()),
          batch_(bytes_->new_batch()),
          book_(*bytes_, {limits.job_cache_bytes,
                          {limits.job_args_bytes, limits.job_dead_ms},
                          limits.round_bytes,
                          1 + std::random_device{}() % (1u << 21)}) {
        const shard::limits each{std::max<std::size_t>(limits.streams / limits.shards, 4),
                                 limits.tail_bytes / limits.shards};
        shards_.reserve(limits.shards);
        for (std::uint32_t i = 0; i < limits.shards; ++i)
            shards_.push_back(
                {std::make_unique<shard>(static_cast<std::uint16_t>(i), *bytes_, now, each, totals_), false});
    }

    result<void> start() {
        for (auto& each : shards_) {
            if (auto done = each.logic->load_presence(); !done) return done;
            auto stale = each.logic->stale();
            stale_.insert(stale_.end(), std::make_move_iterator(stale.begin()),
                          std::make_move_iterator(stale.end()));
        }
        if (auto done = book_.start(); !done) return done;
        jobs_elapsed_ms_ = book_.elapsed_ms();
        keep_start();
        publish_totals();
        for (const auto why : {errc::busy, errc::invalid_option, errc::storage_failed})
            copier_counts_.add(labelled_counter::store_backups, reason_of(why), 0);
        counts_.set_gauge(gauge::store_queue_bytes, [this] { return static_cast<double>(queued_.load()); });
        counts_.set_gauge(gauge::store_tail_bytes,
                          [this] { return static_cast<double>(tail_bytes_.load()); });
        counts_.set_gauge(gauge::store_streams, [this] { return static_cast<double>(streams_.load()); });
        counts_.set_gauge(gauge::store_present, [this] { return static_cast<double>(present_.load()); });
        counts_.set_gauge(gauge::store_free_bytes, [this] { return bytes_->free_bytes(); });
        counts_.set_gauge(gauge::store_healthy, [this] { return health() ? 1.0 : 0.0; });
        counts_.set_counter(counter::store_keys_forgotten,
                            [this] { return static_cast<double>(bytes_->keys_forgotten()); });
        bytes_->on_trouble([this] {
            incoming_.poke();
            to_sync_.poke();
        });
        writer_ = std::thread([this] { write(); });
        reader_ = std::thread([this] { read(); });
        syncer_ = std::thread([this] { sync(); });
        return {};
    }

    ~committing_store() override {
        for (const auto each : {gauge::store_queue_bytes, gauge::store_tail_bytes, gauge::store_streams,
                                gauge::store_present, gauge::store_free_bytes, gauge::store_healthy})
            counts_.set_gauge(each, {});
        counts_.set_counter(counter::store_keys_forgotten, {});
        if (copier_.joinable()) copier_.join();
        // Each hands on to those behind it.
        incoming_.close();
        if (writer_.joinable()) writer_.join();
        if (!bytes_->ready()) bytes_->give_up();
        to_read_.close();
        if (reader_.joinable()) reader_.join();
        to_sync_.close();
        if (syncer_.joinable()) syncer_.join();
        bytes_->on_trouble({});
        if (auto done = bytes_->close(); !done)
            log_error("store.unclean_stop", {{"error", done.error().text()}});
    }

    void submit(std::vector<store_request> batch, durability how, answers done) override {
        auto what = std::make_unique<submission>();
        what->how = how;
        what->done = std::move(done);
        what->bytes = sizeof(submission);
        for (const auto& each : batch) {
            what->bytes += bytes_of(each);
            what->changes = what->changes || is_change(each);
            what->only_frees = what->only_frees && (!is_change(each) || frees_space(each));
        }
        what->requests = std::move(batch);
        take(std::move(what));
    }

    void submit_jobs(std::vector<job_request> batch, durability how, job_answers done) override {
        auto what = std::make_unique<submission>();
        what->how = how;
        what->jobs_done = std::move(done);
        what->bytes = sizeof(submission);
        for (const auto& each : batch) {
            what->bytes += size_of(each);
            what->changes = what->changes || is_change(each);
        }
        what->jobs = std::move(batch);
        take(std::move(what));
    }

    void watch_jobs(std::function<void(job_effects&&)> see) override {
        auto what = std::make_unique<submission>();
        what->watch = std::move(see);
        take(std::move(what));
    }
    std::int64_t jobs_elapsed_ms() const override { return jobs_elapsed_ms_.load(); }

    result<void> health() const override {
        if (auto ready = bytes_->ready(); !ready) return ready;
        return bytes_->room();
    }

    std::vector<stale_entry> stale_presence() const override { return stale_; }

    // On a thread of its own: copying may take long, and neither commits nor syncs wait for it.
    void back_up(std::filesystem::path to, std::function<void(result<void>)> done) override {
        const std::lock_guard lock(copier_lock_);
        if (copying_.exchange(true)) {
            copier_counts_.add(labelled_counter::store_backups, reason_of(errc::busy));
            return done(fail(errc::busy, "a backup is being made"));
        }
        if (copier_.joinable()) copier_.join();
        copier_ = std::thread([this, to = std::move(to), done = std::move(done)] {
            const auto made = bytes_->back_up(to);
            copier_counts_.add(labelled_counter::store_backups, made ? "ok" : reason_of(made.error().code));
            log(made ? log_level::info : log_level::error, "store.backup",
                {{"folder", to.string()}, {"outcome", made ? "ok" : made.error().text()}});
            copying_ = false;
            done(made);
        });
    }

  private:
    struct placed_shard {
        std::unique_ptr<shard> logic;
        bool touched;  // in this round
    };

    void take(submission_ptr what) {
        if (queued_.fetch_add(what->bytes) + what->bytes <= limits_.queue_bytes || what->watch) {
            incoming_.push(std::move(what));
            return;
        }
        what->refuse(fail(errc::busy, "store-queue-bytes"));
        writer_counts_.add(labelled_counter::store_refused, reason_of(errc::busy),
                           what->requests.size() + what->jobs.size());
        what->requests.clear();
        what->jobs.clear();
        to_read_.push(std::move(what));
    }

    // -- Writer
    void write() {
        std::deque<submission_ptr> work;
        std::vector<submission_ptr> round;
        for (bool more = true; more;) {
            more = bytes_->ready() ? incoming_.take(work) : incoming_.take_within(heal_pause, work);
            if (!bytes_->ready()) bytes_->mend();
            while (!work.empty()) one_round(work, round);
        }
    }

    void one_round(std::deque<submission_ptr>& work, std::vector<submission_ptr>& items) {
        const auto began = clock_.steady_now();
        const auto broken = why_not(bytes_->ready());
        const auto full = broken ? broken : why_not(bytes_->room());
        note_refusals(full);
        const auto number = committed_round_.load(std::memory_order_relaxed) + 1;
        std::size_t requests = 0;
        result<void> done;
        try {
            while (!work.empty() && batch_->bytes() + book_.round_bytes() < limits_.round_bytes) {
                items.push_back(std::move(work.front()));
                work.pop_front();
                requests += items.back()->requests.size() + items.back()->jobs.size();
                apply(*items.back(),
                      {*batch_, number, items.back()->changes && items.back()->only_frees ? broken : full});
                apply_jobs(*items.back(), {broken, full}, number);
            }
            for (auto* each : touched_) each->logic->seal_round(*batch_);
            book_.seal_round(*batch_, {broken, full});
            bytes_->set_now(std::max(now_ms_, book_.now_ms()));
            if (batch_->bytes() != 0) {
                done = bytes_->commit(*batch_);
                writer_counts_.add(counter::store_commits);
                writer_counts_.observe(histogram::store_batch, static_cast<double>(requests));
            }
        } catch (const std::exception& e) {
            done = fail(errc::storage_failed, e.what());
        }
        view_.reset();
        if (done) {
            committed_round_.store(number, std::memory_order_release);
            for (auto* each : touched_) each->logic->end_round();
            tell_jobs();
        } else {
            log_error("store.commit_failed", {{"error", done.error().text()}});
            for (auto* each : touched_) each->logic->undo_round();
            book_.undo_round();
            tell_jobs();
        }
        forget_touched();
        batch_->clear();
        if (!done) {
            for (auto& each : items) {
                apply(*each, {*batch_, number, why_not(done)});
                apply_jobs(*each, {why_not(done), {}, true}, number);
            }
            batch_->clear();
            for (auto* each : touched_) each->logic->undo_round();
            forget_touched();
            view_.reset();
        }
        publish_totals();
        writer_counts_.observe(histogram::store_commit_seconds,
                               std::chrono::duration<double>(clock_.steady_now() - began).count());
        for (auto& each : items) pass_on(std::move(each));
        items.clear();
    }

    // Said when it begins and when it is over, not with each change.
    void note_refusals(const std::optional<error>& why) {
        if (std::exchange(refusing_, why.has_value()) == why.has_value()) return;
        if (why)
            log_error("store.refuses_changes", {{"error", why->text()}});
        else
            log_info("store.takes_changes");
    }

    void apply(submission& what, const shard::round& in) {
        what.answers.clear();
        what.late.clear();
        what.sync_round = 0;
        what.answers.reserve(what.requests.size());
        for (const auto& each : what.requests) {
            now_ms_ = std::max(now_ms_, time_of(each));
            auto& where = shards_[shard_of(group_of(each), limits_.shards)];
            if (!std::exchange(where.touched, true)) touched_.push_back(&where);
            auto got = where.logic->apply(each, what.how, in);
            what.sync_round = std::max(what.sync_round, got.sync_round);
            look_up(what, got, what.late, what.answers.size());
            if (is_change(each)) count_change(got.answer);
            what.answers.push_back(std::move(got.answer));
        }
        if (!what.late.empty()) what.view = view_;
    }

    void apply_jobs(submission& what, const job_book::round& in, std::uint64_t number) {
        if (what.watch) {
            watch_ = std::exchange(what.watch, {});
            book_.tell_all();
        }
        what.job_answers.clear();
        what.late_lists.clear();
        what.job_answers.reserve(what.jobs.size());
        for (const auto& each : what.jobs) {
            auto got = book_.apply(each, in);
            look_up(what, got, what.late_lists, what.job_answers.size());
            if (is_change(each)) {
                count_change(got.answer);
                if (got.answer && what.how == durability::synced) what.sync_round = number;
            }
            what.job_answers.push_back(std::move(got.answer));
        }
        if (!what.late_lists.empty()) what.view = view_;
    }

    // What of an answer is on the disk: for the reader where it may be, otherwise now.
    template <class Applied, class Late>
    void look_up(const submission& of, Applied& got, Late& late, std::size_t index) {
        if (!got.later) return;
        writer_counts_.add(counter::store_disk_reads);
        // Only what changes nothing may be answered out of turn.
        if (!of.changes && !view_) view_ = bytes_->view();
        if (!of.changes && view_)
            late.emplace_back(index, std::move(*got.later));
        else
            got.answer = run(*got.later, *bytes_);
    }

    template <class Answer>
    void count_change(const Answer& what) {
        if (what)
            writer_counts_.add(counter::store_changes);
        else
            writer_counts_.add(labelled_counter::store_refused, reason_of(what.error().code));
    }

    void tell_jobs() {
        auto effects = book_.end_round();
        jobs_elapsed_ms_.store(book_.elapsed_ms(), std::memory_order_relaxed);
        if (effects && watch_) watch_(std::move(*effects));
    }

    void keep_start() {
        if (!bytes_->ready() || !bytes_->room()) return;
        book_.keep_start(*batch_);
        if (bytes_->commit(*batch_) && bytes_->sync()) book_.start_is_kept();
        batch_->clear();
    }

    void forget_touched() {
        for (auto* each : touched_) each->touched = false;
        touched_.clear();
    }

    // In order, for what has changes: those that wait for a sync all go one way, the others end here.
    void pass_on(submission_ptr what) {
        if (!what->late.empty() || !what->late_lists.empty())
            to_read_.push(std::move(what));
        else if ((what->how == durability::synced && what->changes) ||
                 what->sync_round > synced_round_.load(std::memory_order_acquire))
            to_sync_.push(std::move(what));
        else
            answer(*what);
    }

    void answer(submission& what) {
        queued_.fetch_sub(what.bytes);
        what.answer();
    }

    void publish_totals() {
        tail_bytes_.store(totals_.tail_bytes, std::memory_order_relaxed);
        streams_.store(totals_.streams, std::memory_order_relaxed);
        present_.store(totals_.present, std::memory_order_relaxed);
    }

    // -- Reader
    void read() {
        std::deque<submission_ptr> work;
        while (to_read_.take(work)) {
            for (auto& each : work) {
                try {
                    if (each->view) each->read_late(*each->view);  // null: refused, nothing is to be read
                } catch (const std::exception& e) {
                    each->refuse(fail(errc::storage_failed, e.what()));
                }
                each->late.clear();
                each->late_lists.clear();
                each->view.reset();
                pass_on(std::move(each));
            }
            work.clear();
        }
    }

    // -- Syncer: also heals
    void sync() {
        std::deque<submission_ptr> work;
        bool more = true, failed = false;  // the sync
        std::string unhealed;              // why
        while (more) {
            const bool ill = failed || bytes_->wants_healing();
            more = ill ? to_sync_.take_within(heal_pause, work) : to_sync_.take(work);
            if (failed || bytes_->wants_healing()) {
                const auto round = committed_round_.load(std::memory_order_acquire);
                const auto healed = bytes_->heal();
                if (healed) {
                    if (failed || !unhealed.empty()) log_info("store.healed");
                    failed = false;
                    unhealed.clear();
                    if (bytes_->ready()) synced_round_.store(round, std::memory_order_release);
                } else if (auto why = healed.error().text(); why != unhealed) {
                    log_warn("store.not_healed", {{"error", why}});
                    unhealed = std::move(why);
                }
            }
            answer_synced(work, failed);
        }
        for (auto& each : work) {
            each->refuse(fail(errc::storage_failed, "stopped before it was synced"));
            answer(*each);
        }
    }

    // Those that cannot be synced now stay: what was committed is there, so an error would be wrong.
    void answer_synced(std::deque<submission_ptr>& work, bool& failed) {
        std::uint64_t wanted = 0;
        for (const auto& each : work) wanted = std::max(wanted, each->sync_round);
        if (wanted > synced_round_.load(std::memory_order_acquire)) {
            const auto round = committed_round_.load(std::memory_order_acquire);
            const auto began = clock_.steady_now();
            const auto done = failed ? result<void>(fail(errc::storage_failed)) : bytes_->sync();
            if (done) {
                syncer_counts_.observe(histogram::store_sync_seconds,
                                       std::chrono::duration<double>(clock_.steady_now() - began).count());
                synced_round_.store(round, std::memory_order_release);
            } else if (!failed) {
                failed = true;
                log_error("store.sync_failed", {{"error", done.error().text()}});
            }
        }
        const auto synced = synced_round_.load(std::memory_order_acquire);
        while (!work.empty() && work.front()->sync_round <= synced) {
            answer(*work.front());
            work.pop_front();
        }
    }

    static constexpr auto heal_pause = 100ms;

    const std::unique_ptr<kv> bytes_;
    const store_limits limits_;
    const clock_source& clock_;
    metrics& counts_;
    metrics_shard& writer_counts_;
    metrics_shard& syncer_counts_;
    metrics_shard& copier_counts_;
    std::vector<stale_entry> stale_;

    // The writer's
    cache_totals totals_;
    std::vector<placed_shard> shards_;
    std::vector<placed_shard*> touched_;
    std::unique_ptr<kv_batch> batch_;
    job_book book_;
    std::function<void(job_effects&&)> watch_;
    std::shared_ptr<const kv_view> view_;  // of the round, once somebody asked
    std::int64_t now_ms_ = 0;
    bool refusing_ = false;  // changes, as the log has it

    std::atomic<std::size_t> queued_{0}, tail_bytes_{0}, streams_{0}, present_{0};
    std::atomic<std::int64_t> jobs_elapsed_ms_{0};
    std::atomic<std::uint64_t> committed_round_{0}, synced_round_{0};
    submission_queue incoming_, to_read_, to_sync_;
    std::mutex copier_lock_;
    std::atomic<bool> copying_{false};
    std::thread writer_, reader_, syncer_, copier_;
};

}  // namespace

result<std::unique_ptr<store>> make_store(std::unique_ptr<kv> bytes, const generation& now,
                                          const store_limits& limits, const clock_source& clock,
                                          metrics& counts) {
    auto made = std::make_unique<committing_store>(std::move(bytes), now, limits, clock, counts);
    if (auto done = made->start(); !done) return done.error();
    return std::unique_ptr<store>(std::move(made));
}

}  // namespace madang
