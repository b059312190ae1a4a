#include "plugins/host/task_table.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "plugins/host/plugin.hpp"
#include "plugins/host/running_job.hpp"

namespace madang {

namespace {

thread_local const attempt_port* current_attempt = nullptr;

struct current_scope {
    explicit current_scope(const attempt_port& now) noexcept : before(std::exchange(current_attempt, &now)) {}
    current_scope(const current_scope&) = delete;
    current_scope& operator=(const current_scope&) = delete;
    ~current_scope() { current_attempt = before; }
    const attempt_port* before;
};

bool valid_task_name(std::string_view name) {
    return !name.empty() && name.size() <= 255 &&
           std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

attempt_end failed(std::string type, std::string message) {
    attempt_end how;
    how.outcome = MADANG_JOB_FAILURE;
    how.error = {std::move(type), std::move(message), {}};
    return how;
}

}  // namespace

madang_status task_table::add(plugin& owner, std::string_view name, std::string_view options,
                              madang_task_handler handler, void* context, std::string& error,
                              std::uint32_t number) {
    const auto refuse = [&](std::string_view why) {
        error = "task " + std::string(name.substr(0, 255)) + ": " + std::string(why);
        return MADANG_INVALID;
    };
    if (!valid_task_name(name)) return refuse("a name is 1-255 bytes of printable ASCII without a space");
    if (handler == nullptr) return refuse("it has no function");
    if (const auto other = tasks_.find(name); other != tasks_.end())
        return refuse("plugin " + other->second.owner->id + " has registered it already");
    auto parsed = parse_task_options(name, options);
    if (!parsed) return refuse(parsed.error().detail);
    parsed->name = name;
    parsed->plugin = owner.id;
    parsed->handler = number;
    tasks_.emplace(std::string(name), entry{std::move(*parsed), &owner, handler, context});
    return MADANG_OK;
}

void task_table::remove(const plugin& owner) {
    std::erase_if(tasks_, [&](const auto& each) { return each.second.owner == &owner; });
}

const task_options* task_table::find(std::string_view task) const {
    const auto found = tasks_.find(task);
    return found == tasks_.end() ? nullptr : &found->second.options;
}

std::vector<task_options> task_table::all() const {
    std::vector<task_options> list;
    list.reserve(tasks_.size());
    for (const auto& each : tasks_) list.push_back(each.second.options);
    return list;
}

const attempt_port* task_table::current() noexcept { return current_attempt; }

link::ended ended_as(std::uint64_t token, attempt_end&& how) {
    using outcome = link::ended::outcome;
    link::ended made;
    made.token = token;
    made.error = std::move(how.error);
    made.after_ms = how.after_ms;
    switch (how.outcome) {
        case MADANG_JOB_SUCCESS:
            made.what = outcome::success;
            made.result = std::move(how.json);
            break;
        case MADANG_JOB_RETRY:
            made.what = outcome::retry;
            break;
        case MADANG_JOB_REJECT:
            made.what = outcome::reject;
            break;
        case MADANG_JOB_IGNORE:
            made.what = outcome::ignore;
            break;
        default:
            made.what = outcome::failure;
            break;
    }
    return made;
}

attempt_end task_table::run(std::string_view task, attempt_port& attempt) const {
    const auto found = tasks_.find(task);
    if (found == tasks_.end())
        return failed("NotRegistered", "no plugin here has the task " + std::string(task));
    const entry& what = found->second;
    running_job job(attempt);
    std::string wrong;
    auto status = MADANG_FAILED;
    try {
        const current_scope scope(attempt);
        status = what.handler(what.context, job.handle());
    } catch (const std::exception& error) {
        wrong = std::string("its function threw across the boundary: ") + error.what();
    } catch (...) {
        wrong = "its function threw across the boundary";
    }
    auto end = job.take_end();
    if (wrong.empty()) {
        if (end && (status == MADANG_OK || end->outcome == MADANG_JOB_FAILURE)) return std::move(*end);
        wrong = status == MADANG_OK ? "its function returned without an end"
                                    : "its function returned the status " + std::to_string(status);
    }
    return failed("TaskError", std::move(wrong));
}

}  // namespace madang
