#include "broker/jobs/schedule.hpp"

#include <date/tz.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "broker/jobs/cron.hpp"
#include "broker/jobs/job_values.hpp"
#include "broker/protocol/json_members.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class schedule::when {
  public:
    virtual ~when() = default;
    virtual std::int64_t next(std::int64_t after_ms) const = 0;
    virtual std::int64_t interval_ms() const noexcept { return 0; }
};

namespace {

constexpr std::int64_t last_ms = 253'402'300'799'999;  // the end of the year 9999
constexpr std::int64_t default_catch_up_ms = 3'600'000;

class interval final : public schedule::when {
  public:
    explicit interval(std::int64_t ms) : ms_(ms) {}
    std::int64_t next(std::int64_t after_ms) const override {
        return after_ms > last_ms - ms_ ? 0 : after_ms + ms_;
    }
    std::int64_t interval_ms() const noexcept override { return ms_; }

  private:
    std::int64_t ms_;
};

// What becomes of a local time that there is not (the clock is put forward over it), and of one that there is
// twice.
enum class missing_rule : std::uint8_t { skip, before, after };
enum class repeated_rule : std::uint8_t { first, second, both };

struct cron_rule {
    cron_fields fields;
    const date::time_zone* zone = nullptr;
    missing_rule missing = missing_rule::after;
    repeated_rule repeated = repeated_rule::first;
};

// Day by day in local time; the fires of a day by plain arithmetic on the offsets that hold around it.
class cron final : public schedule::when {
  public:
    explicit cron(cron_rule rule) : rule_(rule) {}

