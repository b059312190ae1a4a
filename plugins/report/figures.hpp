// What a page of a report shows: a day in the yard, simulated. The work of the task, and what its checkpoint
// keeps.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace report {

// Per hour of one day, over all simulated days: people in the yard.
struct Figures {
    std::vector<double> mean, low, high;  // low, high: the tenth and ninetieth percentile
    double busiest_hour = 0, most = 0, total = 0;
};
void to_json(nlohmann::json& into, const Figures& from);
void from_json(const nlohmann::json& from, Figures& into);

// The same for the same title and page. `pause` is called some hundred times a second and may throw.
Figures simulate(std::string_view title, int page, std::uint64_t days, const std::function<void()>& pause);

}  // namespace report
