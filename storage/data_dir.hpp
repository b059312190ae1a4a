// The folder of a store: who holds it, of what format it is, and the room set aside in it. It holds what
// people said: where it is made here it is 0700, and db/ is so whoever made the folder.
//
//   format     text, see docs/store-format.md      progress   see progress_file.hpp
//   lock       held while a process uses it        ballast    deleted when the disk is full
//   db/        RocksDB's                           db.new/    a database that is being made
//   probe      there while it is tried whether the disk takes writes
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>

#include "broker/core/result.hpp"
#include "storage/codec.hpp"

namespace madang {

class data_dir {
  public:
    enum class access : std::uint8_t { serve, inspect };  // inspect: creates nothing but the file `lock`

    // Errors (invalid_option, with the mend): cannot be made or written, another process holds it, a newer or
    // damaged format, half of a folder.
    static result<std::unique_ptr<data_dir>> open(const std::filesystem::path& path, std::uint32_t shards,
                                                  access how);
    ~data_dir();
    data_dir(const data_dir&) = delete;
    data_dir& operator=(const data_dir&) = delete;

    const std::filesystem::path& path() const noexcept { return path_; }
    std::filesystem::path database() const { return path_ / "db"; }
    std::filesystem::path new_database() const { return path_ / "db.new"; }
    std::filesystem::path progress() const { return path_ / "progress"; }
    std::filesystem::path probe() const { return path_ / "probe"; }
    std::uint32_t shards() const noexcept { return shards_; }
    // There is no database yet: make one at new_database(), closed, then call made().
    bool is_new() const noexcept { return new_; }
    result<void> made();

    // False: there is no room for it now.
    bool make_ballast(std::uint64_t bytes) const;
    void drop_ballast() const;

  private:
    data_dir(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

    const std::filesystem::path path_;
    const int lock_;
    std::uint32_t shards_ = 0;
    bool new_ = false;
};

// Makes the folder, nobody else's to look into (0700), and what is missing above it as any folder is made.
// False: it is there already, or cannot be made (`problem`).
bool make_private_folder(const std::filesystem::path& path, std::error_code& problem);

// What was made, renamed and removed in it survives a power cut. False: nobody knows; errno says why.
bool sync_folder(const std::filesystem::path& path);
// The same of the folder itself, of all that lies in it, and of what the files hold.
bool sync_tree(const std::filesystem::path& path);

// The format file's text, and what is in one, of this or an earlier version: the number of shards. Errors:
// invalid_option.
std::string format_text(std::uint32_t shards, std::uint32_t version = store_format_version);
result<std::uint32_t> parse_format(std::string_view text);

}  // namespace madang
