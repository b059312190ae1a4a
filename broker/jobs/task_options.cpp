#include "broker/jobs/task_options.hpp"

#include <charconv>
#include <limits>
#include <utility>

#include "broker/jobs/argument_schemas.hpp"
#include "broker/jobs/job_values.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

using why = std::string_view;  // what an option takes; "": it was taken
constexpr why taken;

why set_ms(std::uint32_t& into, std::string_view raw) {
    const auto ms = is_null(raw) ? 0 : duration_value(raw);
    if (!ms || *ms > std::numeric_limits<std::uint32_t>::max())
        return "takes seconds, or a text such as \"5m\", at most 49 days";
    into = static_cast<std::uint32_t>(*ms);
    return taken;
}

why set_long_ms(std::int64_t& into, std::string_view raw) {
    const auto ms = is_null(raw) ? 0 : duration_value(raw);
    if (!ms) return "takes seconds, or a text such as \"5m\"";
    into = *ms;
    return taken;
}

why set_flag(bool& into, std::string_view raw) {
    const auto flag = flag_value(raw);
    if (!flag) return "takes true or false";
    into = *flag;
    return taken;
}

why set_name(std::string& into, std::string_view raw) {
    auto text = text_value(raw);
    if (!text || !valid_job_name(*text)) return "takes a name: 1-255 bytes of printable ASCII without space";
    into = std::move(*text);
    return taken;
}

why set_names(std::vector<std::string>& into, std::string_view raw) {
    constexpr why wrong = "takes a list of error types, such as [\"std::runtime_error\"]; \"*\" is any";
    std::vector<std::string> names;
    bool good = true;
    const bool list = each_json_element(raw, [&](std::string_view each) {
        auto text = text_value(each);
        good = good && text && !text->empty();
        if (good) names.push_back(std::move(*text));
    });
    if (!list || !good) return wrong;
    into = std::move(names);
    return taken;
}

