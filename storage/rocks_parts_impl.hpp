// What RocksDB is given of ours: a place for its words, a filter of what is over, an ear for its troubles,
// and two checks that it has not itself.
#pragma once

#include <rocksdb/compaction_filter.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "storage/progress_file.hpp"

namespace madang {

// RocksDB's info log, as our log lines. Not a matter of taste: its own writer asserts, and so aborts the
// process, when the disk is full.
class rocks_logger final : public rocksdb::Logger {
  public:
    rocks_logger() : Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
    using Logger::Logv;
    void Logv(const char* format, va_list arguments) override {
        Logv(rocksdb::InfoLogLevel::WARN_LEVEL, format, arguments);
    }
    void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override;
};

// Drops what ended before `now` (Unix ms), where values begin with their end.
class expiry_filters final : public rocksdb::CompactionFilterFactory {
  public:
    explicit expiry_filters(const std::atomic<std::int64_t>& now) : now_(now) {}
    std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
        const rocksdb::CompactionFilter::Context&) override;
    const char* Name() const override { return "madang.expiry"; }

  private:
    const std::atomic<std::int64_t>& now_;
};

class trouble_listener final : public rocksdb::EventListener {
  public:
    explicit trouble_listener(std::function<void(const rocksdb::Status&)> told) : told_(std::move(told)) {}
    void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* what) override;
    // Its own recovery waits for the room that the failed compaction reckoned with, and keeps Resume() out
    // until then.
    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* by_itself) override {
        *by_itself = false;
    }

  private:
    const std::function<void(const rocksdb::Status&)> told_;
};

// Reads the logs beside RocksDB at a start. Sequence numbers have no gap: one means that the end of an
// earlier log is missing, which RocksDB takes for the end of all. Records beyond `last` were never
// acknowledged and are left out.
class whole_log final : public rocksdb::WalFilter {
  public:
    explicit whole_log(std::optional<std::uint64_t> last) : last_(last) {}
    WalProcessingOption LogRecordFound(unsigned long long log, const std::string& file,
                                       const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* changed,
                                       bool* is_changed) override;
    const char* Name() const override { return "madang.whole_log"; }
    bool broken() const noexcept { return broken_; }
    std::uint64_t first() const noexcept { return first_; }  // 0: there was nothing

  private:
    const std::optional<std::uint64_t> last_;
    std::uint64_t first_ = 0, next_ = 0;
    bool broken_ = false;
};

// Takes the room for a write from the disk before RocksDB writes: a log whose write failed is a trouble of
// its own (see rocks_kv.cpp), a refusal beforehand is none. Any thread.
class log_room {
  public:
    class file {
      public:
        virtual rocksdb::IOStatus reserve(std::uint64_t bytes) = 0;  // behind what is written
        virtual bool failed() const = 0;                             // a write or a sync

      protected:
        ~file() = default;
    };
    // A log begins with room for a round and what else RocksDB writes with it.
    static constexpr std::uint64_t at_once = 6 << 20;
    rocksdb::IOStatus enter(file& log);  // it is the current one
    void leave(file& log);
    rocksdb::IOStatus reserve(std::uint64_t bytes);  // in the current one
    bool failed();                                   // the current one

  private:
    std::mutex lock_;
    file* current_ = nullptr;
};

// Marks what fails as worth another try, and tells the progress file what was written of each MANIFEST and
// synced: a record whose length was changed, or a file that was cut, looks to RocksDB like the end of a
// shorter history. Files in other folders than `database` (a backup's) are none of its business.
std::shared_ptr<rocksdb::FileSystem> watch_files(std::shared_ptr<rocksdb::FileSystem> below,
                                                 std::string database, progress_file& told, log_room& room);
// Whether the disk takes writes: writes, syncs and removes a file of that name.
rocksdb::IOStatus probe(rocksdb::FileSystem& files, const std::string& name);
// Whether the manifest that CURRENT names is what was last told of it. Nothing: it was not told of.
result<void> check_manifest(const std::filesystem::path& database, const progress& known);

}  // namespace madang
