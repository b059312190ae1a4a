#include "broker/app/job_commands.hpp"

#include <CLI/CLI.hpp>
#include <ctime>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <tuple>

#include "broker/app/api_client.hpp"
#include "broker/app/terminal.hpp"
#include "broker/core/ascii.hpp"
#include "broker/core/option_parse.hpp"

namespace madang {
namespace {

using json = nlohmann::ordered_json;

constexpr int failed = 1, asked_wrongly = 2;

// "a b/c" -> "a%20b%2Fc"
std::string path_segment(const std::string& text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if (is_name_character(c) || c == '~')
            out += c;
        else
            out.append({'%', digits[u >> 4], digits[u & 15]});
    }
    return out;
}

class asking {
  public:
    explicit asking(const job_command_values& values) : values_(values) {}

    int run() {
        const auto& what = values_.chosen;
        if (what == "job enqueue") return enqueue();
        if (what == "job show") return show();
        if (what == "job list") return list();
        if (what == "job cancel") return several("cancel", "cancelled");
        if (what == "job requeue") return several("requeue", "requeued");
        if (what == "job discard") return several("discard", "discarded");
        if (what == "queue list") return queues();
        if (what == "queue pause" || what == "queue resume") return pause(what.substr(6));
        if (what == "queue purge") return purge();
        if (what == "schedule list") return schedules();
        if (what == "schedule next") return next();
        if (what == "schedule set") return set();
        return remove();
    }

  private:
    int complain(const std::string& why, int code = failed) const {
        return terminal::complain(values_.chosen, why, code);
    }

    // What was answered, printed by `print` unless it is wanted as it came.
    template <class Print>
    int ask(api_question what, Print print) const {
        const auto answer = ask_site(values_.url, values_.key, what);
        if (!answer) return complain(answer.error().detail);
        if (values_.json) {
            std::cout << *answer << "\n";
            return 0;
        }
        print(json::parse(*answer));
        return 0;
    }
    int ask(std::string verb, std::string path, std::string body, const char* counted,
            const char* said) const {
        return ask({.verb = std::move(verb), .path = std::move(path), .body = std::move(body), .headers = {}},
                   [&](const json& got) { std::cout << got.value(counted, 0) << " " << said << "\n"; });
    }

    // A signature from flags, or which of them is wrong.
    result<std::string> signature() const {
        json what{{"task", values_.name}};
        for (const auto& [name, text] :
             {std::pair{"args", &values_.args}, std::pair{"kwargs", &values_.kwargs},
              std::pair{"headers", &values_.headers}}) {
            if (text->empty()) continue;
            what[name] = json::parse(*text, nullptr, false);
            if (what[name].is_discarded())
                return fail(errc::bad_request, "--" + std::string(name) + " is not JSON");
        }
        for (const auto& [name, flag, list] : {std::tuple{"link", "--link", &values_.link},
                                               std::tuple{"link_error", "--link-error", &values_.link_error}})
            for (const auto& each : *list) {
                what[name].push_back(each.starts_with('{') ? json::parse(each, nullptr, false)
                                                           : json{{"task", each}});
                if (what[name].back().is_discarded())
                    return fail(errc::bad_request, std::string(flag) + " is neither a task nor JSON");
            }
        for (const auto& [name, text] :
             {std::pair{"queue", &values_.queue}, std::pair{"countdown", &values_.countdown},
              std::pair{"eta", &values_.eta}, std::pair{"expires", &values_.expires},
              std::pair{"id", &values_.id}, std::pair{"soft_time_limit", &values_.soft_time_limit},
              std::pair{"time_limit", &values_.time_limit}})
            if (!text->empty()) what[name] = *text;
        if (!values_.unique.empty()) what["unique"] = {{"key", values_.unique}};
        if (!values_.unique_for.empty()) what["unique"]["for"] = values_.unique_for;
        if (values_.ignore_result) what["ignore_result"] = true;
        if (values_.priority >= 0) what["priority"] = values_.priority;
        if (!values_.notify_user.empty()) what["notify"]["user"] = values_.notify_user;
        if (!values_.notify_group.empty()) what["notify"]["group"] = values_.notify_group;
        return what.dump();
    }

