// A file system whose writes and syncs fail when they are told to.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace madang::test {

class faulty_file_system final : public rocksdb::FileSystemWrapper {
  public:
    faulty_file_system() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "faulty"; }

    enum class fault : int { none, full, full_after_writing, broken };
    std::atomic<fault> appends{fault::none};  // to logs and the probe, and with `everything` to all files
    std::atomic<bool> everything{false};
    std::atomic<fault> syncs{fault::none};
    std::atomic<fault> new_logs{fault::none};
    std::atomic<int> logs_refused{0};

    void stall_syncs(bool so) {
        const std::lock_guard hold(lock_);
        stalled_ = so;
        change_.notify_all();
    }
    bool has_a_stalled_sync() {
        const std::lock_guard hold(lock_);
        return waiting_ > 0;
    }
    void wait_for_a_stalled_sync() {
        std::unique_lock hold(lock_);
        change_.wait(hold, [&] { return waiting_ > 0; });
    }

    rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file_,
                                      rocksdb::IODebugContext* debug) override {
        if (auto what = new_logs.load(); what != fault::none && path.ends_with(".log")) {
            ++logs_refused;
            return status_of(what);
        }
        auto done = FileSystemWrapper::NewWritableFile(path, options, file_, debug);
        const bool log = path.ends_with(".log") || path.ends_with("/probe");
        if (done.ok()) *file_ = std::make_unique<file>(std::move(*file_), *this, log);
        return done;
    }

  private:
    static rocksdb::IOStatus status_of(fault what) {
        return what == fault::none     ? rocksdb::IOStatus::OK()
               : what == fault::broken ? rocksdb::IOStatus::IOError("broken, as asked")
                                       : rocksdb::IOStatus::NoSpace("full, as asked");
    }
    class file final : public rocksdb::FSWritableFileOwnerWrapper {
      public:
        file(std::unique_ptr<rocksdb::FSWritableFile> below, faulty_file_system& in, bool log)
            : FSWritableFileOwnerWrapper(std::move(below)), in_(in), log_(log) {}
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* debug) override {
            return attempt([&] { return FSWritableFileOwnerWrapper::Append(data, options, debug); });
        }
        rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                 const rocksdb::DataVerificationInfo& info,
                                 rocksdb::IODebugContext* debug) override {
            return attempt([&] { return FSWritableFileOwnerWrapper::Append(data, options, info, debug); });
        }
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
            if (log_) {
                in_.pass();
                if (auto what = in_.syncs.load(); what != fault::none) return status_of(what);
            }
            return FSWritableFileOwnerWrapper::Sync(options, debug);
        }

      private:
        template <class Do>
        rocksdb::IOStatus attempt(Do write) {
            const auto what = log_ || in_.everything ? in_.appends.load() : fault::none;
            if (what == fault::none) return write();
            if (what == fault::full_after_writing) {
                auto written = write();
                if (!written.ok()) return written;
            }
            return status_of(what);
        }
        faulty_file_system& in_;
        const bool log_;
    };
    void pass() {
        std::unique_lock hold(lock_);
        ++waiting_;
        change_.notify_all();
        change_.wait(hold, [&] { return !stalled_; });
        --waiting_;
    }

    std::mutex lock_;
    std::condition_variable change_;
    bool stalled_ = false;
    int waiting_ = 0;
};

}  // namespace madang::test
