// The jobs' columns for store_tools: records as JSON, and whether they fit together.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "storage/kv.hpp"

namespace madang {

// A record without its column; nothing: it is damaged.
std::optional<nlohmann::json> about_job_row(column in, std::string_view key, std::string_view value);

// Calls `problem` with the name and what is wrong: rows without their jobs, jobs without their rows, counts
// and barriers that are not what they count. Of damaged records it says nothing.
result<void> check_jobs(const kv_view& in,
                        const std::function<void(std::string_view name, std::string_view what)>& problem);

}  // namespace madang