    int enqueue() const {
        std::string body = values_.workflow;
        if (body == "-") body.assign(std::istreambuf_iterator<char>(std::cin), {});
        if (body.empty() == values_.name.empty())
            return complain("name a TASK, or give --workflow JSON (- reads it from the standard input)",
                            asked_wrongly);
        if (body.empty()) {
            auto made = signature();
            if (!made) return complain(made.error().detail, asked_wrongly);
            body = *made;
        }
        api_question what{.verb = "POST", .path = "/api/jobs", .body = std::move(body), .headers = {}};
        if (!values_.durability.empty()) what.path += "?durability=" + path_segment(values_.durability);
        if (!values_.idempotency_key.empty())
            what.headers.push_back("Idempotency-Key: " + values_.idempotency_key);
        if (values_.wait.empty())
            return ask(std::move(what), [](const json& got) {
                for (const auto& each : got.at("jobs"))
                    std::cout << terminal::shown(each, "id")
                              << (each.value("duplicate", false) ? "  (is there already)" : "") << "\n";
            });
        const auto answer = ask_site(values_.url, values_.key, what);
        if (!answer) return complain(answer.error().detail);
        return wait_for(json::parse(*answer).at("jobs").at(0).at("id").get<std::string>());
    }

    // Prints the job when it is over; 1 unless it succeeded.
    int wait_for(const std::string& id) const {
        const auto longest = parse_duration(values_.wait, std::chrono::seconds(1));
        if (!longest) return complain("--wait takes a duration such as 30s", asked_wrongly);
        const auto seconds = static_cast<std::int64_t>(*longest / 1'000'000);
        const auto end = std::time(nullptr) + seconds;
        for (;;) {
            const auto left = end - std::time(nullptr);
            const auto now = std::min<std::int64_t>(std::max<std::int64_t>(left, 0), 20);
            const auto answer =
                ask_site(values_.url, values_.key,
                         {.verb = "GET",
                          .path = "/api/jobs/" + path_segment(id) + "?wait=" + std::to_string(now) + "s",
                          .body = {},
                          .headers = {},
                          .longest = std::chrono::seconds(now + 10)});
            if (!answer) return complain(answer.error().detail);
            const auto job = json::parse(*answer);
            const auto state = job.value("state", "");
            const bool over = state == "SUCCESS" || state == "FAILURE" || state == "REVOKED" ||
                              state == "REJECTED" || state == "IGNORED";
            if (!over && left > 0) continue;
            if (values_.json)
                std::cout << *answer << "\n";
            else
                print_job(job);
            return state == "SUCCESS" ? 0 : failed;
        }
    }

    static void print_job(const json& job) {
        std::cout << terminal::shown(job, "id") << "  " << terminal::shown(job, "task") << "  "
                  << terminal::shown(job, "queue") << "  " << terminal::shown(job, "state") << "\n";
        const auto is_time = [](const std::string& name) {
            return name == "enqueued_ms" || name == "due_ms" || name == "began_ms" || name == "ended_ms";
        };
        for (const auto& [name, value] : job.items())
            if (name != "id" && name != "task" && name != "queue" && name != "state")
                std::cout << "  " << name << ": "
                          << (is_time(name) ? terminal::moment(job, name.c_str())
                                            : terminal::shown(job, name.c_str()))
                          << "\n";
    }

    int show() const {
        if (!values_.wait.empty()) return wait_for(values_.ids.at(0));
        return ask({.verb = "GET",
                    .path = "/api/jobs/" + path_segment(values_.ids.at(0)),
                    .body = {},
                    .headers = {}},
                   &print_job);
    }

    int list() const {
        std::string path = "/api/jobs?limit=" + std::to_string(values_.limit);
        for (const auto& [name, text] : {std::pair{"queue", &values_.queue}, std::pair{"task", &values_.task},
                                         std::pair{"state", &values_.state}, std::pair{"text", &values_.text},
                                         std::pair{"after", &values_.after}})
            if (!text->empty()) path.append("&").append(name).append("=").append(path_segment(*text));
        if (values_.dead) path += "&dead=true";
        return ask({.verb = "GET", .path = std::move(path), .body = {}, .headers = {}}, [](const json& got) {
            for (const auto& job : got.at("jobs"))
                std::cout << terminal::shown(job, "id") << "  " << terminal::shown(job, "state") << "  "
                          << terminal::shown(job, "queue") << "  " << terminal::shown(job, "task") << "\n";
            if (const auto next = got.value("next", ""); !next.empty())
                std::cout << "(there are more: --after " << next << ")\n";
        });
    }

    int several(const char* verb, const char* counted) const {
        if (values_.ids.empty() != values_.all)
            return complain(values_.all ? "give ids or --all, not both" : "give ids, or --all",
                            asked_wrongly);
        json body;
        body["ids"] = values_.all ? json("*") : json(values_.ids);
        if (!values_.reason.empty()) body["reason"] = values_.reason;
        return ask("POST", "/api/jobs/" + std::string(verb), body.dump(), counted, counted);
    }

