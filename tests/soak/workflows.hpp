// Jobs of every kind at a rate, through the server's API, a few at a time: each is enqueued, waited for, and
// looked at. One that does not end as it must is an error.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tests/torture/pace.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {

class workflows {
  public:
    workflows(std::uint16_t internal_port, double per_second, std::uint64_t seed);

    void run(steady::time_point now);  // asks for what is due, takes answers; throws std::runtime_error
    void pause() { pace_.pause(); }
    bool idle() const;  // nothing is under way
    std::vector<peer*> connections();

    std::uint64_t ended() const { return ended_; }

  private:
    struct line {
        std::unique_ptr<peer> to;
        std::string asked;        // what was enqueued; empty: the line is free
        std::string id;           // by which its answer named it; empty: not answered yet
        std::size_t results = 0;  // how many the last step of it gets
    };
    nlohmann::json next(std::size_t& results);
    void take_answer(line& from);

    const std::uint16_t port_;
    pace pace_;
    dice_box dice_;
    std::vector<line> lines_;
    std::uint64_t ended_ = 0;
};

}  // namespace madang::test
