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
            else
                return each.group;
        },
        what);
}

bool is_change(const store_request& what) noexcept { return what.index() <= 3; }
static_assert(std::is_same_v<std::variant_alternative_t<3, store_request>, commands::leave>);

bool frees_space(const store_request& what) noexcept {
    return std::holds_alternative<commands::leave>(what) ||
           std::holds_alternative<commands::remove_history>(what);
}

result<void> shard::load_presence() {
    bool good = true;
    auto done = committed_.scan(column::presence, keys::shard_begin(number_), keys::shard_begin(number_ + 1u),
                                direction::ascending, [&](std::string_view key, std::string_view value) {
                                    const auto split = keys::parse(key);
                                    auto who = split ? decode_presence(split->rest, value) : std::nullopt;
                                    good = who.has_value();
                                    if (good)
                                        presence_.exchange(split->group, std::string(split->rest),
                                                           std::move(who->who));
                                    return good;
                                });
    if (done && !good) return fail(errc::storage_failed, "a damaged record of presence");
    return done;
}

applied shard::apply(const store_request& what, durability how, const round& in) {
    if (!valid_name(group_of(what))) return refuse(fail(errc::bad_request, "group"));
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
    auto found = find(what.group, now);
    if (!found) return refuse(found.error());
    applied done;
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

applied shard::apply(const commands::remove_history& what, durability how, const round& in) {
    if (in.refused) return refuse(*in.refused);
    auto found = find(what.group, what.now_ms);
    if (!found) return refuse(found.error());
    applied done;
    if (!*found) {
        done.answer = store_value(position{});  // no stream, no position
        return done;
    }
    auto& stream = **found;
    const auto where = keys::where(number_, what.group);
    if (stream.record.oldest <= stream.record.top) {
        in.into.remove_range(column::publications, keys::publication(where, stream.record.oldest),
                             keys::publication(where, stream.record.top + 1));
        stream.record.oldest = stream.record.top + 1;
        streams_.drop_before(stream, stream.record.oldest);
        touch(stream);
        if (how == durability::synced) stream.sync_round = in.number;
    }
    done.sync_round = stream.sync_round;
    done.answer = store_value(position{stream.record.epoch, stream.record.top});
    return done;
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
    presence_undo_.push_back({what.group, who.client, std::move(before)});
    return {store_value(std::move(change)), {}, how == durability::synced ? in.number : 0};
}

applied shard::apply(const commands::leave& what, durability how, const round& in) {
    if (!valid_name(what.client)) return refuse(fail(errc::bad_request, "client"));
    if (in.refused) return refuse(*in.refused);
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
    presence_undo_.push_back({what.group, what.client, std::move(before)});
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
        if (since->epoch != record.epoch || since->offset > record.top + (what.what.reverse ? 1 : 0))
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
    for (auto each = presence_undo_.rbegin(); each != presence_undo_.rend(); ++each)
        presence_.exchange(each->group, each->client, std::move(each->who));
    presence_undo_.clear();
    keys_.clear();
    seen_.clear();
}

}  // namespace madang
