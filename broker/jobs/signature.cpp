#include "broker/jobs/signature.hpp"

#include <fnmatch.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "broker/core/names.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/jobs/argument_schemas.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

using place = std::string_view signature_members::*;
constexpr std::pair<std::string_view, place> members[] = {
#define MADANG_MEMBER(name) {#name, &signature_members::name},
    MADANG_SIGNATURE_MEMBERS(MADANG_MEMBER)
#undef MADANG_MEMBER
};

place find_member(std::string_view name) {
    for (const auto& [known, where] : members)
        if (known == name) return where;
    return nullptr;
}

std::string limit_text(std::int64_t ms) { return duration_text(std::chrono::milliseconds(ms)); }

// Reads the members of one signature, each into the job. The first refusal stays.
class job_maker {
  public:
    job_maker(const signature_members& from, const json_place& where, const signature_context& context,
              job_spec& into)
        : from_(from), where_(where), context_(context), into_(into) {}

    result<void> make() {
        if (task() && arguments() && place_in_queue() && times() && limits() && keys() && notify()) return {};
        return std::move(wrong_);
    }

  private:
    bool refuse(std::string_view member, std::string_view why, std::string_view below = {}) {
        const json_place at{&where_, member};
        wrong_ = madang::refuse(at, why);
        if (!below.empty()) {  // a path that begins with its own '.' or '['
            wrong_.detail = text_of(at).append(below).append(": ").append(why);
        }
        return false;
    }

    bool task() {
        const auto name = text_value(from_.task);
        if (!name || !valid_job_name(*name))
            return refuse("task", "takes a task's name: 1-255 bytes of printable ASCII without space");
        task_ = context_.with.tasks.find(*name);
        if (!task_) {
            wrong_ = {errc::unknown_task, text_of({&where_, "task"}) + ": no plugin has the task " + *name};
            return false;
        }
        into_.task = *name;
        into_.retry = task_->retry;
        into_.late_ack = task_->late_ack;
        into_.in_process = task_->in_process;
        into_.result_ms = task_->result_ms < 0 ? context_.with.result_ms : task_->result_ms;
        into_.enqueued_ms = context_.now_ms;
        into_.waits = context_.waits;
        return true;
    }

    bool structure(std::string_view member, std::string_view raw, char opening, std::string& into) {
        if (raw.empty()) return true;
        if (raw[0] != opening) return refuse(member, opening == '[' ? "takes an array" : "takes an object");
        if (raw.size() > context_.with.args_bytes) return true;  // too large: said below
        if (!readable(raw)) return refuse(member, "has a number or a character that nobody can read");
        if (raw.find_first_of("\r\n") == raw.npos)
            into = raw;
        else
            into = one_line(raw);
        return true;
    }

    bool arguments() {
        if (!structure("args", from_.args, '[', into_.args) ||
            !structure("kwargs", from_.kwargs, '{', into_.kwargs) ||
            !structure("headers", from_.headers, '{', into_.headers))
            return false;
        const auto bytes = from_.args.size() + from_.kwargs.size() + from_.headers.size();
        if (bytes > context_.with.args_bytes) {
            const auto largest = from_.args.size() >= std::max(from_.kwargs.size(), from_.headers.size())
                                     ? "args"
                                 : from_.kwargs.size() >= from_.headers.size() ? "kwargs"
                                                                               : "headers";
            wrong_ = {errc::too_large, text_of({&where_, largest}) + ": " + std::to_string(bytes) +
                                           " bytes with what belongs to it; at most " +
                                           std::to_string(context_.with.args_bytes) + " (--job-args-bytes)"};
            return false;
        }
        if (!flag("immutable", from_.immutable, into_.immutable)) return false;
        if (!task_->schemas) return true;
        // Results come before the arguments: then how many there are is not known yet, nor what they are.
        if (!into_.waits || into_.immutable) {
            if (const auto found = task_->schemas->check_args(into_.args))
                return refuse("args", found->why, found->path);
        }
        if (const auto found = task_->schemas->check_kwargs(into_.kwargs))
            return refuse("kwargs", found->why, found->path);
        return true;
    }

