#include "storage/job_chunk.hpp"

#include <algorithm>
#include <unordered_set>

#include "storage/bytes.hpp"

namespace madang {
namespace {

constexpr std::string_view magic = "MJC";
constexpr std::size_t longest_id = 128, longest_name = 0xffff;
constexpr std::uint64_t most_counted = std::uint64_t{1} << 62;  // a book goes on counting from there

// What follows. Frozen.
enum class part : char {
    workflow = 'J',
    paused = 'P',
    schedule = 'S',
    answer = 'I',
    unique = 'U',
    news = 'N',
};
enum flag : std::uint8_t { has_lease = 1, has_checkpoint = 2, holds_unique = 4, all_flags = 7 };

bool is_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= longest_id &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}
bool is_name(std::string_view text) noexcept { return !text.empty() && text.size() <= longest_name; }

bool fits(const moved_job& job, const job_chunk_head& head) noexcept {
    const auto& spec = *job.spec;
    const auto& status = job.status;
    const bool over = is_over(status.state);
    if (!is_id(spec.id) || spec.priority > 9 || spec.queue.size() > longest_name ||
        (spec.queue.empty() && !over) || spec.limit.key.size() > longest_name ||
        spec.part_of.barrier.size() > longest_id || spec.expires_ms < 0 || status.due_ms < 0 ||
        status.sequence > head.sequence || status.number >= 2 * most_counted || status.left >= most_token)
        return false;
    if (job.lease && (status.state != job_state::ready || job.lease->token <= status.left ||
                      job.lease->token >= most_token))
        return false;
    if (job.checkpoint.has_value() != status.has_checkpoint || (over && job.checkpoint)) return false;
    return !job.holds_unique || (!over && !spec.unique.empty() && spec.unique_ms == 0);
}

// What of it hangs together but for the one word of the job itself is the book's to know.
bool fits(const moved_workflow& what, const job_chunk_head& head) {
    if (what.jobs.empty()) return false;
    std::unordered_set<std::string_view> ids;
    for (const auto& each : what.jobs)
        if (!fits(each, head) || !ids.insert(each.spec->id).second ||
            (is_over(each.status.state) && (what.jobs.size() != 1 || !what.barriers.empty())))
            return false;
    for (const auto& each : what.barriers)
        if (!is_id(each.what.spec.id) || !ids.insert(each.what.spec.id).second ||
            each.what.ended >= each.what.spec.expected || each.what.spec.part_of.barrier.size() > longest_id)
            return false;
    return true;
}

void write(const moved_job& job, std::string& text, std::string& into) {
    byte_writer out(into);
    encode(*job.spec, job.status, text);
    out.text16(job.spec->id).text32(text);
    out.number(static_cast<std::uint8_t>((job.lease ? has_lease : 0) | (job.checkpoint ? has_checkpoint : 0) |
                                         (job.holds_unique ? holds_unique : 0)));
    if (job.lease) {
        encode(*job.lease, text);
        out.text32(text);
    }
    if (job.checkpoint) out.text32(*job.checkpoint);
}
bool read(byte_reader& in, moved_job& job) {
    const auto id = in.text16();
    auto record = decode_job(id, in.text32());
    const auto flags = in.number<std::uint8_t>();
    if (!record || !in.good() || (flags & ~all_flags) != 0) return false;
    job.spec = std::make_shared<const job_spec>(std::move(record->spec));
    job.status = std::move(record->status);
    if (flags & has_lease) {
        job.lease = decode_lease(in.text32());
        if (!job.lease) return false;
    }
    if (flags & has_checkpoint) job.checkpoint = in.text32();
    job.holds_unique = flags & holds_unique;
    return in.good();
}

void write(const moved_barrier& barrier, std::string& text, std::string& into) {
    byte_writer out(into);
    encode(barrier.what, text);
    out.text16(barrier.what.spec.id).text32(text);
    out.number(static_cast<std::uint32_t>(barrier.results.size()));
    for (const auto& [index, result] : barrier.results) out.number(index).text32(result);
}
bool read(byte_reader& in, moved_barrier& barrier) {
    const auto id = in.text16();
    auto record = decode_barrier(id, in.text32());
    if (!record) return false;
    barrier.what = std::move(*record);
    for (auto n = in.number<std::uint32_t>(); n > 0 && in.good(); --n) {
        const auto index = in.number<std::uint32_t>();
        barrier.results.emplace_back(index, in.text32());
    }
    return in.good();
}

bool read(byte_reader& in, moved_workflow& workflow) {
    auto jobs = in.number<std::uint32_t>(), barriers = in.number<std::uint32_t>();
    for (; jobs > 0 && in.good(); --jobs)
        if (!read(in, workflow.jobs.emplace_back())) return false;
    for (; barriers > 0 && in.good(); --barriers)
        if (!read(in, workflow.barriers.emplace_back())) return false;
    return in.good();
}

template <class Record, class Decode>
bool read_named(byte_reader& in, std::vector<std::pair<std::string, Record>>& into, Decode decode) {
    const auto name = in.text16();
    auto record = decode(in.text32());
    if (!in.good() || name.empty() || !record) return false;
    into.emplace_back(name, std::move(*record));
    return true;
}

}  // namespace

