#include "figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>

namespace report {

namespace {

constexpr std::size_t hours = 24;
constexpr std::size_t most_people = 256;
constexpr std::uint64_t days_between_pauses = 100;

// FNV-1a: the same on every machine, so that a page is the same whoever makes it.
std::uint64_t seed_of(std::string_view title, int page) {
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : title) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return hash ^ (static_cast<std::uint64_t>(page) * 0x9e3779b97f4a7c15u);
}

}  // namespace

void to_json(nlohmann::json& into, const Figures& from) {
    into = {{"mean", from.mean}, {"low", from.low},
            {"high", from.high}, {"busiest_hour", from.busiest_hour},
            {"most", from.most}, {"total", from.total}};
}
void from_json(const nlohmann::json& from, Figures& into) {
    from.at("mean").get_to(into.mean);
    from.at("low").get_to(into.low);
    from.at("high").get_to(into.high);
    from.at("busiest_hour").get_to(into.busiest_hour);
    from.at("most").get_to(into.most);
    from.at("total").get_to(into.total);
}

// People come more often towards a noon and an evening of the page's own, and each hour some of them go.
Figures simulate(std::string_view title, int page, std::uint64_t days, const std::function<void()>& pause) {
    std::mt19937_64 dice(seed_of(title, page));
    std::uniform_real_distribution<double> chance(0, 1);
    const double noon = 10 + 4 * chance(dice);
    const double evening = 17 + 4 * chance(dice);
    const double crowd = 8 + 14 * chance(dice);
    std::vector<std::poisson_distribution<int>> arrivals;
    for (std::size_t hour = 0; hour < hours; ++hour) {
        const auto peak = [&](double at, double width) {
            const double distance = (static_cast<double>(hour) - at) / width;
            return std::exp(-distance * distance);
        };
        arrivals.emplace_back(0.4 + crowd * (0.7 * peak(noon, 2.6) + peak(evening, 3.1)));
    }
    std::array<std::array<std::uint32_t, most_people>, hours> counts{};
    for (std::uint64_t day = 0; day < days; ++day) {
        if (day % days_between_pauses == 0) pause();
        int people = 0;
        for (std::size_t hour = 0; hour < hours; ++hour) {
            std::binomial_distribution<int> stay(people, 0.55);
            people = stay(dice) + arrivals[hour](dice);
            ++counts[hour][std::min<std::size_t>(static_cast<std::size_t>(people), most_people - 1)];
        }
    }
    Figures made;
    for (std::size_t hour = 0; hour < hours; ++hour) {
        double sum = 0;
        std::uint64_t seen = 0;
        double low = -1, high = -1;
        for (std::size_t people = 0; people < most_people; ++people) {
            sum += static_cast<double>(people) * counts[hour][people];
            seen += counts[hour][people];
            if (low < 0 && seen * 10 >= days) low = static_cast<double>(people);
            if (high < 0 && seen * 10 >= days * 9) high = static_cast<double>(people);
        }
        made.mean.push_back(sum / static_cast<double>(days));
        made.low.push_back(low);
        made.high.push_back(high);
        made.total += made.mean.back();
        if (made.mean.back() > made.most) {
            made.most = made.mean.back();
            made.busiest_hour = static_cast<double>(hour);
        }
    }
    return made;
}

}  // namespace report
