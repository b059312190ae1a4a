// The seam between a shard's logic and where its bytes are: ordered columns, changed by batches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/result.hpp"
#include "storage/columns.hpp"

namespace madang {

enum class direction : std::uint8_t { ascending, descending };

// What was committed. Errors: storage_failed.
class kv_view {
  public:
    virtual ~kv_view() = default;
    virtual result<std::optional<std::string>> get(column from, std::string_view key) const = 0;
    // Keys of [begin, end) in that order, until `see` says false. Key and value live as long as the call.
    using visitor = std::function<bool(std::string_view key, std::string_view value)>;
    virtual result<void> scan(column from, std::string_view begin, std::string_view end, direction order,
                              const visitor& see) const = 0;
};

class kv_batch {
  public:
    virtual ~kv_batch() = default;
    virtual void put(column into, std::string_view key, std::string_view value) = 0;
    virtual void remove(column from, std::string_view key) = 0;
    // The same, cheaper: for a key that was put exactly once since it last was not there, and is never
    // removed otherwise.
    virtual void remove_once(column from, std::string_view key) { remove(from, key); }
    virtual void remove_range(column from, std::string_view begin, std::string_view end) = 0;  // [begin, end)
    virtual void clear() = 0;
    virtual std::size_t bytes() const = 0;  // 0: nothing is in it
};

// One thread changes it (commit); where it says so, others may call meanwhile.
class kv : public kv_view {
  public:
    virtual std::unique_ptr<kv_batch> new_batch() = 0;
    // All or nothing, and survives the process. Errors: storage_full, storage_failed; then nothing of it is
    // there, also not later.
    virtual result<void> commit(kv_batch& what) = 0;
    // Of what is committed now; any thread may read it. Null: there is none, and only the changing thread
    // reads.
    virtual std::unique_ptr<kv_view> view() = 0;
    // To be called now and then while ready() says no: what heal() cannot do beside the changing thread.
    virtual void mend() {}
    // No longer waits for a heal() that is being tried; only closing follows, or mend().
    virtual void give_up() {}

    // -- One other thread
    // What was committed before now survives a power cut. An error: nobody knows until heal() succeeds.
    virtual result<void> sync() { return {}; }
    virtual bool wants_healing() const { return false; }
    // Makes changes possible again; then all that was committed is synced. Its error: not yet.
    virtual result<void> heal() { return {}; }

    // -- Any thread
    // Whether changes are possible at all, and whether there is room for more: the error says why not.
    virtual result<void> ready() const { return {}; }
    virtual result<void> room() const { return {}; }
    virtual double free_bytes() const { return 0; }
    virtual std::uint64_t keys_forgotten() const noexcept { return 0; }  // for want of room
    // Unix time: values that ended before it may go.
    virtual void set_now(std::int64_t) noexcept {}
    // What is called, on any thread, when something wants healing.
    virtual void on_trouble(std::function<void()>) {}

    // A copy in a new folder of what is committed by now. On no thread of the above; one at a time.
    virtual result<void> back_up(const std::filesystem::path&) {
        return fail(errc::not_available, "a store in memory has no backups");
    }

    // Nothing follows: all is durable, and known to be.
    virtual result<void> close() { return {}; }
};

}  // namespace madang
