#include "storage/store_tools.hpp"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "broker/core/request_id.hpp"
#include "storage/codec.hpp"
#include "storage/job_tools.hpp"
#include "storage/rocks_kv.hpp"

namespace madang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

result<std::unique_ptr<rocks_kv>> open_for(const fs::path& data_dir, data_dir::access how) {
    rocks_settings settings;
    settings.path = data_dir;
    settings.free_bytes = settings.ballast_bytes = 0;
    settings.how = how;
    settings.new_epoch = [] { return make_request_id().substr(0, 8); };
    return open_rocks_kv(settings);
}

std::string text_of(const client_info& who) {
    auto text = "{\"user\":" + json(who.user).dump() + ",\"client\":" + json(who.client).dump();
    if (!who.conn_info.empty()) text += ",\"conn_info\":" + who.conn_info;
    if (!who.chan_info.empty()) text += ",\"chan_info\":" + who.chan_info;
    return text + "}";
}

json about(const kept_publication& kept) {
    json record{{"offset", kept.what.offset}, {"ends", kept.ends_ms}, {"time", kept.what.time_ms}};
    record["data"] = std::string(kept.what.data.bytes());  // JSON; dump_store writes it as it is
    if (!kept.what.extra) return record;
    if (const auto& who = kept.what.extra->info) record["info"] = text_of(*who);
    for (const auto& each : kept.what.extra->tags) record["tags"][each.name] = each.value;
    return record;
}

// A record without its column, shard and group; nothing: it is damaged.
std::optional<json> about(column in, std::string_view rest, std::string_view key, std::string_view value) {
    const std::string name(rest);
    switch (in) {
        case column::facts:
            return json{{"bytes", value.size()}};
        case column::streams:
            if (const auto what = decode_stream(value); what && rest.empty())
                return json{{"epoch", what->epoch},
                            {"top", what->top},
                            {"oldest", what->oldest},
                            {"ends", what->ends_ms},
                            {"synced", what->kept == durability::synced},
                            {"generation", what->generation}};
            return {};
        case column::publications:
            if (const auto offset = keys::offset_of(key))
                if (const auto kept = decode_publication(*offset, value)) return about(*kept);
            return {};
        case column::idempotency:
            if (const auto what = decode_idempotency(value))
                return json{{"key", name},
                            {"ends", what->ends_ms},
                            {"epoch", what->at.epoch},
                            {"offset", what->at.offset}};
            return {};
        case column::presence:
            if (const auto what = decode_presence(rest, value))
                return json{{"client", name},
                            {"user", what->who.who.user},
                            {"since", what->who.since_ms},
                            {"conn_info", what->who.who.conn_info},
                            {"chan_info", what->who.who.chan_info},
                            {"incarnation", what->incarnation}};
            return {};
        case column::seen:
            if (const auto time = decode_time(value)) return json{{"user", name}, {"time", *time}};
            return {};
        default:
            return about_job_row(in, key, value);
    }
}

std::string line(const json& what) {
    return what.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

// Calls see(column, group, record or nothing) for every record; a column that cannot be read to its end does
// not keep the others from it.
template <class See>
result<void> each_record(const rocks_kv& in, See see) {
    result<void> all;
    for (const auto& row : column_rows) {
        const auto done =
            in.scan(row.id, "", std::string(3, '\xff'), direction::ascending, [&](auto key, auto value) {
                const bool grouped = row.id >= column::streams && row.id <= column::seen;
                const auto split = row.id == column::facts ? keys::parts{0, key, {}}
                                   : grouped               ? keys::parse(key).value_or(keys::parts{})
                                                           : keys::parts{};
                const bool placed =
                    !grouped || (!split.group.empty() && split.shard == shard_of(split.group, in.shards()));
                see(row, split.group, placed ? about(row.id, split.rest, key, value) : std::nullopt);
                return true;
            });
        if (!done && all) all = done;
    }
    return all;
}

error fail_damaged(std::size_t records) {
    return fail(errc::storage_failed,
                std::to_string(records) + " damaged records: restore a backup (madang store restore)");
}

error with_dump(error why) {
    why.detail += "; madang store dump prints what can still be read";
    return why;
}

}  // namespace

