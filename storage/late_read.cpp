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

// A piece begins in one of these columns, behind a key: what `from` says, in one character (in their order)
// and the key.
constexpr std::pair<char, column> copied[] = {
    {'a', column::publications}, {'b', column::idempotency}, {'c', column::seen}};

// Adds the record to the piece.
bool add(stream_piece& to, column from, const keys::parts& key, std::string_view value, std::int64_t now_ms,
         std::string_view whole_key) {
    if (from == column::publications) {
        const auto offset = keys::offset_of(whole_key);
        auto kept = offset ? decode_publication(*offset, value) : std::nullopt;
        if (!kept) return false;
        if (*offset >= to.oldest && *offset <= to.top.offset && !is_over(kept->ends_ms, now_ms))
            to.publications.push_back(std::move(*kept));
    } else if (from == column::idempotency) {
        auto record = decode_idempotency(value);
        if (!record) return false;
        if (!is_over(record->ends_ms, now_ms)) to.keys.push_back({std::string(key.rest), std::move(*record)});
    } else {
        const auto time = decode_time(value);
        if (!time) return false;
        to.seen.push_back({std::string(key.rest), *time});
    }
    return true;
}

store_answer read(copy_read& plan, const kv_view& from) {
    auto piece = std::move(plan.head);
    std::size_t bytes = 0;
    const char begins = plan.from.empty() ? copied[0].first : plan.from[0];
    for (const auto& prefix : copied) {
        const auto& mark = prefix.first;  // apart: clang 14's lambdas take no structured bindings
        const auto& where = prefix.second;
        if (!piece.next.empty()) break;
        if (mark < begins) continue;
        // The key behind the last one that was read is the next there can be.
        const auto first = mark == begins && plan.from.size() > 1 ? plan.from.substr(1) + '\0' : plan.where;
        bool good = true;
        const auto done = from.scan(where, first, keys::end(plan.where), direction::ascending,
                                    [&](std::string_view key, std::string_view value) {
                                        const auto split = keys::parse(key);
                                        good = split && add(piece, where, *split, value, plan.now_ms, key);
                                        bytes += key.size() + value.size();
                                        if (good && bytes >= plan.most_bytes) (piece.next = mark) += key;
                                        return good && piece.next.empty();
                                    });
        if (!done) return done.error();
        if (!good) return damaged("a stream");
    }
    return store_value(std::move(piece));
}

store_answer read(names_read& plan, const kv_view& from) {
    const auto& what = plan.what;
    stream_names found;
    std::size_t seen = 0;
    bool good = true;
    const auto done = from.scan(column::streams, what.after.empty() ? std::string() : what.after + '\0',
                                keys::shard_begin(0x10000), direction::ascending,
                                [&](std::string_view key, std::string_view value) {
                                    const auto split = keys::parse(key);
                                    const auto record = decode_stream(value);
                                    good = split && record;
                                    if (!good) return false;
                                    if (!is_over(record->ends_ms, what.now_ms) && what.wanted(split->group))
                                        found.groups.emplace_back(split->group);
                                    if (++seen >= what.limit) found.next = key;
                                    return found.next.empty();
                                });
    if (!done) return done.error();
    if (!good) return damaged("a stream");
    return store_value(std::move(found));
}

}  // namespace

store_answer run(late_read& what, const kv_view& from) {
    return std::visit([&](auto& plan) { return read(plan, from); }, what);
}

}  // namespace madang
