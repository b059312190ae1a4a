#include "storage/late_read.hpp"

#include <algorithm>
#include <map>

namespace madang {
namespace {

error damaged(std::string_view what) {
    return fail(errc::storage_failed, "a damaged record of " + std::string(what));
}

// Takes publications as they come and keeps those that make a run without a gap, next to the newest.
class gatherer {
  public:
    explicit gatherer(const history_read& plan)
        : plan_(plan), next_(plan.order == direction::ascending ? plan.from : plan.to) {}

    // Whether more is wanted.
    bool take(const kept_publication& each) {
        const bool gap = each.what.offset != next_;
        const bool over = is_over(each.ends_ms, plan_.now_ms);
        missing_ = missing_ || gap || over;
        if (plan_.order == direction::descending) {
            if (gap || over) return false;
            --next_;
        } else {
            if (gap || over) {
                if (plan_.exact) return false;
                found_.clear();  // what lies before a gap is gone, too
            }
            next_ = each.what.offset + 1;
            if (over) return true;
        }
        found_.push_back(each.what);
        // Ascending and inexact, a gap may come yet; but what follows `count` was not asked for.
        return found_.size() < plan_.count;
    }
    store_answer answer() {
        const auto wanted =
            std::min<std::uint64_t>(plan_.count, plan_.from > plan_.to ? 0 : plan_.to - plan_.from + 1);
        if (plan_.exact && (missing_ || found_.size() < wanted)) return fail(errc::unrecoverable_position);
        return store_value(history_page{plan_.top, std::move(found_)});
    }

  private:
    const history_read& plan_;
    std::uint64_t next_;
    bool missing_ = false;
    std::vector<publication> found_;
};

store_answer read(history_read& plan, const kv_view& from) {
    gatherer gather(plan);
    bool more = plan.from <= plan.to && plan.count > 0;
    const auto from_tail = [&] {
        if (plan.order == direction::ascending)
            for (auto at = plan.tail.begin(); more && at != plan.tail.end(); ++at) more = gather.take(*at);
        else
            for (auto at = plan.tail.rbegin(); more && at != plan.tail.rend(); ++at) more = gather.take(*at);
    };
    const auto disk_to = plan.tail.empty() ? plan.to : plan.tail.front().what.offset - 1;  // inclusive
    if (plan.order == direction::descending) from_tail();
    if (more && plan.from <= disk_to) {
        bool good = true;
        const auto done = from.scan(column::publications, keys::publication(plan.where, plan.from),
                                    keys::publication(plan.where, disk_to + 1), plan.order,
                                    [&](std::string_view key, std::string_view value) {
                                        const auto offset = keys::offset_of(key);
                                        auto kept =
                                            offset ? decode_publication(*offset, value) : std::nullopt;
                                        good = kept.has_value();
                                        return good && (more = gather.take(*kept));
                                    });
        if (!done) return done.error();
        if (!good) return damaged("a publication");
    }
    if (plan.order == direction::ascending) from_tail();
    return gather.answer();
}

store_answer read(seen_read& plan, const kv_view& from) {
    // The newest `limit`, by time; a user's latest time counts.
    std::map<std::string, std::int64_t, std::less<>> pending;
    for (auto& [user, time] : plan.pending) pending[user] = time;
    std::sort(plan.present.begin(), plan.present.end());
    std::vector<last_seen_entry> found;
    const auto newer = [](const last_seen_entry& a, const last_seen_entry& b) {
        return a.time_ms != b.time_ms ? a.time_ms > b.time_ms : a.user < b.user;
    };
    const auto add = [&](last_seen_entry entry) {
        if (plan.limit == 0 || std::binary_search(plan.present.begin(), plan.present.end(), entry.user))
            return;
        if (found.size() == plan.limit) {
            if (!newer(entry, found.front())) return;
            std::pop_heap(found.begin(), found.end(), newer);
            found.pop_back();
        }
        found.push_back(std::move(entry));
        std::push_heap(found.begin(), found.end(), newer);
    };
    bool good = true;
    const auto done = from.scan(column::seen, plan.where, keys::end(plan.where), direction::ascending,
                                [&](std::string_view key, std::string_view value) {
                                    const auto split = keys::parse(key);
                                    const auto time = decode_time(value);
                                    good = split && time;
                                    if (good && !pending.contains(split->rest))
                                        add({std::string(split->rest), *time});
                                    return good;
                                });
    if (!done) return done.error();
    if (!good) return damaged("who was last seen");
    for (const auto& [user, time] : pending) add({user, time});
    std::sort(found.begin(), found.end(), newer);
    return store_value(std::move(found));
}

}  // namespace

store_answer run(late_read& what, const kv_view& from) {
    return std::visit([&](auto& plan) { return read(plan, from); }, what);
}

}  // namespace madang
