#include "storage/rocks_kv.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_buffer_manager.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "broker/core/log.hpp"
#include "storage/codec.hpp"
#include "storage/rocks_parts_impl.hpp"

namespace madang {
namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view text(const rocksdb::Slice& of) { return {of.data(), of.size()}; }

bool is_full(const rocksdb::Status& what) {
    return what.IsNoSpace() || what.subcode() == rocksdb::Status::kSpaceLimit;
}
constexpr std::string_view damage_mend = ": restore a backup (madang store restore)";

error translate(const rocksdb::Status& what) {
    return fail(is_full(what) ? errc::storage_full : errc::storage_failed,
                what.ToString().append(what.IsCorruption() ? damage_mend : ""));
}
result<void> done(const rocksdb::Status& what) {
    if (what.ok()) return {};
    return translate(what);
}

// Null: an older folder, opened only to look, does not have it.
using handles = std::array<rocksdb::ColumnFamilyHandle*, column_count>;

class rocks_batch final : public kv_batch {
  public:
    explicit rocks_batch(const handles& columns) : columns_(columns) {}
    void put(column into, std::string_view key, std::string_view value) override {
        batch.Put(of(into), slice(key), slice(value));
    }
    void remove(column from, std::string_view key) override { batch.Delete(of(from), slice(key)); }
    void remove_once(column from, std::string_view key) override {
        batch.SingleDelete(once_from_ = of(from), slice(key));
        once_at_ = batch.Count();
    }
    void remove_range(column from, std::string_view begin, std::string_view end) override {
        batch.DeleteRange(of(from), slice(begin), slice(end));
    }
    void clear() override {
        batch.Clear();
        once_at_ = 0;
    }
    // A flush leaves out a SingleDelete together with what it removes, and RocksDB 7.8 goes on counting
    // behind the last change that is in a table. So the last of a batch is another: of a row that is never
    // there.
    void end() {
        if (once_at_ != 0 && once_at_ == batch.Count()) batch.Delete(once_from_, rocksdb::Slice());
    }
    std::size_t bytes() const override { return batch.Count() == 0 ? 0 : batch.GetDataSize(); }

    rocksdb::WriteBatch batch;

  private:
    rocksdb::ColumnFamilyHandle* of(column what) const { return columns_[static_cast<std::size_t>(what)]; }
    const handles& columns_;
    rocksdb::ColumnFamilyHandle* once_from_ = nullptr;  // of the last SingleDelete
    std::uint32_t once_at_ = 0;                         // which change that was, from 1; 0: there is none
};

result<std::optional<std::string>> get_at(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* from,
                                          std::string_view key, const rocksdb::Snapshot* when) {
    if (!from) return std::optional<std::string>();
    rocksdb::ReadOptions options;
    options.snapshot = when;
    rocksdb::PinnableSlice value;
    const auto status = db.Get(options, from, slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return translate(status);
    return std::optional(value.ToString());
}

result<void> scan_at(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* from, std::string_view begin,
                     std::string_view end, direction order, const kv_view::visitor& see,
                     const rocksdb::Snapshot* when) {
    if (begin >= end || !from) return {};
    rocksdb::ReadOptions options;
    options.snapshot = when;
    const rocksdb::Slice lower = slice(begin), upper = slice(end);
    options.iterate_lower_bound = &lower;
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options, from));
    if (order == direction::ascending)
        for (at->Seek(lower); at->Valid() && see(text(at->key()), text(at->value()));) at->Next();
    else
        for (at->SeekForPrev(upper); at->Valid() && see(text(at->key()), text(at->value()));) at->Prev();
    return done(at->status());
}

class rocks_store final : public rocks_kv {
  public:
    explicit rocks_store(const rocks_settings& settings) : settings_(settings) {}
    ~rocks_store() override { close_database(); }

    result<void> open();

    const generation& now() const noexcept override { return generation_; }
    std::uint32_t shards() const noexcept override { return folder_->shards(); }

    result<std::optional<std::string>> get(column from, std::string_view key) const override {
        if (!db_) return not_open();
        return get_at(*db_, of(from), key, nullptr);
    }
    result<void> scan(column from, std::string_view begin, std::string_view end, direction order,
                      const visitor& see) const override {
        if (!db_) return not_open();
        return scan_at(*db_, of(from), begin, end, order, see, nullptr);
    }
    std::unique_ptr<kv_batch> new_batch() override { return std::make_unique<rocks_batch>(columns_); }
    std::unique_ptr<kv_view> view() override {
        return db_ ? std::make_unique<snapshot>(*this) : std::unique_ptr<snapshot>();
    }

