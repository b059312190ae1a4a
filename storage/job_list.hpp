// A page of jobs, read from what is committed: planned where the state is, read anywhere.
#pragma once

#include "storage/job_command.hpp"
#include "storage/kv.hpp"

namespace madang {

struct job_list_read {
    static constexpr std::size_t most_looked_at = 10'000;
    job_filter what;
    job_time now;
};

// job_page; errors: bad_request ("after"), storage_failed.
job_answer run(const job_list_read& what, const kv_view& from);

}  // namespace madang
