// The store's bytes on disk: RocksDB, and what its promises are worth here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "storage/data_dir.hpp"
#include "storage/facts.hpp"
#include "storage/kv.hpp"

namespace rocksdb {
class FileSystem;
}

namespace madang {

struct rocks_settings {
    std::filesystem::path path;
    std::uint32_t shards = 16;
    std::size_t memory_bytes = 64 << 20;
    std::uint64_t free_bytes = 256 << 20;  // less: no room
    std::uint64_t ballast_bytes = 64 << 20;
    std::string boot_id;                               // "": this machine's
    std::function<std::string()> new_epoch;            // for streams that may have lost something
    std::shared_ptr<rocksdb::FileSystem> file_system;  // null: the default one
    data_dir::access how = data_dir::access::serve;    // inspect: nothing is changed; commit fails
};

class rocks_kv : public kv {
  public:
    virtual const generation& now() const noexcept = 0;
    virtual std::uint32_t shards() const noexcept = 0;
    // All files, to their last byte. storage_failed names what is damaged.
    virtual result<void> verify() = 0;
    // A copy that is consistent in itself, in a folder that does not exist yet; restored by copying it back.
    // Its streams begin new epochs then: what followed is not in it.
    result<void> back_up(const std::filesystem::path& to) override = 0;
};

// Errors (invalid_option, one line with the mend): data_dir's, and damage.
result<std::unique_ptr<rocks_kv>> open_rocks_kv(const rocks_settings& settings);

}  // namespace madang