    std::int64_t next(std::int64_t after_ms) const override {
        if (after_ms >= last_ms) return 0;
        const date::sys_seconds after{seconds(std::max<std::int64_t>(after_ms, 0) / 1000)};
        // A missing time moves by a day at most (Samoa), so the day before may still give one, and one that
        // is found may be later than one of the next day.
        auto day = date::floor<date::days>(
                       date::local_seconds((after + rule_.zone->get_info(after).offset).time_since_epoch())) -
                   date::days(1);
        const auto end = day + date::days(146'097 + 2);  // after 400 years the calendar repeats itself
        date::sys_seconds best = date::sys_seconds::max();
        auto stop = end;
        while (day < stop) {
            const date::year_month_day ymd(day);
            if (!rule_.fields.has_month(static_cast<unsigned>(ymd.month()))) {
                day = date::local_days(ymd.year() / ymd.month() / 1 + date::months(1));
                continue;
            }
            if (rule_.fields.has_day(static_cast<unsigned>(ymd.day()), date::weekday(day).c_encoding()) &&
                search(day, after, best) && stop == end)
                stop = std::min(end, day + date::days(3));
            day += date::days(1);
        }
        if (best == date::sys_seconds::max()) return 0;
        const auto ms = std::chrono::milliseconds(best.time_since_epoch()).count();
        return ms > last_ms ? 0 : ms;
    }

    // Whether there is such a date at all: "0 0 30 2 *" is no schedule.
    static bool has_dates(const cron_fields& fields) {
        using namespace date::literals;
        const auto end = date::local_days(2400_y / 1 / 1);
        for (auto day = date::local_days(2000_y / 1 / 1); day < end;) {
            const date::year_month_day ymd(day);
            if (!fields.has_month(static_cast<unsigned>(ymd.month()))) {
                day = date::local_days(ymd.year() / ymd.month() / 1 + date::months(1));
                continue;
            }
            if (fields.has_day(static_cast<unsigned>(ymd.day()), date::weekday(day).c_encoding()))
                return true;
            day += date::days(1);
        }
        return false;
    }

  private:
    // Lowers `best` to the day's first fire after `after`, if that is sooner.
    bool search(date::local_days day, date::sys_seconds after, date::sys_seconds& best) const {
        // Offsets are within 26 hours of each other, and so are a local time and UTC.
        const auto naive = date::sys_seconds(day.time_since_epoch());
        std::vector<date::sys_info> infos{rule_.zone->get_info(naive - hours(26))};
        while (infos.back().end < naive + hours(24 + 26))
            infos.push_back(rule_.zone->get_info(infos.back().end));
        if (infos.size() == 1) return search_plain(naive - infos[0].offset, after, best);
        bool found = false;
        const auto take = [&](date::sys_seconds at) {
            if (at <= after) return;
            best = std::min(best, at);
            found = true;
        };
        for (unsigned hour = 0; hour < 24; ++hour) {
            if ((rule_.fields.hours >> hour & 1) == 0) continue;
            for (auto bits = rule_.fields.minutes; bits != 0; bits &= bits - 1)
                fires(infos, naive + hours(hour) + minutes(__builtin_ctzll(bits)), take);
        }
        return found;
    }

    // A day without changes, from its midnight on.
    bool search_plain(date::sys_seconds midnight, date::sys_seconds after, date::sys_seconds& best) const {
        const auto past = std::chrono::duration_cast<hours>(after - midnight).count();
        for (auto hour = std::clamp<std::int64_t>(past, 0, 24); hour < 24; ++hour) {
            if ((rule_.fields.hours >> hour & 1) == 0) continue;
            for (auto bits = rule_.fields.minutes; bits != 0; bits &= bits - 1) {
                const auto at = midnight + hours(hour) + minutes(__builtin_ctzll(bits));
                if (at <= after) continue;
                best = std::min(best, at);
                return true;
            }
        }
        return false;
    }

    // `local` as if it were UTC.
    template <class Take>
    void fires(const std::vector<date::sys_info>& infos, date::sys_seconds local, const Take& take) const {
        std::optional<date::sys_seconds> first, second;
        for (const auto& info : infos) {
            const auto at = local - info.offset;
            if (at < info.begin || at >= info.end) continue;
            (first ? second : first) = at;
        }
        if (first) {
            if (rule_.repeated != repeated_rule::second || !second) take(*first);
            if (second && rule_.repeated != repeated_rule::first) take(*second);
            return;
        }
        if (rule_.missing == missing_rule::skip) return;
        for (std::size_t i = 0; i + 1 < infos.size(); ++i) {
            const auto change = infos[i].end;
            if (local - infos[i].offset < change || local - infos[i + 1].offset >= change) continue;
            take(local - (rule_.missing == missing_rule::after ? infos[i] : infos[i + 1]).offset);
            return;
        }
    }

    cron_rule rule_;
};

template <class T, std::size_t N>
bool pick(const std::pair<std::string_view, T> (&names)[N], std::string_view raw, T& into,
          std::string& wrong) {
    const auto text = text_value(raw).value_or("");
    std::string known;
    for (const auto& [name, value] : names) {
        if (name == text) {
            into = value;
            return true;
        }
        known.append(known.empty() ? "\"" : ", \"").append(name).append("\"");
    }
    wrong = "takes one of " + known;
    return false;
}

constexpr std::pair<std::string_view, schedule::overlap> overlaps[] = {
    {"skip", schedule::overlap::skip}, {"queue", schedule::overlap::queue}, {"all", schedule::overlap::all}};
constexpr std::pair<std::string_view, missing_rule> missing_rules[] = {
    {"skip", missing_rule::skip}, {"before", missing_rule::before}, {"after", missing_rule::after}};
constexpr std::pair<std::string_view, repeated_rule> repeated_rules[] = {
    {"first", repeated_rule::first}, {"second", repeated_rule::second}, {"both", repeated_rule::both}};
constexpr std::pair<std::string_view, cron_style> styles[] = {{"vixie", cron_style::vixie},
                                                              {"celery", cron_style::celery}};

// The members that are the schedule's; all others are its signature's.
class schedule_reader {
  public:
    bool member(std::string_view quoted, std::string_view raw) {
        const auto name = json_text(quoted);
        if (name == "every")
            return every(raw) || refuse(name, "takes seconds, or a text such as \"30s\"; from 1s to 366d");
        if (name == "cron") return cron_text(raw) || refuse(name, "takes a text such as \"*/5 * * * *\"");
        if (name == "timezone")
            return zone(raw) || refuse(name, "takes a time zone's name such as \"Europe/Berlin\"");
        if (name == "catch_up")
            return catch_up(raw) || refuse(name, "takes seconds, or a text such as \"10m\"; at most 366d");
        if (name == "enabled") return flag(raw) || refuse(name, "takes true or false");
        if (name == "overlap")
            return pick(overlaps, raw, overlap, wrong) || refuse(name, std::exchange(wrong, ""));
        if (name == "dst_missing")
            return pick(missing_rules, raw, missing.emplace(), wrong) ||
                   refuse(name, std::exchange(wrong, ""));
        if (name == "dst_repeated")
            return pick(repeated_rules, raw, repeated.emplace(), wrong) ||
                   refuse(name, std::exchange(wrong, ""));
        if (name == "cron_style") {
            for_cron = name;
            return pick(styles, raw, style, wrong) || refuse(name, std::exchange(wrong, ""));
        }
        signature.append(signature.empty() ? "{" : ",").append(quoted).append(":").append(raw);
        return true;
    }

