// How the tasks of these tests end well.
#pragma once

#include <string_view>

#include "plugins/host/plugin_host.hpp"

namespace madang {

// With that JSON as the result.
inline madang_status end_with(madang_job* job, std::string_view json) {
    madang_job_end end{};
    end.struct_size = sizeof(end);
    end.outcome = MADANG_JOB_SUCCESS;
    end.json = {json.data(), json.size()};
    end.after_ms = -1;
    return plugin_host::jobs_api().job_end(job, &end);
}

}  // namespace madang