result<void> check_store(const fs::path& data_dir, std::ostream& told) {
    auto opened = open_for(data_dir, data_dir::access::inspect);
    if (!opened) return opened.error();
    auto& bytes = **opened;
    if (auto verified = bytes.verify(); !verified) return with_dump(verified.error());
    std::size_t damaged = 0;
    std::map<std::string_view, std::size_t> records;
    struct extent {
        std::uint64_t oldest, top;
    };
    std::map<std::string, extent, std::less<>> streams;
    const auto done =
        each_record(bytes, [&](const column_row& row, std::string_view group, const auto& record) {
            ++records[row.name];
            std::string problem;
            if (!record)
                problem = "damaged";
            else if (row.id == column::streams) {
                streams[std::string(group)] = {(*record)["oldest"], (*record)["top"]};
                if (streams.find(group)->second.oldest > streams.find(group)->second.top + 1)
                    problem = "oldest behind top";
            }
            if (problem.empty()) return;
            ++damaged;
            told << line({{"column", row.name}, {"group", group}, {"problem", problem}});
        });
    if (!done) return done;
    const auto fits = check_jobs(bytes, [&](std::string_view name, std::string_view problem) {
        ++damaged;
        told << line({{"column", "jobs"}, {"name", name}, {"problem", problem}});
    });
    if (!fits) return fits;
    for (const auto& row : column_rows) told << row.name << ": " << records[row.name] << " records\n";
    if (damaged != 0) return with_dump(fail_damaged(damaged));
    told << "all is well\n";
    return {};
}

result<void> dump_store(const fs::path& data_dir, std::ostream& to) {
    auto opened = open_for(data_dir, data_dir::access::inspect);
    if (!opened) return opened.error();
    std::size_t damaged = 0;
    auto done = each_record(**opened, [&](const column_row& row, std::string_view group, auto record) {
        damaged += !record;
        json all{{"column", row.name}, {"group", group}};
        std::string data;
        if (record && row.id == column::publications) {
            data = (*record)["data"].template get<std::string>();
            record->erase("data");
        }
        if (record)
            all.update(*record);
        else
            all["problem"] = "damaged";
        auto text = line(all);
        if (json::accept(data)) text.replace(text.size() - 2, 1, ",\"data\":" + data + "}");
        to << text;
    });
    if (done && damaged != 0) return fail_damaged(damaged);
    return done;
}

result<void> back_up_store(const fs::path& data_dir, const fs::path& to) {
    auto opened = open_for(data_dir, data_dir::access::serve);
    if (!opened) return opened.error();
    auto done = (*opened)->verify();
    if (done) done = (*opened)->back_up(to);
    // Also when there is no backup: what is not closed is taken for a power cut once the machine starts anew.
    const auto closed = (*opened)->close();
    return done ? closed : done;
}

result<void> restore_store(const fs::path& from, const fs::path& data_dir) {
    std::error_code problem;
    if (fs::exists(data_dir, problem) && !fs::is_empty(data_dir, problem))
        return fail(errc::invalid_option,
                    data_dir.string() + " is not empty: move it away, or name another folder");
    if (!fs::exists(from / "format", problem) || !fs::exists(from / "db", problem))
        return fail(errc::invalid_option, from.string() + " is no backup of a store");
    // Without a progress file: nobody knows what followed, so that every stream begins a new epoch.
    make_private_folder(data_dir, problem);
    if (!problem) make_private_folder(data_dir / "db", problem);
    if (!problem) fs::copy(from / "db", data_dir / "db", fs::copy_options::recursive, problem);
    if (!problem) fs::copy_file(from / "format", data_dir / "format", problem);
    if (!problem && !sync_tree(data_dir)) problem.assign(errno, std::generic_category());
    if (problem) return fail(errc::storage_failed, data_dir.string() + ": " + problem.message());
    std::ostream nowhere(nullptr);
    return check_store(data_dir, nowhere);
}

}  // namespace madang
