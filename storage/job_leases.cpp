#include "storage/job_leases.hpp"

#include "storage/codec.hpp"

namespace madang {
namespace {

failure damaged_lease(const char* what) { return failure(fail(errc::storage_failed, what)); }

void keep_last(job_leases::map& all, std::string_view job, job_lease_entry lease) {
    auto& kept = all[std::string(job)];
    if (kept.row.token < lease.row.token) kept = std::move(lease);
}

}  // namespace

job_leases::map stored_leases(const kv_view& from) {
    job_leases::map all;
    const auto each_row = [&](keys::row kind, const kv_view::visitor& see) {
        const auto begin = keys::job_row(kind);
        from.scan(column::job_rows, begin, keys::end(begin), direction::ascending, see).value();
    };
    each_row(keys::row::leases, [&](auto key, auto value) {
        const auto number = keys::number_of(key);
        auto sheet = decode_leases(value);
        if (!sheet || !number) throw damaged_lease("a record of jobs' leases is damaged");
        for (auto& each : *sheet) keep_last(all, each.job, {std::move(each.lease), false, false, *number});
        return true;
    });
    each_row(keys::row::lease, [&](auto key, auto value) {
        auto lease = decode_lease(value);
        if (!lease) throw damaged_lease("a job's lease is damaged");
        keep_last(all, key.substr(1), {std::move(*lease), false, true, 0});
        return true;
    });
    return all;
}

void job_leases::load() {
    took_over_ = false;
    given_.clear();
    ended_.clear();
    sheets_.clear();
    all_ = stored_leases(committed_);
    for (const auto& [job, lease] : all_)
        if (lease.sheet != 0) sheets_.try_emplace(lease.sheet, 0);
    std::erase_if(all_, [&](const auto& each) {
        const auto value = committed_.get(column::jobs, each.first).value();
        const auto job = value ? decode_job(each.first, *value) : std::nullopt;
        if (each.second.own_row || value) {
            if (!job) throw damaged_lease("a leased job is damaged");
            if (holds(each.second, job->status)) {
                if (each.second.sheet != 0) ++sheets_[each.second.sheet];
                return false;
            }
        }
        return true;
    });
    for (auto& [number, left] : sheets_)
        if (left == 0) ended_.push_back(number);
    for (const auto each : ended_) sheets_.erase(each);
}

void job_leases::give(const std::string& job, job_lease_record row) {
    const auto [at, added] = all_.try_emplace(job);
    at->second = {std::move(row), false, false, 0};
    given_.push_back(&*at);
}

void job_leases::take_over(const std::string& job, job_lease_record row) {
    seen(row.token);
    took_over_ = true;
    give(job, std::move(row));
}

std::uint64_t job_leases::end(std::string_view job) {
    const auto found = all_.find(job);
    const auto token = found->second.row.token;
    if (const auto sheet = sheets_.find(found->second.sheet);
        sheet != sheets_.end() && --sheet->second == 0) {
        ended_.push_back(sheet->first);
        sheets_.erase(sheet);
    }
    if (found->second.sheet == 0) std::erase(given_, &*found);
    all_.erase(found);
    return token;
}

void job_leases::seal(kv_batch& into) {
    for (const auto each : ended_)
        into.remove_once(column::job_rows, keys::job_row(keys::row::leases, static_cast<std::int64_t>(each)));
    ended_.clear();
    std::vector<given_lease> sheet;
    const auto put = [&] {
        if (sheet.empty()) return;
        // Nobody else's.
        const auto number = took_over_ ? next_token() : sheet.front().lease.token;
        encode(sheet, value_);
        into.put(column::job_rows, keys::job_row(keys::row::leases, static_cast<std::int64_t>(number)),
                 value_);
        for (const auto& each : sheet) all_.find(each.job)->second.sheet = number;
        sheets_.emplace(number, sheet.size());
        sheet.clear();
    };
    for (const auto* each : given_) {
        sheet.push_back({each->first, each->second.row});
        if (sheet.size() == sheet_size) put();
    }
    given_.clear();
    put();
    took_over_ = false;
}

}  // namespace madang