    result<void> commit(kv_batch& what) override {
        if (auto able = ready(); !able) return able;
        static_cast<rocks_batch&>(what).end();
        // With the log's own words: 7 bytes per 32 KiB and record.
        auto& batch = static_cast<rocks_batch&>(what).batch;
        if (auto room = log_room_.reserve(batch.GetDataSize() * 1001 / 1000 + 64); !room.ok()) {
            trouble(room);
            return translate(room);
        }
        rocksdb::WriteOptions options;  // sync = false: survives the process
        const auto status = db_->Write(options, &batch);
        if (status.ok()) {
            committed_ = db_->GetLatestSequenceNumber();
            progress_->committed(committed_);
            return {};
        }
        progress_->torn();
        trouble(status);
        return translate(status);
    }

    void mend() override;

    result<void> sync() override {
        const std::lock_guard door(door_);
        return sync_log();
    }

    bool wants_healing() const override {
        return state_.load() != state::good || (!has_ballast_ && free_bytes() >= ballast_mark());
    }

    result<void> heal() override {
        const std::lock_guard door(door_);
        if (!db_) return not_open();
        healing_since_ = std::chrono::steady_clock::now().time_since_epoch().count();
        auto healed = try_to_heal();
        healing_since_ = 0;
        return healed;
    }
    void give_up() override {
        if (!given_up_.exchange(true) && healing_since_ != 0)
            rocksdb::CancelAllBackgroundWork(db_.get(), false);
    }

    result<void> ready() const override {
        switch (state_.load(std::memory_order_relaxed)) {
            case state::good:
                return {};
            case state::full:
                return fail(errc::storage_full, "the disk is full");
            case state::failed:
                break;
        }
        const std::lock_guard lock(trouble_lock_);
        return fail(errc::storage_failed, trouble_text_);
    }
    result<void> room() const override {
        if (settings_.free_bytes == 0 || free_bytes() >= static_cast<double>(settings_.free_bytes)) return {};
        return fail(errc::storage_full, "less than store-free-bytes are free");
    }
    double free_bytes() const override {
        struct statvfs space {};
        if (statvfs(folder_->path().c_str(), &space) != 0) return 0;
        return static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
    }
    void set_now(std::int64_t ms) noexcept override { now_ms_.store(ms, std::memory_order_relaxed); }
    void on_trouble(std::function<void()> told) override {
        const std::lock_guard lock(trouble_lock_);
        told_ = std::move(told);
    }

    result<void> close() override {
        if (!progress_) return {};
        if (auto able = ready(); !able) {
            close_database();
            return able;
        }
        if (!db_) return {};
        rocksdb::FlushOptions options;
        options.allow_write_stall = true;
        auto status = db_->Flush(options, {columns_.begin(), columns_.end()});
        if (status.ok()) status = db_->SyncWAL();
        const auto sequence = db_->GetLatestSequenceNumber();
        const auto closed = close_database();
        if (!status.ok()) return translate(status);
        if (!closed.ok()) return translate(closed);
        progress_->committed(sequence);
        progress_->synced(sequence);
        return progress_->mark_clean();
    }

    result<void> verify() override { return done(db_->VerifyChecksum()); }
    result<void> back_up(const std::filesystem::path& to) override;

  private:
    enum class state : int { good, full, failed };

    class snapshot final : public kv_view {
      public:
        explicit snapshot(const rocks_store& of) : of_(of), when_(of.db_->GetSnapshot()) { ++of_.users_; }
        ~snapshot() override {
            of_.db_->ReleaseSnapshot(when_);
            --of_.users_;
        }
        result<std::optional<std::string>> get(column from, std::string_view key) const override {
            return get_at(*of_.db_, of_.of(from), key, when_);
        }
        result<void> scan(column from, std::string_view begin, std::string_view end, direction order,
                          const visitor& see) const override {
            return scan_at(*of_.db_, of_.of(from), begin, end, order, see, when_);
        }

