// Tasks by name, from JSON, and a planning with ids that count.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/task_options.hpp"

namespace madang::testing {

class some_tasks final : public task_directory {
  public:
    explicit some_tasks(const std::map<std::string, std::string>& options) {
        for (const auto& [name, json] : options) {
            auto parsed = parse_task_options(name, json);
            EXPECT_TRUE(parsed) << parsed.error();
            if (parsed) tasks_.emplace(name, std::move(*parsed));
        }
    }
    const task_options* find(std::string_view task) const override {
        const auto found = tasks_.find(task);
        return found == tasks_.end() ? nullptr : &found->second;
    }

  private:
    std::map<std::string, task_options, std::less<>> tasks_;
};

// Ids "1", "2", … in the order in which they are asked for.
struct counted_planning {
    explicit counted_planning(const task_directory& tasks)
        : with{tasks,
               {},
               1 << 20,
               10'000,
               31'536'000'000,
               86'400'000,
               [this] { return std::to_string(++ids); }} {}
    int ids = 0;
    planning with;
};

inline enqueue_request asking(std::vector<std::string> jobs) {
    enqueue_request what;
    what.jobs = std::move(jobs);
    return what;
}

}  // namespace madang::testing
