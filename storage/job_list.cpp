#include "storage/job_list.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "storage/bytes.hpp"
#include "storage/codec.hpp"
#include "storage/job_flow.hpp"
#include "storage/job_leases.hpp"

namespace madang {
namespace {

std::string hex(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const char each : bytes) {
        text += digits[static_cast<unsigned char>(each) >> 4];
        text += digits[static_cast<unsigned char>(each) & 15];
    }
    return text;
}
std::optional<std::string> from_hex(std::string_view text) {
    std::string bytes;
    for (; text.size() >= 2; text.remove_prefix(2)) {
        unsigned value = 0;
        const auto done = std::from_chars(text.data(), text.data() + 2, value, 16);
        if (done.ec != std::errc() || done.ptr != text.data() + 2) return {};
        bytes += static_cast<char>(value);
    }
    return text.empty() ? std::optional(std::move(bytes)) : std::nullopt;
}

bool has(std::string_view in, std::string_view text) { return in.find(text) != std::string_view::npos; }

bool fits(const job_view& job, const job_filter& wanted) {
    return (!wanted.state || job.state == *wanted.state) &&
           (wanted.queue.empty() || job.spec.queue == wanted.queue) &&
           (wanted.task.empty() || job.spec.task == wanted.task) &&
           (wanted.text.empty() || has(job.spec.id, wanted.text) || has(job.spec.task, wanted.text) ||
            has(job.spec.args, wanted.text) || has(job.spec.kwargs, wanted.text) ||
            has(job.error.type, wanted.text) || has(job.error.message, wanted.text));
}

// The jobs newest first: those whose ids say when they came stand so in column::jobs, the others have a row
// in column::job_order. Both at once, each from behind its last.
class newest_first {
  public:
    newest_first(const kv_view& from, std::string_view after) : from_(from) {
        if (after.empty()) return;
        order_end_ = after.substr(0, 8);
        jobs_end_ = after.substr(std::min<std::size_t>(8, after.size()));
    }
    std::string after() const { return order_end_ + jobs_end_; }  // what was seen

    // see(id, its record or nothing where that is not read): whether to go on. An empty id: no job.
    template <class See>
    void each(See see) {
        bool more = true;
        const auto see_since = [&](std::uint64_t time) {
            while (more && next() && keys::number_of(ordered_.back().first) >= time)
                if ((more = see(ordered_.back().second, std::nullopt))) {
                    order_end_ = ordered_.back().first;
                    ordered_.pop_back();
                }
        };
        from_
            .scan(column::jobs, keys::first_time, jobs_end_, direction::descending,
                  [&](std::string_view id, std::string_view value) {
                      const auto time = keys::time_of_id(id);
                      if (time) see_since(*time);
                      if (more && (more = time ? see(id, value) : see("", std::nullopt))) jobs_end_ = id;
                      return more;
                  })
            .value();
        order_begin_.clear();
        all_ = false;
        see_since(0);
    }

  private:
    bool next() {
        if (!ordered_.empty() || all_) return !ordered_.empty();
        all_ = true;
        from_
            .scan(column::job_order, order_begin_, order_end_, direction::descending,
                  [&](std::string_view key, std::string_view value) {
                      if (ordered_.size() == at_once) return all_ = false;
                      const auto id = value.substr(std::min<std::size_t>(8, value.size()));
                      ordered_.emplace_back(key, keys::time_of_id(id) ? "" : id);  // format 2: has both
                      return true;
                  })
            .value();
        std::reverse(ordered_.begin(), ordered_.end());
        return !ordered_.empty();
    }

    static constexpr std::size_t at_once = 256;
    const kv_view& from_;
    // Format 2 counted from 1.
    std::string order_begin_ = keys::number(std::uint64_t{1} << 52), order_end_ = std::string(9, '\xff');
    std::string jobs_end_ = keys::last_time;
    std::vector<std::pair<std::string, std::string>> ordered_;  // key, id; the next is the last
    bool all_ = false;
};

class page_maker {
  public:
    page_maker(const job_list_read& what, const kv_view& from) : what_(what), from_(from) {}

    bool full() const noexcept {
        return page_.jobs.size() >= what_.what.limit || looked_at_ >= job_list_read::most_looked_at;
    }
    // `value`: its record, where that was read already.
    void look_at(std::string_view id, std::optional<std::string_view> value) {
        ++looked_at_;
        if (id.empty()) return;
        std::optional<std::string> read;
        if (!value) {
            read = from_.get(column::jobs, id).value();
            if (!read) return;
            value = *read;
        }
        if (is_over(byte_reader(*value).number<std::int64_t>(), what_.now.wall_ms)) return;
        auto record = decode_job(id, *value);
        if (!record) return;
        const job_lease_record* lease = nullptr;
        if (record->status.state == job_state::ready) {
            if (!leases_) leases_ = stored_leases(from_);
            if (const auto found = leases_->find(id);
                found != leases_->end() && holds(found->second, record->status)) {
                lease = &found->second.row;
                record->status.state = job_state::leased;
            }
        }
        auto view = view_of(record->spec, record->status, lease, false, what_.now);
        if ((!what_.what.dead || view.dead) && fits(view, what_.what)) page_.jobs.push_back(std::move(view));
    }
    job_page& page() noexcept { return page_; }

  private:
    const job_list_read& what_;
    const kv_view& from_;
    job_page page_;
    std::size_t looked_at_ = 0;
    std::optional<job_leases::map> leases_;
};

}  // namespace

job_answer run(const job_list_read& what, const kv_view& from) {
    const auto after = from_hex(what.what.after);
    const auto begin = keys::job_row(keys::row::dead);
    if (!after || (what.what.dead && !after->empty() && !after->starts_with(begin)))
        return fail(errc::bad_request, "after: takes the `next` of a page");
    page_maker made(what, from);
    try {
        if (what.what.dead) {
            std::string last;
            from.scan(column::job_rows, begin, after->empty() ? keys::end(begin) : *after,
                      direction::descending,
                      [&](std::string_view key, std::string_view) {
                          if (made.full()) {
                              made.page().next = hex(last);
                              return false;
                          }
                          made.look_at(key.substr(std::min<std::size_t>(9, key.size())), {});
                          last = key;
                          return true;
                      })
                .value();
        } else {
            newest_first all(from, *after);
            all.each([&](std::string_view id, std::optional<std::string_view> value) {
                if (made.full()) {
                    made.page().next = hex(all.after());
                    return false;
                }
                made.look_at(id, value);
                return true;
            });
        }
    } catch (const failure& e) {
        return e.why();
    }
    return job_value(std::move(made.page()));
}

}  // namespace madang