    int queues() const {
        return ask({.verb = "GET", .path = "/api/queues", .body = {}, .headers = {}}, [](const json& got) {
            for (const auto& each : got.at("queues"))
                std::cout << terminal::shown(each, "name") << ": " << each.value("ready", 0) << " ready, "
                          << each.value("scheduled", 0) << " scheduled, " << each.value("leased", 0)
                          << " running, " << each.value("dead", 0) << " dead letters"
                          << (each.value("paused", false) ? ", paused" : "") << "\n";
        });
    }
    int pause(const std::string& verb) const {
        return ask({.verb = "POST",
                    .path = "/api/queues/" + path_segment(values_.name) + "/" + verb,
                    .body = {},
                    .headers = {}},
                   [&](const json& got) {
                       std::cout << values_.name
                                 << (got.value("paused", false) ? " is paused\n" : " goes on\n");
                   });
    }
    int purge() const {
        return ask("POST", "/api/queues/" + path_segment(values_.name) + "/purge", {}, "revoked", "revoked");
    }

    int schedules() const {
        return ask({.verb = "GET", .path = "/api/schedules", .body = {}, .headers = {}}, [](const json& got) {
            for (const auto& each : got.at("schedules"))
                std::cout << terminal::shown(each, "name") << "  next "
                          << terminal::moment(each, "next_fire_ms") << "  last "
                          << terminal::moment(each, "last_fire_ms") << "  ("
                          << terminal::shown(each, "source") << ")\n";
        });
    }
    int next() const {
        const auto count = "?count=" + std::to_string(values_.count);
        const bool known = values_.definition.empty();
        if (known == values_.name.empty())
            return complain("name a schedule, or give --definition JSON", asked_wrongly);
        api_question what{.verb = known ? "GET" : "POST",
                          .path = known ? "/api/schedules/" + path_segment(values_.name) + "/next" + count
                                        : "/api/schedules/next" + count,
                          .body = values_.definition,
                          .headers = {}};
        return ask(std::move(what), [](const json& got) {
            for (const auto& each : got.at("next")) {
                const json one{{"at", each}};
                std::cout << terminal::moment(one, "at") << " UTC\n";
            }
        });
    }
    int set() const {
        return ask({.verb = "PUT",
                    .path = "/api/schedules/" + path_segment(values_.name),
                    .body = values_.definition,
                    .headers = {}},
                   [](const json& got) {
                       std::cout << "next " << terminal::moment(got, "next_fire_ms") << " UTC\n";
                   });
    }
    int remove() const {
        return ask({.verb = "DELETE",
                    .path = "/api/schedules/" + path_segment(values_.name),
                    .body = {},
                    .headers = {}},
                   [&](const json&) { std::cout << values_.name << " is removed\n"; });
    }

    const job_command_values& values_;
};

}  // namespace

