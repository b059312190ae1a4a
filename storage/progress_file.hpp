// How far the store had come, beside the database: a page of records that a killed process leaves behind as
// it last wrote them. Against them a start tells a log that has lost something from one that is whole, a
// power cut from a killed process, and a manifest that was cut or changed from the one that was written.
//
// Records are written in place without fsync (but for begin() and mark_clean()): after a power cut they say
// at most what was true.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "broker/core/result.hpp"

namespace madang {

struct progress {
    struct committed_mark {
        std::uint64_t sequence = 0;
        bool torn = false;  // a write failed behind it: what the log has beyond was never there
    };
    struct manifest_mark {
        std::uint64_t number = 0;  // 0: none
        std::uint64_t bytes = 0;
        std::uint32_t crc = 0;  // CRC-32 of those
    };
    static constexpr const char* unknown = "unknown";
    std::string boot_id = unknown;  // of the machine's run in which the store was open last
    bool clean = false;             // it was closed as it should be
    committed_mark committed;
    std::uint64_t synced_sequence = 0;
    manifest_mark manifests[2];  // the two newest, in no order
};

// Any thread.
class progress_file {
  public:
    // Nothing: there is no such file. storage_failed: it is damaged.
    static result<std::optional<progress>> read(const std::filesystem::path& path);

    // Creates it where there is none. From now on it says: open, not clean. Durable.
    static result<std::unique_ptr<progress_file>> begin(const std::filesystem::path& path, progress known);
    ~progress_file();
    progress_file(const progress_file&) = delete;
    progress_file& operator=(const progress_file&) = delete;

    // A write of these that fails leaves the earlier mark: it says less, and nothing wrong.
    void committed(std::uint64_t sequence);
    void torn();    // behind what is committed. Durable, as is
    void healed();  // its end
    void synced(std::uint64_t sequence);
    void manifest(std::uint64_t number, std::uint64_t bytes, std::uint32_t crc);
    result<void> running(std::string boot_id);  // durable
    result<void> mark_clean();

  private:
    progress_file(std::filesystem::path path, int file, progress known)
        : path_(std::move(path)), file_(file), known_(std::move(known)) {}
    bool write_identity();
    bool write_manifest(int slot);

    const std::filesystem::path path_;  // for people
    const int file_;
    std::mutex lock_;
    progress known_;
};

// From /proc/sys/kernel/random/boot_id: another one after each start of the machine.
std::string this_boot_id();

}  // namespace madang
