#include <algorithm>
#include <boost/crc.hpp>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "broker/core/log.hpp"
#include "storage/bytes.hpp"
#include "storage/codec.hpp"
#include "storage/rocks_parts_impl.hpp"

namespace madang {

void rocks_logger::Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) {
    if (level < rocksdb::InfoLogLevel::WARN_LEVEL || level > rocksdb::InfoLogLevel::FATAL_LEVEL) return;
    char line[1024];
    const int size = std::vsnprintf(line, sizeof line, format, arguments);
    if (size < 0) return;
    const std::string_view text(line, std::min<std::size_t>(static_cast<std::size_t>(size), sizeof line - 1));
    log(level == rocksdb::InfoLogLevel::WARN_LEVEL ? log_level::warn : log_level::error, "store.rocksdb",
        {{"message", text}});
}

namespace {

class expiry_filter final : public rocksdb::CompactionFilter {
  public:
    explicit expiry_filter(std::int64_t now) : now_(now) {}
    Decision FilterV2(int, const rocksdb::Slice&, ValueType type, const rocksdb::Slice& value, std::string*,
                      std::string*) const override {
        if (type != ValueType::kValue) return Decision::kKeep;
        byte_reader in({value.data(), value.size()});
        const auto ends = in.number<std::int64_t>();
        return in.good() && is_over(ends, now_) ? Decision::kRemove : Decision::kKeep;
    }
    const char* Name() const override { return "madang.expiry"; }

  private:
    const std::int64_t now_;
};

}  // namespace

std::unique_ptr<rocksdb::CompactionFilter> expiry_filters::CreateCompactionFilter(
    const rocksdb::CompactionFilter::Context&) {
    return std::make_unique<expiry_filter>(now_.load(std::memory_order_relaxed));
}

void trouble_listener::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* what) {
    log_error("store.background_error", {{"reason", static_cast<int>(reason)}, {"error", what->ToString()}});
    told_(*what);
}

rocksdb::WalFilter::WalProcessingOption whole_log::LogRecordFound(unsigned long long, const std::string&,
                                                                  const rocksdb::WriteBatch& batch,
                                                                  rocksdb::WriteBatch*, bool*) {
    // A batch begins with its first sequence number, little-endian (rocksdb/write_batch.cc).
    std::uint64_t sequence = 0;
    if (batch.Data().size() < sizeof sequence) return WalProcessingOption::kCorruptedRecord;
    std::memcpy(&sequence, batch.Data().data(), sizeof sequence);
    if (last_ && sequence > *last_) return WalProcessingOption::kIgnoreCurrentRecord;
    if (next_ != 0 && sequence > next_) {
        broken_ = true;
        return WalProcessingOption::kCorruptedRecord;
    }
    if (first_ == 0) first_ = sequence;
    next_ = std::max(next_, sequence + batch.Count());
    return WalProcessingOption::kContinueProcessing;
}

namespace {

// What failed may be tried again: without this mark RocksDB counts some errors as final until it is opened
// anew.
rocksdb::IOStatus retryable(rocksdb::IOStatus done) {
    if (!done.ok()) done.SetRetryable(true);
    return done;
}

class watched_file : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    explicit watched_file(std::unique_ptr<rocksdb::FSWritableFile> below)
        : FSWritableFileOwnerWrapper(std::move(below)) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
        return appended(data, FSWritableFileOwnerWrapper::Append(data, options, debug));
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* debug) override {
        return appended(data, FSWritableFileOwnerWrapper::Append(data, options, verification, debug));
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
        return synced(FSWritableFileOwnerWrapper::Sync(options, debug));
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
        return synced(FSWritableFileOwnerWrapper::Fsync(options, debug));
    }
    rocksdb::IOStatus Close(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
        return retryable(FSWritableFileOwnerWrapper::Close(options, debug));
    }

  protected:
    virtual rocksdb::IOStatus appended(const rocksdb::Slice&, rocksdb::IOStatus done) {
        return retryable(done);
    }
    virtual rocksdb::IOStatus synced(rocksdb::IOStatus done) { return retryable(done); }
};

class watched_manifest final : public watched_file {
  public:
    watched_manifest(std::unique_ptr<rocksdb::FSWritableFile> below, std::uint64_t number,
                     progress_file& told)
        : watched_file(std::move(below)), number_(number), told_(told) {}

  private:
    rocksdb::IOStatus appended(const rocksdb::Slice& data, rocksdb::IOStatus done) override {
        bytes_ += data.size();
        sum_.process_bytes(data.data(), data.size());
        good_ = good_ && done.ok();  // else who knows what is there; RocksDB begins another manifest
        return retryable(done);
    }
    rocksdb::IOStatus synced(rocksdb::IOStatus done) override {
        if (done.ok() && good_) told_.manifest(number_, bytes_, sum_.checksum());
        return retryable(done);
    }

    const std::uint64_t number_;
    progress_file& told_;
    std::uint64_t bytes_ = 0;
    boost::crc_32_type sum_;
    bool good_ = true;
};

// A log, with room for what comes next.
class watched_log final : public watched_file, public log_room::file {
  public:
    watched_log(std::unique_ptr<rocksdb::FSWritableFile> below, log_room& of)
        : watched_file(std::move(below)), of_(of) {}
    ~watched_log() override { of_.leave(*this); }
    rocksdb::IOStatus reserve(std::uint64_t bytes) override {
        const auto wanted = bytes_.load() + bytes;
        if (wanted <= reserved_) return rocksdb::IOStatus::OK();
        // In steps, since each costs as much as a small write; where there is no room for one, what is
        // needed.
        auto done = take(std::max(wanted, reserved_ + step));
        if (done.IsNoSpace()) done = take(wanted);
        return done.IsNoSpace() ? retryable(done) : rocksdb::IOStatus::OK();  // not every file system can
    }

