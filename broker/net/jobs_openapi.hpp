// The part of the OpenAPI document that is about jobs.
#pragma once

#include <string>

namespace madang {

// `document` with jobs_site's operations and what they answer.
std::string with_jobs(const std::string& document);

}  // namespace madang
