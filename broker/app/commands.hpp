// The sub-commands of madang; each returns the exit code: 0, 1 when it failed, 2 when it was asked wrongly.
#pragma once

#include <string>

namespace madang {

struct option_values;

int run_serve(const option_values& values);
// `running`: the file of a server that runs; "": none.
int run_check(const option_values& values, const std::string& running);
int run_health(const std::string& url);

}  // namespace madang