      private:
        const rocks_store& of_;
        const rocksdb::Snapshot* const when_;
    };

    rocksdb::ColumnFamilyHandle* of(column what) const { return columns_[static_cast<std::size_t>(what)]; }
    rocksdb::Options base_options();
    rocksdb::ColumnFamilyOptions column_options(const column_row& row, const rocksdb::Options& base) const;
    result<void> make_database();
    result<void> open_database(std::optional<std::uint64_t> last_sequence);
    rocksdb::Status close_database();
    error refusal(const std::string& what) const;
    static error not_open() { return fail(errc::storage_failed, "the database is not open"); }
    result<void> sync_log();
    result<void> try_to_heal();
    double in_memtables();  // bytes
    // RocksDB 7.8 leaves a log that failed only together with a memtable, within Resume(), and aborts when it
    // is used again. So one that failed with its first write is left by opening the database anew.
    bool is_stuck() {
        if (given_up_) return true;
        if (!log_room_.failed()) return false;
        for (std::uint64_t entries = 0; auto* column : columns_)
            if (db_->GetIntProperty(column, rocksdb::DB::Properties::kNumEntriesActiveMemTable, &entries) &&
                entries != 0)
                return false;
        return true;
    }
    result<void> open_anew();
    double ballast_mark() const {
        return static_cast<double>(settings_.free_bytes) + 2 * static_cast<double>(settings_.ballast_bytes);
    }

    void trouble(const rocksdb::Status& what) {
        std::function<void()> told;
        {
            const std::lock_guard lock(trouble_lock_);
            trouble_text_ = what.ToString();
            ++troubles_;
            state_.store(is_full(what) ? state::full : state::failed);
            told = told_;
        }
        if (told) told();
    }

    const rocks_settings settings_;
    std::unique_ptr<data_dir> folder_;
    std::unique_ptr<progress_file> progress_;
    generation generation_;
    std::atomic<std::int64_t> now_ms_{0};
    std::atomic<state> state_{state::good};
    std::atomic<bool> has_ballast_{true};
    mutable std::mutex trouble_lock_;
    std::string trouble_text_;
    std::atomic<std::uint64_t> troubles_{0};  // so far; counted with the lock
    std::function<void()> told_;

    std::mutex door_;  // whoever is not the changing thread uses the database with it, or as one of users_
    mutable std::atomic<int> users_{0};  // counted up with door_ or by the changing thread
    static constexpr auto longest_healing = std::chrono::seconds(10);
    std::atomic<std::int64_t> healing_since_{0};  // of the steady clock; 0: it is not tried now
    std::atomic<bool> given_up_{false};           // the database is good for nothing but to be closed
    std::uint64_t committed_ = 0;                 // sequence number; the changing thread's
    std::string unmended_;                        // why; the changing thread's
    log_room log_room_;
    std::unique_ptr<rocksdb::Env> env_;
    std::shared_ptr<rocksdb::Cache> cache_;
    std::unique_ptr<whole_log> log_check_;
    std::unique_ptr<rocksdb::DB> db_;
    handles columns_{};
};

error rocks_store::refusal(const std::string& what) const {
    auto text = "data_dir " + settings_.path.string() + ": " + what;
    if (!what.ends_with(damage_mend)) text += damage_mend;
    return fail(errc::invalid_option, std::move(text));
}

rocksdb::Options rocks_store::base_options() {
    rocksdb::Options options;
    if (env_) options.env = env_.get();
    options.info_log = std::make_shared<rocks_logger>();
    options.listeners.push_back(
        std::make_shared<trouble_listener>([this](const rocksdb::Status& what) { trouble(what); }));
    options.paranoid_checks = true;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
    options.max_bgerror_resume_count = 0;  // heal() does that
    options.max_open_files = 512;
    options.max_total_wal_size = 32 << 20;
    options.max_background_jobs = 2;
    // Memtables and cache share one budget. A read pins few blocks, so the strict limit is no hindrance.
    cache_ = rocksdb::NewLRUCache(settings_.memory_bytes, 2, true, 0.2);
    options.write_buffer_manager =
        std::make_shared<rocksdb::WriteBufferManager>(settings_.memory_bytes / 2, cache_);
    // Small, so that a full disk needs little room to recover: all together are half the memory, less than
    // the ballast. With 8 MiB for 2 jobs take a third less CPU per job (`madang bench jobs`): more of what
    // comes and goes does so within one memtable, and compactions are fewer.
    options.write_buffer_size =
        std::clamp<std::size_t>(settings_.memory_bytes / 8, std::size_t{1} << 20, std::size_t{8} << 20);
    options.max_write_buffer_number = 8;  // so many of the writer's may wait for the flushing thread
    options.target_file_size_base = 16 << 20;
    // The young levels are rewritten soon, and much of them has gone by then.
    options.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression,
                                     rocksdb::kLZ4Compression};
    options.level0_file_num_compaction_trigger = 8;
    options.allow_concurrent_memtable_write = false;  // there is one writer
    return options;
}