// 10, "10/s", "10/m", "10/h"; 0 and null: no limit.
why set_rate(task_options& into, std::string_view raw) {
    constexpr why wrong = "takes a text such as \"10/s\", \"100/m\" or \"5/h\", or a number per second";
    auto text = text_value(raw).value_or(is_null(raw) ? "0" : std::string(raw));
    std::uint32_t unit_ms = 1000;
    if (const auto slash = text.find('/'); slash != text.npos) {
        const auto unit = std::string_view(text).substr(slash + 1);
        if (unit != "s" && unit != "m" && unit != "h") return wrong;
        unit_ms = unit == "s" ? 1000 : unit == "m" ? 60'000 : 3'600'000;
        text.resize(slash);
    }
    std::uint32_t rate = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
    if (error != std::errc{} || end != text.data() + text.size() || rate > 1'000'000'000) return wrong;
    into.rate = rate;
    into.rate_ms = rate == 0 ? 0 : unit_ms;
    return taken;
}

why set_max_retries(std::int32_t& into, std::string_view raw) {
    const auto count = is_null(raw) ? std::optional<std::uint64_t>(0) : json_unsigned(raw);
    if (!count || *count > 1'000'000) return "takes a number from 0 to 1000000, or null: for ever";
    into = is_null(raw) ? -1 : static_cast<std::int32_t>(*count);
    return taken;
}

// true: one second; false: `default_retry_delay` each time.
why set_backoff(std::uint32_t& into, std::string_view raw) {
    if (const auto flag = flag_value(raw)) {
        into = *flag ? 1000 : 0;
        return taken;
    }
    return set_ms(into, raw).empty() ? taken : why("takes true, false, or the first delay");
}

why set_priority(std::uint8_t& into, std::string_view raw) {
    const auto number = json_unsigned(raw);
    if (!number || *number > 9) return "takes a number from 0 to 9; 9 goes first";
    into = static_cast<std::uint8_t>(*number);
    return taken;
}

why set_schema(std::string& into, std::string_view raw) {
    if (!raw.starts_with('{') && !flag_value(raw)) return "takes a JSON Schema";
    into = one_line(raw);
    return taken;
}

struct row {
    std::string_view name;
    why (*set)(task_options& into, std::string_view raw);
};
constexpr row rows[] = {
    {"max_retries",
     [](task_options& o, std::string_view raw) { return set_max_retries(o.retry.max_retries, raw); }},
    {"default_retry_delay",
     [](task_options& o, std::string_view raw) { return set_ms(o.retry.delay_ms, raw); }},
    {"autoretry_for", [](task_options& o, std::string_view raw) { return set_names(o.autoretry_for, raw); }},
    {"dont_autoretry_for",
     [](task_options& o, std::string_view raw) { return set_names(o.dont_autoretry_for, raw); }},
    {"retry_backoff",
     [](task_options& o, std::string_view raw) { return set_backoff(o.retry.backoff_ms, raw); }},
    {"retry_backoff_max",
     [](task_options& o, std::string_view raw) { return set_ms(o.retry.backoff_max_ms, raw); }},
    {"retry_jitter", [](task_options& o, std::string_view raw) { return set_flag(o.retry.jitter, raw); }},
    {"soft_time_limit", [](task_options& o, std::string_view raw) { return set_ms(o.soft_limit_ms, raw); }},
    {"time_limit", [](task_options& o, std::string_view raw) { return set_ms(o.hard_limit_ms, raw); }},
    {"acks_late", [](task_options& o, std::string_view raw) { return set_flag(o.late_ack, raw); }},
    {"reject_on_worker_lost",
     [](task_options& o, std::string_view raw) { return set_flag(o.reject_on_worker_lost, raw); }},
    {"ignore_result", [](task_options& o, std::string_view raw) { return set_flag(o.ignore_result, raw); }},
    {"expires", [](task_options& o, std::string_view raw) { return set_long_ms(o.expires_ms, raw); }},
    {"priority", [](task_options& o, std::string_view raw) { return set_priority(o.priority, raw); }},
    {"rate_limit", set_rate},
    {"track_started", [](task_options& o, std::string_view raw) { return set_flag(o.track_started, raw); }},
    {"queue", [](task_options& o, std::string_view raw) { return set_name(o.queue, raw); }},
    {"in_process", [](task_options& o, std::string_view raw) { return set_flag(o.in_process, raw); }},
    {"concurrency_limit",
     [](task_options& o, std::string_view raw) {
         const auto count = is_null(raw) ? std::optional<std::uint64_t>(0) : json_unsigned(raw);
         if (!count || *count > 1'000'000) return why("takes a number from 0 (no limit) to 1000000");
         o.at_once = static_cast<std::uint32_t>(*count);
         return taken;
     }},
    {"limit_by", [](task_options& o, std::string_view raw) { return set_name(o.limit_by, raw); }},
    {"result_expires",
     [](task_options& o, std::string_view raw) {
         if (!is_null(raw)) return set_long_ms(o.result_ms, raw);
         o.result_ms = -1;
         return taken;
     }},
    {"args_schema", [](task_options& o, std::string_view raw) { return set_schema(o.args_schema, raw); }},
    {"kwargs_schema", [](task_options& o, std::string_view raw) { return set_schema(o.kwargs_schema, raw); }},
};

// What must hold between options.
why contradiction(const task_options& all) {
    if (all.soft_limit_ms != 0 && all.hard_limit_ms != 0 && all.soft_limit_ms >= all.hard_limit_ms)
        return "time_limit: must be longer than soft_time_limit";
    if (all.in_process && all.hard_limit_ms != 0)
        return "time_limit: not with in_process; a thread cannot be killed";
    if (!all.limit_by.empty() && all.rate == 0 && all.at_once == 0)
        return "limit_by: needs rate_limit or concurrency_limit";
    return taken;
}

}  // namespace

result<task_options> parse_task_options(std::string_view name, std::string_view json) {
    if (!valid_job_name(name))
        return fail(errc::bad_request, "name: takes 1-255 bytes of printable ASCII without space");
    task_options made;
    made.name = name;
    made.result_ms = -1;
    std::string wrong;
    const auto take = [&](std::string_view quoted, std::string_view raw) {
        if (!wrong.empty()) return;
        const auto key = json_text(quoted);
        for (const auto& each : rows) {
            if (each.name != key) continue;
            if (const auto why = each.set(made, raw); !why.empty())
                wrong.append(key).append(": ").append(why);
            return;
        }
        wrong.append(key).append(": there is no such option");
    };
    if (!json.empty() && !each_json_member(json, take) && wrong.empty())
        wrong = "options: takes a JSON object";
    if (wrong.empty()) wrong = contradiction(made);
    if (!wrong.empty()) return fail(errc::bad_request, wrong);
    if (!made.args_schema.empty() || !made.kwargs_schema.empty()) {
        auto schemas = argument_schemas::compile(made.args_schema, made.kwargs_schema);
        if (!schemas) return schemas.error();
        made.schemas = std::move(*schemas);
    }
    return made;
}

}  // namespace madang