void add_job_commands(CLI::App& app, job_command_values& into) {
    const auto family = [&](const char* name, const char* help) {
        auto* made = app.add_subcommand(name, help);
        made->group("A running server");
        made->require_subcommand(1);
        return made;
    };
    const auto verb = [&](CLI::App* of, const char* name, const char* help) {
        auto* made = of->add_subcommand(name, help);
        // Not callback(): CLI11 reads the environment for every command without this one, so that the
        // others, whose options are bound to the same values, would put it over what this one was given.
        made->parse_complete_callback([&into, text = of->get_name() + " " + name] { into.chosen = text; });
        made->add_option("--url", into.url, "the server's internal listener")
            ->envname("MADANG_API_URL")
            ->capture_default_str();
        made->add_option("--api-key", into.key, "a key of the server's API")->envname("MADANG_API_KEY");
        made->add_flag("--json", into.json, "print the answer as it came");
        return made;
    };

    auto* job = family("job", "Enqueue, look at and cancel jobs");
    auto* enqueue = verb(job, "enqueue", "Enqueue a job, or a workflow");
    enqueue->add_option("TASK", into.name);
    enqueue->add_option("--args", into.args, "JSON array");
    enqueue->add_option("--kwargs", into.kwargs, "JSON object");
    enqueue->add_option("--headers", into.headers, "JSON object that the task can read");
    enqueue
        ->add_option("--link", into.link,
                     "begun when it succeeded, with its result: a task, or JSON of a signature or workflow")
        ->allow_extra_args(false);
    enqueue->add_option("--link-error", into.link_error, "likewise, when it is a dead letter, with its error")
        ->allow_extra_args(false);
    enqueue->add_option("--workflow", into.workflow,
                        "JSON of a signature, chain, group or chord, or an array of them; "
                        "- reads it from the standard input");
    enqueue->add_option("--queue", into.queue, "instead of the task's");
    enqueue->add_option("--priority", into.priority, "0 to 9; 9 goes first")
        ->check(terminal::whole_number(0, 9));
    enqueue->add_option("--countdown", into.countdown, "not before so long, such as 10m");
    enqueue->add_option("--eta", into.eta, "not before that time, such as 2026-12-24T18:00:00Z");
    enqueue->add_option("--expires", into.expires,
                        "revoked when it has not begun by then: a duration or a time");
    enqueue->add_option("--id", into.id, "instead of one that the server makes");
    enqueue->add_option("--unique", into.unique,
                        "key: while another job of the task that is not over has it, that one is answered");
    enqueue->add_option("--unique-for", into.unique_for, "with --unique: so long, whether it is over or not");
    enqueue->add_option("--soft-time-limit", into.soft_time_limit, "instead of the task's");
    enqueue->add_option("--time-limit", into.time_limit, "instead of the task's");
    enqueue->add_flag("--ignore-result", into.ignore_result, "what it returns is not kept");
    enqueue->add_option("--key", into.idempotency_key,
                        "idempotency key: a second request with it within 5 minutes does nothing");
    enqueue->add_option("--notify-user", into.notify_user, "tell that user of progress and end");
    enqueue->add_option("--notify-group", into.notify_group, "tell that group");
    enqueue->add_option("--durability", into.durability, "buffered or synced");
    enqueue->add_option("--wait", into.wait,
                        "wait so long for its end and print it; exit code 1 unless it succeeds");

    auto* show = verb(job, "show", "What is known of a job");
    show->add_option("ID", into.ids)->required()->expected(1);
    show->add_option("--wait", into.wait, "wait so long for its end; exit code 1 unless it succeeds");

    auto* list = verb(job, "list", "Jobs, the newest first");
    list->add_option("--state", into.state,
                     "waiting, scheduled, ready, parked, running, success, failure, revoked, …");
    list->add_flag("--dead", into.dead, "dead letters");
    list->add_option("--queue", into.queue, "of this queue");
    list->add_option("--task", into.task, "of this task");
    list->add_option("--text", into.text, "in id, task, arguments or error");
    list->add_option("--limit", into.limit, "at most so many")
        ->capture_default_str()
        ->check(terminal::whole_number(1, terminal::most_listed));
    list->add_option("--after", into.after, "the next page");

    auto* cancel =
        verb(job, "cancel",
             "Cancel jobs, wherever they are, and workflows by the id that they were answered with");
    cancel->add_option("ID", into.ids)->required();
    cancel->add_option("--reason", into.reason, "a short text, kept with the job");
    for (const auto& [name, help] : {std::pair{"requeue", "Dead letters back to their queues"},
                                     std::pair{"discard", "Forget dead letters"}}) {
        auto* dead = verb(job, name, help);
        dead->add_option("ID", into.ids);
        dead->add_flag("--all", into.all, "all of them");
    }

    auto* queue = family("queue", "Pause, resume and look at queues");
    verb(queue, "list", "Queues and their depths");
    for (const auto& [name, help] :
         {std::pair{"pause", "Begin none of a queue's jobs"}, std::pair{"resume", "Go on with a queue"},
          std::pair{"purge", "Revoke what has not begun"}})
        verb(queue, name, help)->add_option("QUEUE", into.name)->required();

    auto* schedule = family("schedule", "Schedules and their fires");
    verb(schedule, "list", "Schedules");
    auto* next = verb(schedule, "next", "When a schedule fires next");
    next->add_option("NAME", into.name);
    next->add_option("--definition", into.definition, "JSON of one that is not there");
    next->add_option("--count", into.count, "fires")
        ->capture_default_str()
        ->check(terminal::whole_number(1, 1000));
    auto* set = verb(schedule, "set", "Make or change a schedule");
    set->add_option("NAME", into.name)->required();
    set->add_option("DEFINITION", into.definition,
                    "JSON, such as '{\"task\":\"reports.build\",\"cron\":\"0 4 * * *\"}'")
        ->required();
    verb(schedule, "remove", "Remove a schedule")->add_option("NAME", into.name)->required();
}

int run_job_command(const job_command_values& values) { return asking(values).run(); }

}  // namespace madang
