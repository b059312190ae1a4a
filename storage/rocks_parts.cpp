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
    log_error("store.background_error",
              {{"reason", static_cast<int>(reason)}, {"error", what->ToString()}});
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

class watched_manifest final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    watched_manifest(std::unique_ptr<rocksdb::FSWritableFile> below, std::uint64_t number, progress_file& told)
        : FSWritableFileOwnerWrapper(std::move(below)), number_(number), told_(told) {}

    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
        return count(data, FSWritableFileOwnerWrapper::Append(data, options, debug));
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* debug) override {
        return count(data, FSWritableFileOwnerWrapper::Append(data, options, verification, debug));
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
        return tell(FSWritableFileOwnerWrapper::Sync(options, debug));
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
        return tell(FSWritableFileOwnerWrapper::Fsync(options, debug));
    }

  private:
    rocksdb::IOStatus count(const rocksdb::Slice& data, rocksdb::IOStatus done) {
        if (done.ok()) {
            bytes_ += data.size();
            sum_.process_bytes(data.data(), data.size());
        } else {
            good_ = false;  // who knows what is there now; RocksDB begins another manifest
        }
        return done;
    }
    rocksdb::IOStatus tell(rocksdb::IOStatus done) {
        if (done.ok() && good_) told_.manifest(number_, bytes_, sum_.checksum());
        return done;
    }

    const std::uint64_t number_;
    progress_file& told_;
    std::uint64_t bytes_ = 0;
    boost::crc_32_type sum_;
    bool good_ = true;
};

class manifest_watch final : public rocksdb::FileSystemWrapper {
  public:
    manifest_watch(std::shared_ptr<rocksdb::FileSystem> below, progress_file& told)
        : FileSystemWrapper(std::move(below)), told_(told) {}
    const char* Name() const override { return "madang.manifest_watch"; }
    rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override {
        auto done = FileSystemWrapper::NewWritableFile(path, options, file, debug);
        unsigned long long number = 0;
        const auto name = path.substr(path.rfind('/') + 1);
        if (done.ok() && std::sscanf(name.c_str(), "MANIFEST-%llu", &number) == 1)
            *file = std::make_unique<watched_manifest>(std::move(*file), number, told_);
        return done;
    }

  private:
    progress_file& told_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> watch_manifests(std::shared_ptr<rocksdb::FileSystem> below,
                                                     progress_file& told) {
    return std::make_shared<manifest_watch>(std::move(below), told);
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
