#include "storage/shard.hpp"

#include <algorithm>
#include <limits>

namespace madang {
namespace {

applied refuse(error why) { return {std::move(why), {}, 0}; }

bool valid_name(std::string_view name) noexcept { return !name.empty() && name.size() <= longest_key_text; }

// More than these at once are removed as a range.
constexpr std::uint64_t removed_one_by_one = 64;

// Whether `read` has no need of the disk: the tail holds all of it, or nothing is asked for.
bool in_memory(const history_read& read) noexcept {
    if (read.from > read.to || read.count == 0) return true;
    if (read.tail.empty()) return false;
    return read.tail.front().what.offset == read.from ||
           (read.order == direction::descending && read.tail.size() >= read.count);
}

class nothing_on_disk final : public kv_view {
  public:
    result<std::optional<std::string>> get(column, std::string_view) const override {
        return std::optional<std::string>();
    }
    result<void> scan(column, std::string_view, std::string_view, direction, const visitor&) const override {
        return {};
    }
};

}  // namespace

std::string_view group_of(const store_request& what) noexcept {
    return std::visit(
        [](const auto& each) -> std::string_view {
            if constexpr (requires { each.what.group; })
                return each.what.group;
            else if constexpr (requires { each.group; })
                return each.group;
            else
                return {};
        },
        what);
}

bool is_change(const store_request& what) noexcept {
    return what.index() <= 4 || std::holds_alternative<commands::surrender>(what) ||
           std::holds_alternative<commands::adopt>(what);
}
static_assert(std::is_same_v<std::variant_alternative_t<4, store_request>, commands::renew>);

bool frees_space(const store_request& what) noexcept {
    return std::holds_alternative<commands::leave>(what) ||
           std::holds_alternative<commands::remove_history>(what);
}

result<void> shard::load_presence() {
    bool good = true;
    auto done =
        committed_.scan(column::presence, keys::shard_begin(number_), keys::shard_begin(number_ + 1u),
                        direction::ascending, [&](std::string_view key, std::string_view value) {
                            const auto split = keys::parse(key);
                            auto who = split ? decode_presence(split->rest, value) : std::nullopt;
                            good = who.has_value();
                            if (!good) return false;
                            stale_.emplace(std::pair(split->group, split->rest), who->incarnation);
                            presence_.exchange(split->group, std::string(split->rest), std::move(who->who));
                            return good;
                        });
    if (done && !good) return fail(errc::storage_failed, "a damaged record of presence");
    return done;
}

std::vector<stale_entry> shard::stale() const {
    std::vector<stale_entry> all;
    all.reserve(stale_.size());
    for (const auto& [who, incarnation] : stale_) all.push_back({who.first, who.second, incarnation});
    return all;
}

std::string shard::forget_stale(const std::string& group, const std::string& client) {
    if (stale_.empty()) return {};
    const auto found = stale_.find({group, client});
    if (found == stale_.end()) return {};
    auto incarnation = std::move(found->second);
    stale_.erase(found);
    return incarnation;
}

applied shard::apply(const store_request& what, durability how, const round& in) {
    if (!valid_name(group_of(what)) && !std::holds_alternative<queries::streams>(what))
        return refuse(fail(errc::bad_request, "group"));
    return std::visit([&](const auto& each) { return apply(each, how, in); }, what);
}

result<stream_state*> shard::find(std::string_view group, std::int64_t now_ms) {
    if (auto* state = streams_.find(group)) {
        if (!is_over(state->record.ends_ms, now_ms)) return state;
        if (state->touched) return state;  // its record is in this round's batch: it ends with the next
        forgotten_sync_round_ = std::max(forgotten_sync_round_, state->sync_round);
        streams_.erase(*state);
        return nullptr;
    }
    const auto value = committed_.get(column::streams, keys::where(number_, group));
    if (!value) return value.error();
    if (!*value) return nullptr;
    auto record = decode_stream(**value);
    if (!record) return fail(errc::storage_failed, "a damaged record of a stream");
    if (is_over(record->ends_ms, now_ms)) return nullptr;
    if (record->generation < generation_.all_since ||
        (record->kept == durability::buffered && record->generation < generation_.buffered_since))
        record->epoch = generation_.epoch;
    record->generation = generation_.number;
    auto& state = streams_.insert(group, std::move(*record));
    state.sync_round = forgotten_sync_round_;
    return &state;
}

stream_state& shard::begin(std::string_view group, const std::string& epoch, std::int64_t ends_ms) {
    auto& state = streams_.insert(group, {ends_ms, durability::buffered, generation_.number, 0, 1, epoch});
    state.sync_round = forgotten_sync_round_;
    return state;
}

void shard::touch(stream_state& which) {
    if (!which.touched) touched_.push_back(&which);
    which.touched = true;
}

result<std::optional<position>> shard::repeated(const commands::publish& what, const std::string& key) {
    if (what.idempotency_key.empty()) return std::optional<position>();
    if (const auto found = keys_.find(key); found != keys_.end()) {
        if (is_over(found->second.ends_ms, what.what.time_ms)) return std::optional<position>();
        return std::optional(found->second.at);
    }
    const auto value = committed_.get(column::idempotency, key);
    if (!value) return value.error();
    if (!*value) return std::optional<position>();
    const auto record = decode_idempotency(**value);
    if (!record) return fail(errc::storage_failed, "a damaged record of an idempotency key");
    if (is_over(record->ends_ms, what.what.time_ms)) return std::optional<position>();
    return std::optional(record->at);
}

applied shard::apply(const commands::publish& what, durability how, const round& in) {
    if (what.idempotency_key.size() > longest_key_text)
        return refuse(fail(errc::bad_request, "idempotency_key"));
    if (in.refused) return refuse(*in.refused);
    const auto now = what.what.time_ms;
    const auto where = keys::where(number_, what.group);
    const auto key = what.idempotency_key.empty() ? std::string() : keys::named(where, what.idempotency_key);
    auto before = repeated(what, key);
    if (!before) return refuse(before.error());
    applied done;
    if (what.key_only) {
        const bool is_new = !*before;
        if (is_new) {
            idempotency_record record{end_of(now, idempotency_ms), {}};
            encode(record, value_);
            in.into.put(column::idempotency, key, value_);
            keys_.insert_or_assign(key, std::move(record));
        }
        if (how == durability::synced) done.sync_round = in.number;
        done.answer = store_value(published{is_new ? position{} : std::move(**before), !is_new});
        return done;
    }
    auto found = find(what.group, now);
    if (!found) return refuse(found.error());
    if (*before) {
        // As durable as the first one is to be.
        done.sync_round = how == durability::synced ? in.number
                          : *found                  ? (*found)->sync_round
                                                    : forgotten_sync_round_;
        done.answer = store_value(published{std::move(**before), true});
        return done;
    }
    const auto ends = end_of(now, what.meta_ttl_ms);
    auto& stream = *found ? **found : begin(what.group, what.new_epoch, ends);
    auto& record = stream.record;

    // A stream that is said to lose nothing at a power cut must be known to be buffered before it may lose.
    const bool to_sync = how == durability::synced || (record.kept == durability::synced && record.top != 0);
    if (to_sync) done.sync_round = stream.sync_round = in.number;
    record.kept = how;
    record.ends_ms = what.meta_ttl_ms > 0 ? ends : 0;
    ++record.top;

    const bool keeps = what.history_size > 0 && what.history_ttl_ms > 0;
    if (keeps) {
        kept_publication kept{end_of(now, what.history_ttl_ms), what.what};
        kept.what.offset = record.top;
        // A part would keep the whole of what it is a part of.
        if (!(kept.what.data.root() == kept.what.data))
            kept.what.data = payload::copy_of(kept.what.data.bytes());
        encode(kept.what, kept.ends_ms, value_);
        in.into.put(column::publications, keys::publication(where, record.top), value_);
        streams_.append(stream, std::move(kept));
    }
    const auto oldest = !keeps                           ? record.top + 1
                        : record.top > what.history_size ? record.top - what.history_size + 1
                                                         : 1;
    if (oldest > record.oldest) {
        const auto from = record.oldest, to = std::min(oldest, keeps ? record.top : record.top + 1);
        if (to - from > removed_one_by_one)
            in.into.remove_range(column::publications, keys::publication(where, from),
                                 keys::publication(where, to));
        else
            for (auto each = from; each < to; ++each)
                in.into.remove(column::publications, keys::publication(where, each));
        record.oldest = oldest;
        streams_.drop_before(stream, oldest);
    }
    touch(stream);
    if (!key.empty()) {
        idempotency_record record_of_key{end_of(now, idempotency_ms), {record.epoch, record.top}};
        encode(record_of_key, value_);
        in.into.put(column::idempotency, key, value_);
        keys_.insert_or_assign(key, std::move(record_of_key));
    }
    done.answer = store_value(published{{record.epoch, record.top}, false});
    return done;
}

// Of what changes a stream if there is one; without one there is no position.
template <class Command, class Change>
applied shard::change_stream(const Command& what, const round& in, Change change) {
    if (in.refused) return refuse(*in.refused);
    auto found = find(what.group, what.now_ms);
    if (!found) return refuse(found.error());
    applied done;
    position now;
    if (auto* stream = *found) {
        now = change(*stream);
        done.sync_round = stream->sync_round;
    }
    done.answer = store_value(std::move(now));
    return done;
}

applied shard::apply(const commands::remove_history& what, durability how, const round& in) {
    return change_stream(what, in, [&](stream_state& stream) {
        auto& record = stream.record;
        if (record.oldest <= record.top) {
            const auto where = keys::where(number_, what.group);
            in.into.remove_range(column::publications, keys::publication(where, record.oldest),
                                 keys::publication(where, record.top + 1));
            record.oldest = record.top + 1;
            streams_.drop_before(stream, record.oldest);
            touch(stream);
            if (how == durability::synced) stream.sync_round = in.number;
        }
        return position{record.epoch, record.top};
    });
}

void shard::change_epoch(stream_state& of, const std::string& to, durability how, const round& in) {
    auto& record = of.record;
    record.epoch = to;
    touch(of);
    if (how == durability::synced || (record.kept == durability::synced && record.top != 0))
        of.sync_round = in.number;
}

applied shard::apply(const commands::renew& what, durability how, const round& in) {
    if (what.new_epoch.size() > longest_key_text) return refuse(fail(errc::bad_request, "epoch"));
    return change_stream(what, in, [&](stream_state& stream) {
        const auto& record = stream.record;
        if (record.epoch != what.new_epoch) change_epoch(stream, what.new_epoch, how, in);
        return position{record.epoch, record.top};
    });
}

applied shard::apply(const commands::surrender& what, durability how, const round& in) {
    return change_stream(what, in, [&](stream_state& stream) {
        const auto& record = stream.record;
        auto given = what.given_epoch.empty() ? record.epoch : what.given_epoch;
        if (record.epoch == what.left_epoch) given.clear();
        change_epoch(stream, what.left_epoch, how, in);
        return given.empty() ? position{} : position{std::move(given), record.top};
    });
}

// What is there of its publications, also of a stream before it.
result<void> shard::clear(stream_state& which, const round& in) {
    const auto where = keys::where(number_, which.group);
    bool any = which.touched;
    const auto done = committed_.scan(column::publications, where, keys::end(where), direction::ascending,
                                      [&](std::string_view, std::string_view) { return !(any = true); });
    if (!done) return done;
    if (any) in.into.remove_range(column::publications, where, keys::end(where));
    streams_.drop_before(which, which.record.top + 1);
    return {};
}

applied shard::apply(const commands::adopt& what, durability how, const round& in) {
    if (in.refused) return refuse(*in.refused);
    for (const auto& each : what.what.keys)
        if (each.name.size() > longest_key_text) return refuse(fail(errc::bad_request, "idempotency_key"));
    for (const auto& each : what.what.seen)
        if (each.user.size() > longest_key_text) return refuse(fail(errc::bad_request, "user"));
    auto found = find(what.group, what.now_ms);
    if (!found) return refuse(found.error());
    if (!what.first && (!*found || (*found)->record.epoch != what.meanwhile || (*found)->record.top != 0))
        return refuse(fail(errc::unrecoverable_position));
    auto& stream = *found ? **found : begin(what.group, what.meanwhile, 0);
    auto& record = stream.record;
    if (what.first)
        if (auto done = clear(stream, in); !done) return refuse(done.error());
    touch(stream);
    const auto where = keys::where(number_, what.group);
    for (const auto& each : what.what.publications) {
        encode(each.what, each.ends_ms, value_);
        in.into.put(column::publications, keys::publication(where, each.what.offset), value_);
    }
    for (const auto& each : what.what.keys) {
        auto key = keys::named(where, each.name);
        encode(each.is, value_);
        in.into.put(column::idempotency, key, value_);
        keys_.insert_or_assign(std::move(key), each.is);
    }
    for (const auto& each : what.what.seen) {
        encode_time(each.time_ms, value_);
        in.into.put(column::seen, keys::named(where, each.user), value_);
        seen_.push_back({what.group, each.user, each.time_ms});
    }
    if (what.last) {
        const auto& head = what.what;
        record = {head.ends_ms, head.kept, generation_.number, head.top.offset, head.oldest, head.top.epoch};
    } else if (what.first) {
        record = {what.what.ends_ms, how, generation_.number, 0, 1, what.meanwhile};
    }
    applied done;
    // As with publish: what waits for a sync goes on waiting.
    if (how == durability::synced || record.kept == durability::synced) stream.sync_round = in.number;
    done.sync_round = stream.sync_round;
    done.answer = store_value(position{record.epoch, record.top});
    return done;
}

applied shard::apply(const queries::copy& what, durability, const round&) {
    auto found = find(what.group, what.now_ms);
    if (!found) return refuse(found.error());
    if (!*found) return refuse(fail(errc::unrecoverable_position));
    const auto& record = (*found)->record;
    copy_read read;
    read.where = keys::where(number_, what.group);
    read.head.top = {record.epoch, record.top};
    read.head.oldest = record.oldest;
    read.head.ends_ms = record.ends_ms;
    read.head.kept = record.kept;
    read.from = what.from;
    read.most_bytes = what.most_bytes;
    read.now_ms = what.now_ms;
    return {store_value(), std::move(read), (*found)->sync_round};
}

applied shard::apply(const queries::streams& what, durability, const round&) {
    return {store_value(), names_read{what}, 0};
}

applied shard::apply(const commands::enter& what, durability how, const round& in) {
    const auto& who = what.who.who;
    if (!valid_name(who.client) || who.user.size() > longest_key_text)
        return refuse(fail(errc::bad_request, "client"));
    if (in.refused) return refuse(*in.refused);
    const auto where = keys::where(number_, what.group);
    encode(what.who, what.incarnation, value_);
    in.into.put(column::presence, keys::named(where, who.client), value_);
    auto before = presence_.exchange(what.group, who.client, what.who);
    presence_change change{!before, what.who, presence_.counts(what.group)};
    presence_undo_.push_back(
        {what.group, who.client, std::move(before), forget_stale(what.group, who.client)});
    return {store_value(std::move(change)), {}, how == durability::synced ? in.number : 0};
}

applied shard::apply(const commands::leave& what, durability how, const round& in) {
    if (!valid_name(what.client)) return refuse(fail(errc::bad_request, "client"));
    if (in.refused) return refuse(*in.refused);
    if (!what.stale_of.empty()) {
        const auto found = stale_.find({what.group, what.client});
        if (found == stale_.end() || found->second != what.stale_of)
            return {store_value(presence_change{false, {}, presence_.counts(what.group)}), {}, 0};
    }
    auto before = presence_.exchange(what.group, what.client, {});
    presence_change change{before.has_value(), {}, presence_.counts(what.group)};
    if (!before) return {store_value(std::move(change)), {}, 0};
    const auto where = keys::where(number_, what.group);
    in.into.remove(column::presence, keys::named(where, what.client));
    const auto& user = before->who.user;
    if (!user.empty() && !presence_.has_user(what.group, user)) {
        encode_time(what.now_ms, value_);
        in.into.put(column::seen, keys::named(where, user), value_);
        seen_.push_back({what.group, user, what.now_ms});
    }
    change.who = *before;
    presence_undo_.push_back(
        {what.group, what.client, std::move(before), forget_stale(what.group, what.client)});
    return {store_value(std::move(change)), {}, how == durability::synced ? in.number : 0};
}

applied shard::apply(const queries::history& what, durability, const round& in) {
    auto found = find(what.what.group, what.now_ms);
    if (!found) return refuse(found.error());
    if (!*found) {
        // Somebody else's position, in a stream that is not there, was in one that is gone.
        if (in.refused) return refuse(*in.refused);
        auto& made = begin(what.what.group, what.new_epoch,
                           what.meta_ttl_ms > 0 ? end_of(what.now_ms, what.meta_ttl_ms) : 0);
        touch(made);
        *found = &made;
    }
    auto& stream = **found;
    // What is over goes from memory as soon as somebody looks.
    while (stream.kept() != 0 && stream.first_offset() == stream.record.oldest &&
           is_over(stream.at(0).ends_ms, what.now_ms))
        streams_.drop_before(stream, ++stream.record.oldest);
    const auto& record = stream.record;
    history_read read;
    read.top = {record.epoch, record.top};
    read.now_ms = what.now_ms;
    read.order = what.what.reverse ? direction::descending : direction::ascending;
    read.count = std::min(what.what.limit, what.most);
    read.from = record.oldest;
    read.to = record.top;
    if (const auto& since = what.what.since; since && what.what.limit != 0) {
        const bool other = !since->epoch.empty() && since->epoch != record.epoch;
        if (other || since->offset > record.top + (what.what.reverse ? 1 : 0))
            return refuse(fail(errc::unrecoverable_position));
        if (what.what.reverse) {
            if (since->offset == 0) read.count = 0;
            read.to = since->offset == 0 ? 0 : since->offset - 1;
        } else {
            const auto missed = std::min<std::uint64_t>(what.what.limit, record.top - since->offset);
            if (missed > what.most || (missed != 0 && since->offset + 1 < record.oldest))
                return refuse(fail(errc::unrecoverable_position));
            read.from = since->offset + 1;
            read.to = since->offset + missed;
            read.exact = true;
        }
    }
    applied done;
    done.sync_round = stream.sync_round;
    if (read.count != 0 && read.from <= read.to) {
        // What the tail has of it; no more than is wanted, when the tail has the end that is begun with.
        auto first = std::max(read.from, stream.first_offset());
        if (first <= read.to && stream.kept() != 0) {
            if (read.to - first >= read.count) {
                if (read.order == direction::descending)
                    first = read.to - read.count + 1;
                else if (first == read.from)
                    read.to = first + read.count - 1;
            }
            for (auto offset = first; offset <= read.to; ++offset)
                read.tail.push_back(stream.at(offset - stream.first_offset()));
        }
    }
    late_read late = std::move(read);
    if (in_memory(std::get<history_read>(late)))
        done.answer = run(late, nothing_on_disk{});
    else {
        std::get<history_read>(late).where = keys::where(number_, what.what.group);
        done.later = std::move(late);
    }
    return done;
}

applied shard::apply(const queries::presence& what, durability, const round&) {
    return {store_value(presence_.page(what.what)), {}, 0};
}

applied shard::apply(const queries::presence_stats& what, durability, const round&) {
    return {store_value(presence_.counts(what.group)), {}, 0};
}

applied shard::apply(const queries::last_seen& what, durability, const round&) {
    seen_read read{keys::where(number_, what.group), what.limit, presence_.users(what.group), {}};
    for (const auto& each : seen_)
        if (each.group == what.group) read.pending.emplace_back(each.user, each.time_ms);
    return {store_value(), std::move(read), 0};
}

// Once per round, however often they were published to.
void shard::seal_round(kv_batch& into) {
    for (const auto* each : touched_) {
        encode(each->record, value_);
        into.put(column::streams, keys::where(number_, each->group), value_);
    }
}

void shard::end_round() {
    for (auto* each : touched_) each->touched = false;
    touched_.clear();
    keys_.clear();
    presence_undo_.clear();
    seen_.clear();
    forgotten_sync_round_ = std::max(forgotten_sync_round_, streams_.trim());
}

void shard::undo_round() {
    // A stream is read again from what was committed. What waits for a sync still does: rounds only grow.
    for (auto* each : touched_) {
        forgotten_sync_round_ = std::max(forgotten_sync_round_, each->sync_round);
        streams_.erase(*each);
    }
    touched_.clear();
    for (auto each = presence_undo_.rbegin(); each != presence_undo_.rend(); ++each) {
        presence_.exchange(each->group, each->client, std::move(each->who));
        if (!each->stale.empty())
            stale_.emplace(std::pair(each->group, each->client), std::move(each->stale));
    }
    presence_undo_.clear();
    keys_.clear();
    seen_.clear();
}

}  // namespace madang
