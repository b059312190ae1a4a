// The jobs' shard, in memory or on disk, with much memory or hardly any: what its tests have in common.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/storage/job_words.hpp"

namespace madang::test {

enum class kind { memory, disk, disk_little_memory, disk_without_memory };

class JobStore : public testing::TestWithParam<kind> {
  protected:
    void SetUp() override {
        store_limits limits{4, 64 << 20, 8 << 20, 1000, 4 << 20};
        limits.job_args_bytes = 2000;
        limits.job_dead_ms = 100'000;
        if (GetParam() == kind::disk_little_memory) limits.job_cache_bytes = 200'000;
        if (GetParam() == kind::disk_without_memory) limits.job_cache_bytes = 0;
        store_ = make_store_of(GetParam() == kind::memory, folder_.path(), limits, clock_, counts_);
        store_->watch_jobs([this](job_effects&& what) { heard_.take(std::move(what)); });
    }

    job_answer ask(job_request what) { return ask_job(*store_, std::move(what)); }
    errc refused(job_request what) {
        auto got = ask(std::move(what));
        return got ? errc::internal : got.error().code;
    }
    void put(std::vector<job_spec> specs, job_time now = at(0)) {
        ask(enqueue(std::move(specs), now)).value();
    }
    std::vector<job_assignment> take(std::uint32_t count, job_time now = at(0),
                                     std::vector<std::string> queues = {}) {
        heard_.taken();
        ask(offer(1, count, std::move(queues), now)).value();
        auto got = heard_.taken().assigned;
        ask(jc::withdraw{1}).value();
        return got;
    }
    std::vector<std::string> taken_ids(std::uint32_t count, job_time now = at(0),
                                       std::vector<std::string> queues = {}) {
        std::vector<std::string> ids;
        for (const auto& each : take(count, now, std::move(queues))) ids.push_back(each.spec->id);
        return ids;
    }
    job_lease take_one(job_time now = at(0)) {
        auto got = take(1, now);
        if (got.size() != 1) throw std::runtime_error("no job");
        return {got[0].spec->id, got[0].token};
    }
    void run(const std::string& result = "1", job_time now = at(0)) {
        ask(succeed(take_one(now), result, now)).value();
    }
    job_view find(const std::string& id) { return job_as<job_view>(ask(jq::find{id})); }
    job_state state(const std::string& id) { return find(id).state; }
    queue_view queue(const std::string& name) {
        for (auto& each : job_as<std::vector<queue_view>>(ask(jq::queues{})))
            if (each.name == name) return each;
        return {};
    }
    void tick(job_time now) { ask(jc::tick{now}).value(); }

    temporary_folder folder_;
    system_clock_source clock_;
    metrics counts_;
    job_listener heard_;
    std::unique_ptr<store> store_;
};

}  // namespace madang::test