    bool place_in_queue() {
        into_.queue = task_->queue;
        if (!from_.queue.empty()) {
            auto name = text_value(from_.queue);
            if (!name || !valid_job_name(*name))
                return refuse("queue", "takes a name: 1-255 bytes of printable ASCII without space");
            into_.queue = std::move(*name);
        } else {
            for (const auto& [pattern, queue] : context_.with.routes) {
                if (fnmatch(pattern.c_str(), into_.task.c_str(), 0) != 0) continue;
                into_.queue = queue;
                break;
            }
        }
        into_.priority = task_->priority;
        if (!from_.priority.empty()) {
            const auto number = json_unsigned(from_.priority);
            if (!number || *number > 9) return refuse("priority", "takes a number from 0 to 9; 9 goes first");
            into_.priority = static_cast<std::uint8_t>(*number);
        }
        if (!from_.id.empty()) {
            if (context_.with.repeated) return refuse("id", "not in a schedule, where each fire is a job");
            auto id = text_value(from_.id);
            if (!id || !valid_job_name(*id, 128))
                return refuse("id", "takes 1-128 bytes of printable ASCII without space");
            into_.id = std::move(*id);
        }
        return true;
    }

    bool ahead(std::string_view member, std::int64_t by_ms) {
        if (by_ms <= context_.with.delay_ms) return true;
        return refuse(member,
                      "is more than " + limit_text(context_.with.delay_ms) + " ahead (--job-delay-limit)");
    }

    bool times() {
        const auto now = context_.now_ms;
        if (!from_.countdown.empty()) {
            if (!from_.eta.empty()) return refuse("eta", "not with countdown");
            const auto ms = duration_value(from_.countdown);
            if (!ms) return refuse("countdown", "takes seconds, or a text such as \"5m\"");
            if (!ahead("countdown", *ms)) return false;
            into_.countdown_ms = *ms;
        }
        if (!from_.eta.empty()) {
            if (context_.with.repeated) return refuse("eta", "not in a schedule, which says when");
            const auto at = time_value(from_.eta);
            if (!at)
                return refuse("eta",
                              "takes a time such as \"2026-11-22T10:00:00Z\", or a Unix time in seconds");
            if (!ahead("eta", *at - now)) return false;
            if (*at > now) into_.eta_ms = *at;
        }
        if (task_->expires_ms != 0) into_.expires_ms = now + task_->expires_ms;
        if (!from_.expires.empty()) {
            if (const auto ms = duration_value(from_.expires)) {
                into_.expires_ms = now + *ms;
            } else if (const auto at = time_value(from_.expires)) {
                if (context_.with.repeated)
                    return refuse("expires", "takes a duration in a schedule: so long after each fire");
                into_.expires_ms = *at;
            } else {
                return refuse("expires",
                              "takes seconds, a text such as \"5m\", or a time such as "
                              "\"2026-11-22T10:00:00Z\"");
            }
            if (into_.expires_ms <= now) return refuse("expires", "is over already");
            if (!ahead("expires", into_.expires_ms - now)) return false;
        }
        if (into_.expires_ms != 0 && into_.expires_ms <= std::max(into_.eta_ms, now + into_.countdown_ms))
            return refuse("expires", "comes before the job may begin");
        return true;
    }

    bool limit(std::string_view member, std::string_view raw, std::uint32_t& into) {
        if (raw.empty()) return true;
        const auto ms = duration_value(raw);
        if (!ms || *ms > std::numeric_limits<std::uint32_t>::max())
            return refuse(member, "takes seconds, or a text such as \"5m\", at most 49 days");
        into = static_cast<std::uint32_t>(*ms);
        return true;
    }

    bool flag(std::string_view member, std::string_view raw, bool& into) {
        if (raw.empty()) return true;
        const auto value = flag_value(raw);
        if (!value) return refuse(member, "takes true or false");
        into = *value;
        return true;
    }

    bool limits() {
        into_.soft_limit_ms = task_->soft_limit_ms;
        into_.hard_limit_ms = task_->hard_limit_ms;
        into_.ignore_result = task_->ignore_result;
        if (!limit("soft_time_limit", from_.soft_time_limit, into_.soft_limit_ms) ||
            !limit("time_limit", from_.time_limit, into_.hard_limit_ms) ||
            !flag("ignore_result", from_.ignore_result, into_.ignore_result))
            return false;
        if (into_.hard_limit_ms != 0 && into_.soft_limit_ms >= into_.hard_limit_ms)
            return refuse("time_limit", "must be longer than soft_time_limit");
        if (into_.hard_limit_ms != 0 && into_.in_process)
            return refuse("time_limit", "not for a task with in_process; a thread cannot be killed");
        if (task_->rate == 0 && task_->at_once == 0) return true;
        into_.limit = {into_.task, task_->rate, task_->rate_ms, task_->at_once};
        if (task_->limit_by.empty()) return true;
        into_.limit.key.append(":").append(task_->limit_by).append("=").append(limit_value());
        return true;
    }

