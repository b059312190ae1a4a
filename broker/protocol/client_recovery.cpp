#include "broker/protocol/client_recovery.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace madang {

namespace {

// Sorted, each offset once, none up to `base`.
void put_in_order(std::vector<publication>& all, std::uint64_t base) {
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.offset < b.offset; });
    const auto same = [](auto& a, auto& b) { return a.offset == b.offset; };
    all.erase(std::unique(all.begin(), all.end(), same), all.end());
    std::erase_if(all, [&](const publication& each) { return each.offset <= base; });
}

// From the one behind `base` on, none missing, at least up to `top`.
bool unbroken(const std::vector<publication>& all, std::uint64_t base, std::uint64_t top) {
    for (const auto& each : all)
        if (each.offset != ++base) return false;
    return base >= top;
}

}  // namespace

settled settle(subscribed answer, std::vector<group_news> news, const settle_how& how) {
    settled result;
    if (!how.positioned || !answer.top) {
        result.after = std::move(news);
        return result;
    }
    const auto kept = std::stable_partition(news.begin(), news.end(), [](const group_news& each) {
        return each.what != group_news::kind::publication || each.published.offset == 0;
    });
    std::vector<publication> fresh;
    for (auto each = kept; each != news.end(); ++each) fresh.push_back(std::move(each->published));
    news.erase(kept, news.end());

    const auto top = answer.top->offset;
    result.recovered = how.since && answer.recovered;
    result.at = std::move(answer.top);
    if (result.recovered && !how.cache) {
        result.publications = std::move(answer.missed);
        std::move(fresh.begin(), fresh.end(), std::back_inserter(result.publications));
        put_in_order(result.publications, *how.since);
        result.gap = !unbroken(result.publications, *how.since, top);
        result.at->offset = *how.since;
        result.after = std::move(news);
        return result;
    }
    put_in_order(fresh, top);
    result.gap = !unbroken(fresh, top, top);
    if (result.recovered) {
        auto& from = fresh.empty() ? answer.missed : fresh;
        if (!fresh.empty()) result.at->offset = fresh.back().offset;
        if (!from.empty()) result.publications.push_back(std::move(from.back()));
        fresh.clear();
    }
    for (auto& each : fresh)
        result.after.push_back({group_news::kind::publication, std::move(each), nullptr});
    std::move(news.begin(), news.end(), std::back_inserter(result.after));
    return result;
}

}  // namespace madang