rocksdb::ColumnFamilyOptions rocks_store::column_options(const column_row& row,
                                                         const rocksdb::Options& base) const {
    rocksdb::ColumnFamilyOptions options(base);
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache_;
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    table.format_version = 5;
    // Asked for by whole keys, often ones that are not there.
    if (row.id == column::streams || row.id == column::idempotency || row.id == column::jobs ||
        row.id == column::job_terms)
        table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    // Jobs are written in the order of their keys: each is put beside the one before it, of its kind.
    // Ranges are never removed here: RocksDB 7.8 would take the hint for them too, which is of another list.
    if (row.id >= column::jobs)
        options.memtable_insert_with_hint_prefix_extractor.reset(
            rocksdb::NewCappedPrefixTransform(row.id == column::job_rows || row.id == column::job_terms));
    if (row.kept == lifetime::until_its_time) {
        options.compaction_filter_factory = std::make_shared<expiry_filters>(now_ms_);
        options.ttl = options.periodic_compaction_seconds = 24 * 3600;  // at least so often it is looked at
    }
    return options;
}

result<void> rocks_store::make_database() {
    auto options = base_options();
    options.create_if_missing = true;
    std::error_code ignored;  // RocksDB complains of a folder that it has to make
    make_private_folder(folder_->new_database(), ignored);
    std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
    for (const auto& row : column_rows)
        if (row.name != rocksdb::kDefaultColumnFamilyName)
            wanted.emplace_back(std::string(row.name), column_options(row, options));
    rocksdb::DB* db = nullptr;
    auto status = rocksdb::DB::Open(options, folder_->new_database().string(), &db);
    if (status.ok()) {
        // All at once: RocksDB writes and reads back its file of options once for a call.
        std::vector<rocksdb::ColumnFamilyHandle*> made;
        status = db->CreateColumnFamilies(wanted, &made);
        for (auto* each : made) db->DestroyColumnFamilyHandle(each);
        if (const auto closed = db->Close(); status.ok()) status = closed;
        delete db;
    }
    if (!status.ok())
        return fail(errc::invalid_option, "data_dir " + settings_.path.string() + ": " + status.ToString());
    return folder_->made();
}

result<void> rocks_store::open_database(std::optional<std::uint64_t> last_sequence) {
    auto options = base_options();
    log_check_ = std::make_unique<whole_log>(last_sequence);
    options.wal_filter = log_check_.get();
    const auto name = folder_->database().string();
    const bool inspect = settings_.how == data_dir::access::inspect;
    options.create_missing_column_families = true;
    std::vector<std::string> present;
    if (inspect) rocksdb::DB::ListColumnFamilies(options, name, &present);  // its error comes again
    std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
    for (const auto& row : column_rows)
        if (!inspect || row.id < column::jobs ||
            std::find(present.begin(), present.end(), row.name) != present.end())
            wanted.emplace_back(std::string(row.name), column_options(row, options));
    std::vector<rocksdb::ColumnFamilyHandle*> opened;
    rocksdb::DB* db = nullptr;
    const auto status = inspect ? rocksdb::DB::OpenForReadOnly(options, name, wanted, &opened, &db)
                                : rocksdb::DB::Open(options, name, wanted, &opened, &db);
    if (!status.ok())
        return log_check_->broken() ? refusal("the log has a hole") : refusal(status.ToString());
    db_.reset(db);
    for (std::size_t i = 0; i < opened.size(); ++i)
        for (const auto& row : column_rows)
            if (row.name == wanted[i].name) columns_[static_cast<std::size_t>(row.id)] = opened[i];
    if (log_check_->broken()) return refusal("the log has a hole");
    return {};
}