    // Of the keyword argument that the limits are by: the same text for the same value.
    std::string limit_value() const {
        std::string value = "null";
        each_json_member(into_.kwargs, [&](std::string_view name, std::string_view raw) {
            if (!json_says(name, task_->limit_by)) return;
            if (const auto text = text_value(raw)) {
                value.clear();
                append_json_string(value, *text);
            } else if (raw[0] == '{' || raw[0] == '[') {
                value = nlohmann::json::parse(raw, nullptr, false).dump();
            } else {
                value = raw;
            }
        });
        return value.size() <= 100 ? value : digest(value);
    }

    bool keys() {
        if (from_.unique.empty() || from_.unique == "false") return true;
        if (context_.in_flow || !from_.link.empty() || !from_.link_error.empty())
            return refuse("unique", "is for a job that stands alone, without workflow or links");
        std::string key;
        if (from_.unique == "true") {
            const auto parse = [](const std::string& text) {
                return nlohmann::json::parse(text, nullptr, false);
            };
            key = digest(parse(into_.args).dump() + parse(into_.kwargs).dump());
        } else {
            std::string_view unknown, key_raw, for_raw;
            if (!each_json_member(from_.unique, [&](std::string_view name, std::string_view raw) {
                    if (json_says(name, "key"))
                        key_raw = raw;
                    else if (json_says(name, "for"))
                        for_raw = raw;
                    else
                        unknown = name;
                }))
                return refuse("unique", "takes true, or {\"key\":\"…\",\"for\":\"10m\"}");
            if (!unknown.empty())
                return refuse("unique", "there is no such member", "." + json_text(unknown));
            auto text = text_value(key_raw);
            if (!text || text->empty() || text->size() > 255)
                return refuse("unique", "takes a text of 1-255 bytes", ".key");
            key = std::move(*text);
            if (!for_raw.empty() && !is_null(for_raw)) {
                const auto ms = duration_value(for_raw);
                if (!ms || *ms == 0 || *ms > context_.with.delay_ms)
                    return refuse("unique",
                                  "takes seconds, or a text such as \"10m\"; at most " +
                                      limit_text(context_.with.delay_ms) + " (--job-delay-limit)",
                                  ".for");
                into_.unique_ms = *ms;
            }
        }
        into_.unique = into_.task + ":" + key;
        return true;
    }

    bool notify() {
        if (from_.notify.empty()) return true;
        std::string_view kind;
        std::string whom;
        std::size_t count = 0;
        const bool object = each_json_member(from_.notify, [&](std::string_view name, std::string_view raw) {
            ++count;
            const bool user = json_says(name, "user");
            if (!user && !json_says(name, "group")) return;
            kind = user ? ".user" : ".group";
            whom = text_value(raw).value_or(user && json_signed(raw) ? std::string(raw) : std::string());
        });
        if (!object || count != 1 || kind.empty())
            return refuse("notify", "takes {\"user\":…} or {\"group\":…}");
        if (kind == ".user" && !whom.empty()) whom.insert(0, "user:");
        if (!valid_group_name(whom))
            return refuse("notify", "takes 1-255 bytes of printable ASCII without space", kind);
        into_.notify_group = std::move(whom);
        return true;
    }

    const signature_members& from_;
    const json_place& where_;
    const signature_context& context_;
    job_spec& into_;
    const task_options* task_ = nullptr;
    error wrong_;
};

}  // namespace

result<void> read_members(std::string_view json, const json_place& where, signature_members& into) {
    json_reader in(json, json_depth + json_envelope_depth);
    if (!in.enter()) return refuse(where, "takes an object: a signature or a workflow");
    std::string_view name;
    std::string_view raw;
    while (in.member(name)) {
        if (!in.value(raw)) break;
        auto found = find_member(name.substr(1, name.size() - 2));
        std::string plain;
        if (!found) {
            plain = json_text(name);
            found = find_member(plain);
        }
        if (!found) return refuse({&where, plain}, "there is no such member");
        if (!(into.*found).empty()) return refuse({&where, json_text(name)}, "is there twice");
        if (!is_null(raw)) into.*found = raw;
    }
    if (!in.finished()) return refuse(where, "is not JSON, or nested too deep");
    return {};
}

result<void> make_job(const signature_members& from, const json_place& where,
                      const signature_context& context, job_spec& into) {
    return job_maker(from, where, context, into).make();
}

}  // namespace madang
