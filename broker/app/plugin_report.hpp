// The plugins that run and what their handlers cost, for the admin page.
#pragma once

#include <string>

namespace madang {

class metrics;
class plugin_host;

// {"plugins":[{"id":…,"version":…,"summary":…,"path":…,"errors":…,"slow":…,"handlers":[{"kind":"consumer",
// "name":…,"at":…,"calls":…,"mean_s":…,"p50_s":…,"p99_s":…,"most_s":…},…]},…]}. `kind` is consumer,
// background, view or task, `at` the route, channel or queue; times in seconds, null before the first call. A
// quantile at `most_s` is that or more. Of the calls in this process since it began; a task's are its
// attempts, wherever they ran.
std::string plugin_report(const plugin_host& plugins, const metrics& counts);

}  // namespace madang