result<void> rocks_store::open() {
    auto folder = data_dir::open(settings_.path, settings_.shards, settings_.how);
    if (!folder) return folder.error();
    folder_ = std::move(*folder);
    const bool inspect = settings_.how == data_dir::access::inspect;
    if (folder_->is_new())
        if (auto made = make_database(); !made) return made;
    auto read = progress_file::read(folder_->progress());
    if (!read)
        return fail(errc::invalid_option, "data_dir " + settings_.path.string() + ": " + read.error().detail);
    const auto boot_id = settings_.boot_id.empty() ? this_boot_id() : settings_.boot_id;
    auto lost = loss::none;
    std::uint64_t least = 0;
    std::optional<std::uint64_t> last;
    auto known = read->value_or(progress{});
    if (known.boot_id == progress::unknown)
        lost = loss::of_all;
    else {
        const bool power_cut = !known.clean && known.boot_id != boot_id;
        if (power_cut) lost = loss::of_buffered;
        least = power_cut ? known.synced_sequence : known.committed.sequence;
        if (known.committed.torn) last = known.committed.sequence;
        if (auto good = check_manifest(folder_->database(), known); !good)
            return refusal(good.error().detail);
    }
    // Until new epochs are durable, the file goes on saying why they are needed.
    if (lost == loss::none) known.boot_id = boot_id;
    if (!inspect) {
        auto begun = progress_file::begin(folder_->progress(), known);
        if (!begun)
            return fail(errc::invalid_option,
                        "data_dir " + settings_.path.string() + ": " + begun.error().detail);
        progress_ = std::move(*begun);
    }
    auto below = settings_.file_system ? settings_.file_system : rocksdb::FileSystem::Default();
    if (progress_) below = watch_files(std::move(below), folder_->database().string(), *progress_, log_room_);
    env_ = rocksdb::NewCompositeEnv(below);
    if (auto opened = open_database(last); !opened) return opened;
    const auto sequence = db_->GetLatestSequenceNumber();
    if (sequence < least)
        return refusal("the log has lost its end: changes " + std::to_string(sequence + 1) + " to " +
                       std::to_string(least) + " are missing");
    auto now = load_generation(*this);
    if (!now) return refusal(now.error().detail);
    generation_ = std::move(*now);
    if (inspect) return {};
    has_ballast_ = folder_->make_ballast(settings_.ballast_bytes);
    if (!has_ballast_) log_warn("store.no_ballast", {{"bytes", settings_.ballast_bytes}});
    // What was only in the page cache may be told from now on as if it were durable: sync it once.
    if (auto synced = sync(); !synced) return refusal(synced.error().detail);
    progress_->committed(committed_ = sequence);
    if (lost == loss::none) return {};
    if (sequence != 0) {
        auto begun = begin_generation(*this, generation_, lost, settings_.new_epoch());
        if (!begun) return refusal(begun.error().detail);
        generation_ = std::move(*begun);
        log_warn("store.new_epochs", {{"why", lost == loss::of_all ? "it is not known what was lost"
                                                                   : "the machine stopped without warning"}});
    }
    return progress_->running(boot_id);
}

result<void> rocks_store::try_to_heal() {
    const auto before = troubles_.load();
    if (state_.load() != state::good) {
        if (is_stuck()) return fail(errc::storage_failed, "the database is to be opened anew");
        if (has_ballast_.exchange(false)) folder_->drop_ballast();
        // A flush that fails within Resume() is to be avoided: see mend().
        if (state_.load() == state::full && free_bytes() < log_room::at_once + in_memtables())
            return fail(errc::storage_full, "too little is free to go on");
        if (auto status = db_->Resume(); !status.ok()) return translate(status);
    }
    // A log in which a write or a sync failed is left behind: what it held is in tables then, and synced.
    rocksdb::FlushOptions options;
    options.allow_write_stall = true;
    if (auto status = db_->Flush(options, {columns_.begin(), columns_.end()}); !status.ok()) {
        trouble(status);
        return translate(status);
    }
    if (auto synced = sync_log(); !synced) return synced;
    {
        // A commit that failed meanwhile may have torn the log behind what was flushed here.
        const std::lock_guard lock(trouble_lock_);
        if (troubles_ != before) return fail(errc::storage_failed, "it failed again meanwhile");
        progress_->healed();  // before anything is committed again
        state_.store(state::good);
    }
    if (!has_ballast_ && free_bytes() >= ballast_mark())
        has_ballast_ = folder_->make_ballast(settings_.ballast_bytes);
    return {};
}

