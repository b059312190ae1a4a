#include "broker/core/did_you_mean.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace madang {

namespace {

// Levenshtein's, and two neighbours that changed places are one mistake.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    std::iota(d[0].begin(), d[0].end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min({d[i - 1][j - 1] + (a[i - 1] != b[j - 1]), d[i - 1][j] + 1, d[i][j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view unknown, std::span<const std::string> known) {
    std::string best;
    std::size_t least = std::min<std::size_t>(3, (unknown.size() + 1) / 2);  // farther is no hint
    for (const auto& name : known)
        if (const auto far = distance(unknown, name); far < least) {
            least = far;
            best = name;
        }
    if (best.empty() && unknown.size() >= 4)  // a part of the name was left out
        for (const auto& name : known)
            if (name.find(unknown) != name.npos && (best.empty() || name.size() < best.size())) best = name;
    return best.empty() ? std::string() : "; did you mean " + best + "?";
}

}  // namespace madang