std::uint64_t job_chunk::jobs() const noexcept {
    std::uint64_t count = 0;
    for (const auto& each : workflows) count += each.jobs.size();
    return count;
}

bool job_chunk::empty() const noexcept {
    return workflows.empty() && paused.empty() && schedules.empty() && answers.empty() && uniques.empty() &&
           news.empty();
}

void encode(const job_chunk_head& what, std::string& into) {
    into.assign(magic).push_back(static_cast<char>(job_chunk_version));
    byte_writer(into)
        .number(what.book)
        .number(what.number)
        .number(what.transfer)
        .number(what.sequence)
        .number(what.cut.wall_ms)
        .number(what.cut.elapsed_ms);
}

std::optional<job_chunk_head> decode_chunk_head(std::string_view bytes) {
    if (bytes.size() < job_chunk_head_bytes || !bytes.starts_with(magic) ||
        static_cast<std::uint8_t>(bytes[magic.size()]) != job_chunk_version)
        return {};
    byte_reader in(bytes.substr(magic.size() + 1));
    job_chunk_head head;
    head.book = in.number<std::uint64_t>();
    head.number = in.number<std::uint64_t>();
    head.transfer = in.number<std::uint64_t>();
    head.sequence = in.number<std::uint64_t>();
    head.cut.wall_ms = in.number<std::int64_t>();
    head.cut.elapsed_ms = in.number<std::int64_t>();
    if (head.book == 0 || head.number == 0 || head.transfer == 0 || head.sequence >= most_counted) return {};
    return head;
}

std::string encode(const job_chunk& what) {
    std::string all, text;
    encode(what.head, all);
    byte_writer out(all);
    const auto begin = [&](part kind) { all.push_back(static_cast<char>(kind)); };
    for (const auto& each : what.paused) {
        begin(part::paused);
        out.text16(each);
    }
    for (const auto& [name, each] : what.schedules) {
        begin(part::schedule);
        encode(each, text);
        out.text16(name).text32(text);
    }
    for (const auto& [name, each] : what.answers) {
        begin(part::answer);
        encode(each, text);
        out.text16(name).text32(text);
    }
    for (const auto& [name, each] : what.uniques) {
        begin(part::unique);
        encode(each, text);
        out.text16(name).text32(text);
    }
    for (const auto& [group, data] : what.news) {
        begin(part::news);
        out.text32(group).text32(data);
    }
    for (const auto& each : what.workflows) {
        begin(part::workflow);
        out.number(static_cast<std::uint32_t>(each.jobs.size()));
        out.number(static_cast<std::uint32_t>(each.barriers.size()));
        for (const auto& job : each.jobs) write(job, text, all);
        for (const auto& barrier : each.barriers) write(barrier, text, all);
    }
    return all;
}

std::optional<job_chunk> decode_chunk(std::string_view bytes) {
    const auto head = decode_chunk_head(bytes);
    if (!head) return {};
    std::optional<job_chunk> made(std::in_place);
    made->head = *head;
    byte_reader in(bytes.substr(job_chunk_head_bytes));
    bool good = true;
    while (good && in.good() && !in.whole()) {
        switch (static_cast<part>(in.number<char>())) {
            case part::paused:
                good = is_name(made->paused.emplace_back(in.text16()));
                break;
            case part::schedule:
                good = read_named(in, made->schedules, decode_schedule) &&
                       made->schedules.back().second.unfinished == 0;
                break;
            case part::answer:
                good = read_named(in, made->answers, decode_answer);
                break;
            case part::unique:
                good = read_named(in, made->uniques, decode_term) && made->uniques.back().second.ends_ms > 0;
                break;
            case part::news: {
                const auto group = in.text32();
                made->news.emplace_back(group, in.text32());
                break;
            }
            case part::workflow:
                good = read(in, made->workflows.emplace_back()) && fits(made->workflows.back(), *head);
                break;
            default:
                good = false;
        }
    }
    if (!good || !in.whole()) made.reset();
    return made;
}

}  // namespace madang