double rocks_store::in_memtables() {
    double all = 0;
    for (std::uint64_t each = 0; auto* column : columns_)
        if (db_->GetIntProperty(column, rocksdb::DB::Properties::kSizeAllMemTables, &each))
            all += static_cast<double>(each);
    return all;
}

result<void> rocks_store::sync_log() {
    if (!db_) return not_open();
    if (log_room_.failed()) return fail(errc::storage_failed, "the log failed");  // RocksDB would abort
    const auto sequence = db_->GetLatestSequenceNumber();
    const auto status = db_->SyncWAL();
    if (!status.ok()) {
        trouble(status);
        return translate(status);
    }
    progress_->synced(sequence);
    return {};
}

void rocks_store::mend() {
    const std::unique_lock door(door_, std::try_to_lock);
    // After a flush that failed within Resume(), RocksDB 7.8 may wait in the next one for ever.
    const auto since = std::chrono::steady_clock::duration(healing_since_.load());
    if (!door && since.count() != 0 &&
        std::chrono::steady_clock::now().time_since_epoch() - since > longest_healing)
        give_up();
    if (!door || users_ != 0 || state_.load() == state::good) return;
    if (db_ && !is_stuck()) return;
    const auto opened = open_anew();
    const auto why = opened ? std::string() : opened.error().text();
    if (opened)
        log_info("store.opened_anew");  // heal() does the rest
    else if (why != unmended_)
        log_warn("store.not_opened_anew", {{"error", why}});
    unmended_ = why;
}

result<void> rocks_store::open_anew() {
    // An open database is good for reading, as long as the disk takes no writes.
    auto files = settings_.file_system ? settings_.file_system : rocksdb::FileSystem::Default();
    if (has_ballast_.exchange(false)) folder_->drop_ballast();
    if (auto takes = probe(*files, folder_->probe().string()); !takes.ok()) return translate(takes);
    close_database();  // its error is the known one
    given_up_ = false;
    if (auto opened = open_database(committed_); !opened) {
        close_database();
        return opened;
    }
    if (db_->GetLatestSequenceNumber() == committed_) return {};
    close_database();
    return fail(errc::storage_failed, "the log has lost its end");
}

rocksdb::Status rocks_store::close_database() {
    if (!db_) return rocksdb::Status::OK();
    for (auto*& each : columns_) {
        if (each) db_->DestroyColumnFamilyHandle(each);
        each = nullptr;
    }
    const auto status = db_->Close();
    db_.reset();
    return status;
}

result<void> rocks_store::back_up(const std::filesystem::path& to) {
    {
        const std::lock_guard door(door_);
        if (!db_) return not_open();
        ++users_;
    }
    const std::shared_ptr<void> leaving(nullptr, [this](void*) { --users_; });
    std::error_code problem;
    if (!make_private_folder(to, problem))
        return fail(errc::invalid_option, to.string() + " exists or cannot be made: name a new folder");
    rocksdb::Checkpoint* made = nullptr;
    auto status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint((to / "db").string());
    if (status.ok()) std::filesystem::copy_file(folder_->path() / "format", to / "format", problem);
    if (status.ok() && !problem && !sync_tree(to)) problem.assign(errno, std::generic_category());
    if (status.ok() && !problem) return {};
    std::error_code ignored;  // half of a backup is none
    std::filesystem::remove_all(to, ignored);
    if (!status.ok()) return translate(status);
    return fail(errc::storage_failed, to.string() + ": " + problem.message());
}

}  // namespace

result<std::unique_ptr<rocks_kv>> open_rocks_kv(const rocks_settings& settings) {
    auto made = std::make_unique<rocks_store>(settings);
    if (auto opened = made->open(); !opened) {
        auto why = opened.error();
        if (settings.how == data_dir::access::serve && why.detail.ends_with(damage_mend))
            why.detail += "; madang store check says what is damaged";
        return why;
    }
    return std::unique_ptr<rocks_kv>(std::move(made));
}

}  // namespace madang
