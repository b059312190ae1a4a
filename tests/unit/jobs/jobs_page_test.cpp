// docs/jobs.md says what the code does: every option and member, and examples that are taken.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "broker/jobs/schedule.hpp"
#include "broker/jobs/signature.hpp"
#include "tests/unit/jobs/tasks.hpp"

namespace madang {
namespace {

using json = nlohmann::json;

std::string page() {
    std::ifstream in(MADANG_JOBS_PAGE);
    return {std::istreambuf_iterator<char>(in), {}};
}
// The rows of the first table behind that heading: first column's `names`, second column.
std::vector<std::pair<std::string, std::string>> table_behind(const std::string& heading) {
    std::istringstream in(page());
    std::vector<std::pair<std::string, std::string>> rows;
    bool within = false;
    for (std::string line; std::getline(in, line);) {
        if (line == heading) {
            within = true;
        } else if (within && line.starts_with("| `")) {
            const auto end = line.find(" | ");
            const auto second = line.substr(end + 3, line.find(" |", end + 3) - end - 3);
            static const std::regex name("`([a-z_]+)`");
            const auto first = line.substr(0, end);
            for (std::sregex_iterator at(first.begin(), first.end(), name); at != std::sregex_iterator();
                 ++at)
                rows.emplace_back((*at)[1], second);
        } else if (within && !rows.empty()) {
            break;
        }
    }
    return rows;
}

TEST(JobsPage, OptionsHaveTheDefaultsThatItSays) {
    const auto rows = table_behind("## Options of a task");
    EXPECT_EQ(rows.size(), 23u);
    const auto plain = parse_task_options("t", "{}").value();
    for (const auto& [name, text] : rows) {
        SCOPED_TRACE(name);
        EXPECT_EQ(parse_task_options("t", "{\"" + name + "\":{}}").error().detail.find("no such"),
                  std::string::npos);
        auto value = text;
        std::erase(value, '`');
        if (!json::accept(value)) continue;  // "none"
        const auto again = parse_task_options("t", "{\"" + name + "\":" + value + "}");
        ASSERT_TRUE(again) << again.error();
        EXPECT_EQ(again->retry, plain.retry);
        EXPECT_EQ(again->queue, plain.queue);
        EXPECT_EQ(again->priority, plain.priority);
        EXPECT_EQ(again->late_ack, plain.late_ack);
        EXPECT_EQ(again->autoretry_for, plain.autoretry_for);
        EXPECT_EQ(again->dont_autoretry_for, plain.dont_autoretry_for);
        EXPECT_EQ(again->reject_on_worker_lost, plain.reject_on_worker_lost);
        EXPECT_EQ(again->ignore_result, plain.ignore_result);
        EXPECT_EQ(again->track_started, plain.track_started);
        EXPECT_EQ(again->in_process, plain.in_process);
    }
}

TEST(JobsPage, EveryMemberIsThere) {
    std::set<std::string> told;
    for (const auto& [name, meaning] : table_behind("## Signatures")) told.insert(name);
    std::set<std::string> known;
#define MADANG_MEMBER(name) known.insert(#name);
    MADANG_SIGNATURE_MEMBERS(MADANG_MEMBER)
#undef MADANG_MEMBER
    for (const auto* workflow : {"chain", "group", "chord"}) known.erase(workflow);
    EXPECT_EQ(told, known);
    for (const auto& [name, meaning] : table_behind("## Schedules")) {
        if (name == "every" || name == "cron") continue;
        const auto made = schedule::parse("s", R"({"cron":"0 0 1 1 *",")" + name + R"(":[]})");
        ASSERT_FALSE(made) << name;
        EXPECT_TRUE(made.error().detail.starts_with(name + ": ")) << made.error();
    }
}

TEST(JobsPage, ExamplesAreTaken) {
    const testing::some_tasks tasks({{"reports.build", ""},
                                     {"fetch", ""},
                                     {"parse", ""},
                                     {"store", ""},
                                     {"resize", ""},
                                     {"count", ""},
                                     {"sum", ""}});
    testing::counted_planning ids(tasks);
    const auto text = page();
    static const std::regex block("```json\n([^`]*)```");
    std::size_t examples = 0;
    for (std::sregex_iterator at(text.begin(), text.end(), block); at != std::sregex_iterator(); ++at) {
        std::istringstream lines((*at)[1]);
        for (std::string line; std::getline(lines, line); ++examples) {
            const auto made = plan_enqueue(testing::asking({line}), 1'800'000'000'000, ids.with);
            EXPECT_TRUE(made) << line << made.error();
        }
    }
    EXPECT_EQ(examples, 4u);
}

}  // namespace
}  // namespace madang