  private:
    static constexpr std::uint64_t step = 1 << 20;
    rocksdb::IOStatus take(std::uint64_t up_to) {
        auto done = Allocate(reserved_, up_to - reserved_, rocksdb::IOOptions(), nullptr);
        if (done.ok()) reserved_ = up_to;
        return done;
    }
    rocksdb::IOStatus appended(const rocksdb::Slice& data, rocksdb::IOStatus done) override {
        bytes_ += data.size();
        return synced(done);
    }
    rocksdb::IOStatus synced(rocksdb::IOStatus done) override {
        if (!done.ok()) failed_ = true;
        return retryable(done);
    }
    bool failed() const override { return failed_; }

    log_room& of_;
    std::atomic<bool> failed_{false};
    std::atomic<std::uint64_t> bytes_{0};
    std::uint64_t reserved_ = 0;
};

class watched_files final : public rocksdb::FileSystemWrapper {
  public:
    watched_files(std::shared_ptr<rocksdb::FileSystem> below, std::string database, progress_file& told,
                  log_room& room)
        : FileSystemWrapper(std::move(below)), database_(std::move(database)), told_(told), room_(room) {}
    const char* Name() const override { return "madang.watched_files"; }
    rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override {
        const auto slash = path.rfind('/');
        const auto name = path.substr(slash + 1);
        auto done = FileSystemWrapper::NewWritableFile(path, options, file, debug);
        if (std::string_view(path).substr(0, slash) != database_) return done;
        if (!done.ok()) return name.ends_with(".log") ? begun(done) : retryable(done);
        unsigned long long number = 0;
        if (std::sscanf(name.c_str(), "MANIFEST-%llu", &number) == 1)
            *file = std::make_unique<watched_manifest>(std::move(*file), number, told_);
        else if (name.ends_with(".log")) {
            auto log = std::make_unique<watched_log>(std::move(*file), room_);
            done = begun(room_.enter(*log));
            *file = std::move(log);
            if (!done.ok()) {
                file->reset();
                DeleteFile(path, rocksdb::IOOptions(), debug);
            }
        } else
            *file = std::make_unique<watched_file>(std::move(*file));
        return done;
    }

  private:
    // A log for which there is no room is not begun, and nothing is lost by it. NoSpace would be final here,
    // whatever its mark: RocksDB leaves that to a recovery of its own, which it has not for a new log.
    static rocksdb::IOStatus begun(rocksdb::IOStatus done) {
        if (done.IsNoSpace())
            done = rocksdb::status_to_io_status(rocksdb::Status::SpaceLimit(done.ToString()));
        return retryable(done);
    }

    const std::string database_;
    progress_file& told_;
    log_room& room_;
};

}  // namespace

rocksdb::IOStatus log_room::enter(file& log) {
    const std::lock_guard lock(lock_);
    auto done = log.reserve(at_once);
    if (done.ok()) current_ = &log;
    return done;
}
void log_room::leave(file& log) {
    const std::lock_guard lock(lock_);
    if (current_ == &log) current_ = nullptr;
}
bool log_room::failed() {
    const std::lock_guard lock(lock_);
    return current_ && current_->failed();
}
rocksdb::IOStatus log_room::reserve(std::uint64_t bytes) {
    const std::lock_guard lock(lock_);
    return current_ ? current_->reserve(bytes) : rocksdb::IOStatus::OK();
}

std::shared_ptr<rocksdb::FileSystem> watch_files(std::shared_ptr<rocksdb::FileSystem> below,
                                                 std::string database, progress_file& told, log_room& room) {
    return std::make_shared<watched_files>(std::move(below), std::move(database), told, room);
}

rocksdb::IOStatus probe(rocksdb::FileSystem& files, const std::string& name) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    auto done = files.NewWritableFile(name, rocksdb::FileOptions(), &file, nullptr);
    if (!done.ok()) return done;
    done = file->Append(std::string(4096, 'x'), rocksdb::IOOptions(), nullptr);
    if (done.ok()) done = file->Sync(rocksdb::IOOptions(), nullptr);
    file->Close(rocksdb::IOOptions(), nullptr);
    files.DeleteFile(name, rocksdb::IOOptions(), nullptr);
    return done;
}

result<void> check_manifest(const std::filesystem::path& database, const progress& known) {
    std::string name;
    std::ifstream(database / "CURRENT") >> name;
    unsigned long long number = 0;
    if (std::sscanf(name.c_str(), "MANIFEST-%llu", &number) != 1)
        return fail(errc::storage_failed, "the file CURRENT is damaged");
    for (const auto& mark : known.manifests) {
        if (mark.number != number) continue;
        std::ifstream in(database / name, std::ios::binary);
        std::string bytes(mark.bytes, '\0');
        in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        boost::crc_32_type sum;
        sum.process_bytes(bytes.data(), static_cast<std::size_t>(in.gcount()));
        if (static_cast<std::uint64_t>(in.gcount()) != mark.bytes || sum.checksum() != mark.crc)
            return fail(errc::storage_failed, "the file " + name + " is damaged");
    }
    return {};
}

}  // namespace madang
