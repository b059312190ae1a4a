// A desk that has begun, and what it answers to find().
#pragma once

#include <chrono>
#include <string>

#include "tests/unit/actors/job_desk_world.hpp"

namespace madang {

class JobDesk : public testing::Test, public test::job_desk_world {
  protected:
    void SetUp() override { begin(); }
    std::string found;  // what find() answered
    void look(const std::string& id, std::chrono::milliseconds wait = std::chrono::milliseconds(0)) {
        found.clear();
        desk->find(id, wait, [this](result<job_view> got) {
            found = got ? std::string(name_of(got->state, got->retries, got->started)) + got->progress
                        : std::string(describe(got.error().code).name);
        });
    }
};

}  // namespace madang
