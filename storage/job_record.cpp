#include "storage/job_record.hpp"

#include <tuple>

#include "broker/core/ascii.hpp"
#include "storage/bytes.hpp"

namespace madang {
namespace {

// Members in their frozen order: a new one goes behind the others.
template <class Spec>
auto members(Spec& of, const job_spec*) {
    return std::tie(of.task, of.queue, of.priority, of.args, of.kwargs, of.headers, of.correlation_id,
                    of.parent, of.root, of.enqueued_ms, of.waits, of.eta_ms, of.countdown_ms, of.expires_ms,
                    of.unique, of.unique_ms, of.retry.max_retries, of.retry.delay_ms, of.retry.backoff_ms,
                    of.retry.backoff_max_ms, of.retry.jitter, of.soft_limit_ms, of.hard_limit_ms, of.late_ack,
                    of.ignore_result, of.result_ms, of.in_process, of.limit.key, of.limit.rate,
                    of.limit.rate_ms, of.limit.at_once, of.notify_group, of.next, of.on_error, of.immutable,
                    of.part_of, of.children);
}
template <class Status>
auto members(Status& of, const job_status*) {
    return std::tie(of.state, of.by_wall, of.due_ms, of.number, of.sequence, of.since.wall_ms,
                    of.since.elapsed_ms, of.retries, of.losses, of.cancelled, of.granted, of.upstream,
                    of.told, of.has_checkpoint, of.parents, of.began_ms, of.ended_ms, of.worker, of.args,
                    of.result, of.error, of.history, of.schedule, of.left);
}
template <class Lease>
auto members(Lease& of, const job_lease_record*) {
    return std::tie(of.token, of.worker_id, of.began_ms, of.worker);
}
template <class Barrier>
auto members(Barrier& of, const barrier_record*) {
    return std::tie(of.spec.expected, of.spec.bodies, of.spec.part_of, of.ended, of.failed, of.failed_task,
                    of.error, of.spec.children);
}
template <class Counts>
auto members(Counts& of, const queue_counts*) {
    return std::tie(of.ready, of.scheduled, of.leased, of.parked, of.dead);
}
template <class Schedule>
auto members(Schedule& of, const schedule_record*) {
    return std::tie(of.json, of.source, of.last_fire_ms, of.fired, of.skipped, of.unfinished);
}
template <class Meta>
auto members(Meta& of, const book_meta*) {
    return std::tie(of.number, of.sequence, of.news, of.elapsed_ms);
}
template <class Sweep>
auto members(Sweep& of, const sweep_record*) {
    return std::tie(of.what, of.queue, of.up_to, of.wall_ms);
}
template <class Mark>
auto members(Mark& of, const taken_mark*) {
    return std::tie(of.number, of.transfer, of.forgone, of.base, of.span);
}
template <class Term>
auto members(Term& of, const term_record*) {
    return std::tie(of.job, of.next_us);
}
template <class T>
auto members(T& of) {
    return members(of, static_cast<const std::remove_const_t<T>*>(nullptr));
}

void write(byte_writer& out, bool what) { out.number(static_cast<std::uint8_t>(what)); }
template <class Number>
requires(std::is_integral_v<Number>) void write(byte_writer& out, Number what) { out.number(what); }
template <class Enum>
requires(std::is_enum_v<Enum>) void write(byte_writer& out, Enum what) {
    out.number(static_cast<std::uint8_t>(what));
}
void write(byte_writer& out, const std::string& what) { out.text32(what); }
void write(byte_writer& out, const job_error& what) {
    out.text32(what.type).text32(what.message).text32(what.trace);
}
void write(byte_writer& out, const job_attempt& what) {
    out.number(what.began_ms).number(what.ended_ms).text32(what.worker);
    write(out, what.error);
}
void write(byte_writer& out, const barrier_place& what) { out.text32(what.barrier).number(what.index); }
template <class T>
void write(byte_writer& out, const std::vector<T>& what) {
    out.number(static_cast<std::uint32_t>(what.size()));
    for (const auto& each : what) write(out, each);
}

void read(byte_reader& in, bool& what) { what = in.number<std::uint8_t>() != 0; }
template <class Number>
requires(std::is_integral_v<Number>) void read(byte_reader& in, Number& what) { what = in.number<Number>(); }
template <class Enum>
requires(std::is_enum_v<Enum>) void read(byte_reader& in, Enum& what) {
    what = static_cast<Enum>(in.number<std::uint8_t>());
}
void read(byte_reader& in, std::string& what) { what = in.text32(); }
void read(byte_reader& in, job_error& what) {
    read(in, what.type);
    read(in, what.message);
    read(in, what.trace);
}
void read(byte_reader& in, job_attempt& what) {
    read(in, what.began_ms);
    read(in, what.ended_ms);
    read(in, what.worker);
    read(in, what.error);
}
void read(byte_reader& in, barrier_place& what) {
    read(in, what.barrier);
    read(in, what.index);
}
template <class T>
void read(byte_reader& in, std::vector<T>& what) {
    what.clear();
    for (auto n = in.number<std::uint32_t>(); n > 0 && in.good(); --n) read(in, what.emplace_back());
}

template <class T>
void write_members(byte_writer& out, std::string& text, const T& what) {
    static const T blank;
    const auto mine = members(what);
    const auto theirs = members(blank);
    const auto mask_at = text.size();
    out.number(std::uint64_t{0});
    std::uint64_t mask = 0, bit = 1;
    [&]<std::size_t... Each>(std::index_sequence<Each...>) {
        const auto one = [&](const auto& value, const auto& none) {
            if (!(value == none)) {
                mask |= bit;
                write(out, value);
            }
            bit <<= 1;
        };
        (one(std::get<Each>(mine), std::get<Each>(theirs)), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<decltype(mine)>>());
    for (std::size_t i = 0; i < 8; ++i) text[mask_at + i] = static_cast<char>(mask >> (56 - 8 * i) & 0xff);
}
template <class T>
bool read_members(byte_reader& in, T& what) {
    auto into = members(what);
    constexpr auto count = std::tuple_size_v<decltype(into)>;
    static_assert(count < 64);
    auto mask = in.number<std::uint64_t>();
    if (mask >> count != 0) return false;
    [&]<std::size_t... Each>(std::index_sequence<Each...>) {
        const auto one = [&](auto& value) {
            if (mask & 1) read(in, value);
            mask >>= 1;
        };
        (one(std::get<Each>(into)), ...);
    }
    (std::make_index_sequence<count>());
    return in.good();
}
template <class T>
void encode_members(const T& what, std::string& into) {
    into.clear();
    byte_writer out(into);
    write_members(out, into, what);
}
template <class T>
std::optional<T> decode_members(std::string_view value) {
    byte_reader in(value);
    T what;
    return read_members(in, what) && in.whole() ? std::optional(std::move(what)) : std::nullopt;
}

}  // namespace

void encode(const job_spec& spec, const job_status& status, std::string& into) {
    into.clear();
    byte_writer out(into);
    out.number(status.ends_ms);
    write_members(out, into, status);
    write_members(out, into, spec);
}
void encode(const std::vector<std::string>& what, std::string& into) {
    into.clear();
    byte_writer out(into);
    write(out, what);
}
void encode(const job_lease_record& what, std::string& into) { encode_members(what, into); }
void encode(const std::vector<given_lease>& what, std::string& into) {
    into.clear();
    byte_writer out(into);
    for (const auto& each : what) {
        write(out, each.job);
        write_members(out, into, each.lease);
    }
}
void encode(const barrier_record& what, std::string& into) { encode_members(what, into); }
void encode(const queue_counts& what, std::string& into) { encode_members(what, into); }
void encode(const schedule_record& what, std::string& into) { encode_members(what, into); }
void encode(const book_meta& what, std::string& into) { encode_members(what, into); }
void encode(const sweep_record& what, std::string& into) { encode_members(what, into); }
void encode(const taken_mark& what, std::string& into) { encode_members(what, into); }
void encode(const kept_answer& what, std::string& into) {
    into.clear();
    byte_writer out(into);
    out.number(what.ends_ms).number(static_cast<std::uint32_t>(what.jobs.size()));
    for (const auto& each : what.jobs) {
        write(out, each.id);
        write(out, each.duplicate);
        write(out, each.children);
    }
}
void encode(const term_record& what, std::string& into) {
    into.clear();
    byte_writer out(into);
    out.number(what.ends_ms);
    write_members(out, into, what);
}

std::optional<job_record> decode_job(std::string_view id, std::string_view value) {
    byte_reader in(value);
    std::optional<job_record> what(std::in_place);
    what->spec.id = id;
    what->status.ends_ms = in.number<std::int64_t>();
    if (!read_members(in, what->status) || !read_members(in, what->spec) || !in.whole() ||
        what->status.state > job_state::ignored || what->status.state == job_state::leased)
        what.reset();
    return what;
}
std::optional<std::vector<std::string>> decode_ids(std::string_view value) {
    byte_reader in(value);
    std::vector<std::string> what;
    read(in, what);
    return in.whole() ? std::optional(std::move(what)) : std::nullopt;
}
std::optional<job_lease_record> decode_lease(std::string_view value) {
    return decode_members<job_lease_record>(value);
}
std::optional<std::vector<given_lease>> decode_leases(std::string_view value) {
    byte_reader in(value);
    std::vector<given_lease> what;
    while (in.good() && !in.whole()) {
        auto& each = what.emplace_back();
        read(in, each.job);
        if (!read_members(in, each.lease)) return {};
    }
    return in.whole() && !what.empty() ? std::optional(std::move(what)) : std::nullopt;
}
std::optional<barrier_record> decode_barrier(std::string_view id, std::string_view value) {
    auto what = decode_members<barrier_record>(value);
    if (what) what->spec.id = id;
    return what;
}
std::optional<queue_counts> decode_counts(std::string_view value) {
    return decode_members<queue_counts>(value);
}
std::optional<schedule_record> decode_schedule(std::string_view value) {
    return decode_members<schedule_record>(value);
}
std::optional<book_meta> decode_meta(std::string_view value) { return decode_members<book_meta>(value); }
std::optional<sweep_record> decode_sweep(std::string_view value) {
    return decode_members<sweep_record>(value);
}
std::optional<taken_mark> decode_mark(std::string_view value) { return decode_members<taken_mark>(value); }
std::optional<kept_answer> decode_answer(std::string_view value) {
    byte_reader in(value);
    kept_answer what;
    what.ends_ms = in.number<std::int64_t>();
    for (auto n = in.number<std::uint32_t>(); n > 0 && in.good(); --n) {
        auto& each = what.jobs.emplace_back();
        read(in, each.id);
        read(in, each.duplicate);
        read(in, each.children);
    }
    return in.whole() ? std::optional(std::move(what)) : std::nullopt;
}
std::optional<term_record> decode_term(std::string_view value) {
    byte_reader in(value);
    term_record what;
    what.ends_ms = in.number<std::int64_t>();
    return read_members(in, what) && in.whole() ? std::optional(std::move(what)) : std::nullopt;
}

namespace keys {

std::string job_row(row kind, std::string_view name) {
    std::string key;
    key.reserve(1 + name.size());
    key.push_back(static_cast<char>(kind));
    return key.append(name);
}
std::string job_row(row kind, std::int64_t number, std::string_view name) {
    std::string key;
    key.reserve(9 + name.size());
    key.push_back(static_cast<char>(kind));
    byte_writer(key).number(number).raw(name);
    return key;
}
std::string barrier_result(std::string_view barrier, std::uint32_t index) {
    auto key = job_row(row::barrier_result);
    byte_writer(key).text16(barrier).number(index);
    return key;
}
std::string number(std::uint64_t number) {
    std::string key;
    byte_writer(key).number(number);
    return key;
}
std::optional<std::uint64_t> number_of(std::string_view key) {
    if (key.size() < 8) return {};
    return byte_reader(key.substr(key.size() - 8)).number<std::uint64_t>();
}
std::optional<std::uint64_t> time_of_id(std::string_view id) noexcept {
    if (id.size() != 36 || id[14] != '7' || id < first_time || id >= last_time) return {};
    std::uint64_t time = 0;
    for (std::size_t i = 0; i < id.size(); ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (id[i] != '-') return {};
            continue;
        }
        const int digit = lower_hex_digit(id[i]);
        if (digit < 0) return {};
        if (i < 18 && i != 14) time = time << 4 | static_cast<std::uint64_t>(digit);
    }
    return time;
}
void ready(std::string_view queue, bool in_process, std::string& into) {
    byte_writer(into).text16(queue).number(static_cast<std::uint8_t>(in_process));
}
std::string ready(std::string_view queue, bool in_process) {
    std::string key;
    ready(queue, in_process, key);
    return key;
}
void parked(std::string_view limit, std::string& into) {
    into.push_back(static_cast<char>(row::parked));
    byte_writer(into).text16(limit);
}
std::string parked(std::string_view limit) {
    std::string key;
    parked(limit, key);
    return key;
}
void placed(const job_place& where, std::string& into) {
    byte_writer(into).number(static_cast<std::uint8_t>(9 - where.priority)).number(where.sequence);
}
std::string placed(std::string_view before, const job_place& where) {
    std::string key(before);
    placed(where, key);
    return key;
}
std::optional<job_place> place_of(std::string_view key) {
    if (key.size() < 9) return {};
    byte_reader in(key.substr(key.size() - 9));
    const auto turned = in.number<std::uint8_t>();
    if (turned > 9) return {};
    return job_place{static_cast<std::uint8_t>(9 - turned), in.number<std::uint64_t>()};
}

}  // namespace keys

bool row_of(const job_spec& spec, const job_status& status, job_row& into) {
    const keys::job_place place{spec.priority, status.sequence};
    into.where = column::job_rows;
    into.key.clear();
    into.value.clear();
    switch (status.state) {
        case job_state::ready:
        case job_state::leased:
            into.where = column::job_ready;
            keys::ready(spec.queue, spec.in_process, into.key);
            break;
        case job_state::parked:
            keys::parked(spec.limit.key, into.key);
            break;
        case job_state::scheduled:
            into.key.push_back(
                static_cast<char>(status.by_wall ? keys::row::due_wall : keys::row::due_elapsed));
            byte_writer(into.key).number(status.due_ms).raw(spec.id);
            return true;
        default:
            return false;
    }
    keys::placed(place, into.key);
    byte_writer(into.value).number(status.since.wall_ms).raw(spec.id);
    return true;
}

}  // namespace madang
