// A store in a folder of its own, asked and waited for.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/core/clock.hpp"
#include "broker/core/options.hpp"
#include "monitoring/metrics.hpp"
#include "storage/committing_store.hpp"
#include "storage/memory_kv.hpp"
#include "storage/rocks_kv.hpp"
#include "storage/store.hpp"

namespace madang::test {

class temporary_folder {
  public:
    explicit temporary_folder(std::filesystem::path below = std::filesystem::temp_directory_path()) {
        auto name = (below / "madang-store-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name);
        path_ = name;
    }
    ~temporary_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_;
};

inline constexpr std::int64_t noon = 1'700'000'000'000;  // Unix ms

inline commands::publish publish(std::string group, std::string data, std::uint32_t size = 10,
                                 std::int64_t time_ms = noon) {
    commands::publish what;
    what.group = std::move(group);
    what.what.data = payload::copy_of(data);
    what.what.time_ms = time_ms;
    what.history_size = size;
    what.history_ttl_ms = 60'000;
    what.meta_ttl_ms = 3'600'000;
    what.new_epoch = "fresh";
    return what;
}

inline queries::history history(std::string group, std::size_t limit = 1000,
                                std::optional<position> since = {}, bool reverse = false,
                                std::int64_t now_ms = noon) {
    queries::history what;
    what.what = {std::move(group), limit, std::move(since), reverse};
    what.now_ms = now_ms;
    what.meta_ttl_ms = 3'600'000;
    what.new_epoch = "asked";
    what.most = 1000;
    return what;
}

inline commands::enter enter(std::string group, std::string client, std::string user,
                             std::string incarnation = "one") {
    commands::enter what;
    what.group = std::move(group);
    what.who.who = {std::move(client), std::move(user), "{\"a\":1}", ""};
    what.who.since_ms = noon;
    what.incarnation = std::move(incarnation);
    return what;
}

inline commands::leave leave(std::string group, std::string client, std::int64_t now_ms = noon) {
    return {std::move(group), std::move(client), now_ms, {}};
}

// All answers of one batch; throws when none comes within a minute.
inline std::vector<store_answer> ask(store& of, std::vector<store_request> what,
                                     durability how = durability::buffered) {
    auto promise = std::make_shared<std::promise<std::vector<store_answer>>>();
    auto future = promise->get_future();
    of.submit(std::move(what), how,
              [promise](std::vector<store_answer> got) { promise->set_value(std::move(got)); });
    if (future.wait_for(std::chrono::minutes(1)) != std::future_status::ready)
        throw std::runtime_error("the store does not answer");
    return future.get();
}
inline store_answer ask(store& of, store_request what, durability how = durability::buffered) {
    std::vector<store_request> batch;
    batch.push_back(std::move(what));
    return ask(of, std::move(batch), how).at(0);
}
template <class T>
T as(store_answer got) {
    return std::get<T>(std::move(got).value());  // throws failure
}
inline history_page page(store& of, queries::history what) {
    return as<history_page>(ask(of, store_request(std::move(what))));
}
inline std::vector<std::string> texts(const history_page& of) {
    std::vector<std::string> result;
    for (const auto& each : of.publications) result.emplace_back(each.data.bytes());
    return result;
}
inline std::vector<std::uint64_t> offsets(const history_page& of) {
    std::vector<std::uint64_t> result;
    for (const auto& each : of.publications) result.push_back(each.offset);
    return result;
}

// A store on disk that can be opened again and again.
struct disk_world {
    rocks_settings settings;
    store_limits limits{4, 64 << 20, 8 << 20, 1000, 4 << 20};
    system_clock_source clock;
    std::unique_ptr<metrics> counts = std::make_unique<metrics>();
    std::unique_ptr<store> it;

    explicit disk_world(const std::filesystem::path& path) {
        settings.path = path;
        settings.shards = 4;
        settings.memory_bytes = 16 << 20;
        settings.free_bytes = 0;
        settings.ballast_bytes = 0;
        settings.new_epoch = [] { return std::string("remade"); };
    }
    result<void> try_open() {
        it.reset();
        auto bytes = open_rocks_kv(settings);
        if (!bytes) return bytes.error();
        limits.shards = (*bytes)->shards();
        const auto now = (*bytes)->now();
        auto made = make_store(std::move(*bytes), now, limits, clock, *counts);
        if (!made) return made.error();
        it = std::move(*made);
        return {};
    }
    store& open() {
        try_open().value();
        return *it;
    }
    void close() { it.reset(); }
};

// A store in memory, or on disk in that folder.
inline std::unique_ptr<store> make_store_of(bool in_memory, const std::filesystem::path& folder,
                                            const store_limits& limits, const clock_source& clock,
                                            metrics& counts) {
    if (in_memory) return make_store(std::make_unique<memory_kv>(), {}, limits, clock, counts).value();
    auto bytes = open_rocks_kv(disk_world(folder).settings).value();
    const auto now = bytes->now();
    return make_store(std::move(bytes), now, limits, clock, counts).value();
}

// What a killed process leaves: a copy of its folder, as the page cache has it. The database's own threads
// may write, make and delete files meanwhile: then the copy is of no one moment, and is made again.
inline void copy_as_killed(const std::filesystem::path& from, const std::filesystem::path& to) {
    namespace fs = std::filesystem;
    const auto state = [&] {
        std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> files;
        std::error_code gone;
        for (const auto& each : fs::recursive_directory_iterator(from, gone))
            if (each.is_regular_file(gone))
                files[each.path().string()] = {each.file_size(gone), each.last_write_time(gone)};
        return files;
    };
    for (auto before = state();;) {
        fs::remove_all(to);
        fs::create_directories(to);
        std::error_code gone;
        fs::copy(from, to, fs::copy_options::recursive, gone);
        auto after = state();
        if (!gone && before == after) return;
        before = std::move(after);
    }
}

}  // namespace madang::test