    // When it is, once all members are read; null: see `wrong`.
    std::shared_ptr<const schedule::when> made() {
        if (every_ms.has_value() == cron_line.has_value()) {
            refuse("every", "one of every and cron is needed, not both");
            return nullptr;
        }
        if (every_ms) {
            if (tz || missing || repeated || !for_cron.empty()) {
                refuse("every",
                       "not with timezone, cron_style, dst_missing or dst_repeated, which are cron's");
                return nullptr;
            }
            return std::make_shared<interval>(*every_ms);
        }
        const auto fields = cron_fields::parse(*cron_line, style);
        if (!fields) {
            wrong = fields.error().detail;
            return nullptr;
        }
        if (!cron::has_dates(*fields)) {
            refuse("cron", "never fires: there is no such date");
            return nullptr;
        }
        // What runs at every hour goes by the time that passes; the rest by the clock on the wall.
        const bool flows = fields->every_hour();
        return std::make_shared<cron>(
            cron_rule{*fields, tz ? tz : date::locate_zone("Etc/UTC"),
                      missing.value_or(flows ? missing_rule::skip : missing_rule::after),
                      repeated.value_or(flows ? repeated_rule::both : repeated_rule::first)});
    }

    std::optional<std::int64_t> every_ms;
    std::optional<std::string> cron_line;
    const date::time_zone* tz = nullptr;
    std::optional<missing_rule> missing;
    std::optional<repeated_rule> repeated;
    cron_style style = cron_style::vixie;
    std::string for_cron;
    schedule::overlap overlap = schedule::overlap::skip;
    std::int64_t catch_up_ms = default_catch_up_ms;
    bool enabled = true;
    std::string signature;
    std::string wrong;

  private:
    static constexpr std::int64_t longest_ms = 366ll * 86'400'000;

    bool refuse(std::string_view name, std::string_view why) {
        wrong = std::string(name).append(": ").append(why);
        return false;
    }
    bool every(std::string_view raw) {
        every_ms = duration_value(raw);
        return every_ms && *every_ms >= 1000 && *every_ms <= longest_ms;
    }
    bool cron_text(std::string_view raw) {
        cron_line = text_value(raw);
        return cron_line.has_value() && cron_line->size() <= 1000;
    }
    bool zone(std::string_view raw) {
        const auto name = text_value(raw);
        if (!name || name->empty() || name->size() > 100) return false;
        try {
            tz = date::locate_zone(*name);
        } catch (const std::exception&) {
            return false;
        }
        return true;
    }
    bool catch_up(std::string_view raw) {
        const auto ms = duration_value(raw);
        catch_up_ms = ms.value_or(0);
        return ms && *ms <= longest_ms;
    }
    bool flag(std::string_view raw) {
        const auto value = flag_value(raw);
        enabled = value.value_or(false);
        return value.has_value();
    }
};

}  // namespace

result<schedule> schedule::parse(std::string_view name, std::string_view json) {
    if (!valid_job_name(name))
        return fail(errc::bad_request, "name: takes 1-255 bytes of printable ASCII without space");
    schedule_reader read;
    bool good = true;
    std::vector<std::string> seen;
    const bool object = each_json_member(json, [&](std::string_view member, std::string_view raw) {
        if (!good) return;
        const auto text = json_text(member);
        if (std::find(seen.begin(), seen.end(), text) != seen.end()) {
            read.wrong = text + ": is there twice";
            good = false;
        } else {
            good = read.member(member, raw);
        }
        seen.push_back(text);
    });
    if (good && !object) read.wrong = "takes a JSON object";
    // Narrower than the reader above: what goes to plugins is read by others too.
    if (good && object && !valid_json(json)) {
        read.wrong = "holds half of a character, or a number that no double holds";
        good = false;
    }
    schedule made;
    if (good && object) made.when_ = read.made();
    if (!made.when_) return fail(errc::bad_request, read.wrong);
    made.signature_ = read.signature.empty() ? "{}" : read.signature + "}";
    made.enabled_ = read.enabled;
    made.overlap_ = read.overlap;
    made.catch_up_ms_ = read.catch_up_ms;
    return made;
}

std::int64_t schedule::next(std::int64_t after_ms) const { return when_->next(after_ms); }

std::vector<std::int64_t> schedule::next(std::int64_t after_ms, std::size_t count) const {
    std::vector<std::int64_t> fires;
    while (fires.size() < count) {
        after_ms = next(after_ms);
        if (after_ms == 0) break;
        fires.push_back(after_ms);
    }
    return fires;
}

std::int64_t schedule::interval_ms() const noexcept { return when_->interval_ms(); }

}  // namespace madang
