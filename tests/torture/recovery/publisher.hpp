// Publishes at a rate through the server API, over a few connections with one request under way on each.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/torture/pace.hpp"
#include "tests/torture/recovery/ledger.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {

class publisher {
  public:
    publisher(std::vector<std::string> groups, double per_second, ledger& all);

    void aim(std::uint16_t internal_port);  // a server began to listen there
    void run(steady::time_point now);       // publishes what is due, takes answers
    void pause() { pace_.pause(); }
    void go_on(steady::time_point now) { pace_.go_on(now); }
    bool idle() const;  // no answer is awaited

    std::uint64_t published() const { return next_; }
    std::uint64_t unanswered() const { return unanswered_; }  // the server died before it answered
    std::uint64_t refused() const { return refused_; }        // answered by an error
    const std::string& last_refusal() const { return last_refusal_; }
    std::vector<peer*> connections();

  private:
    struct line {
        std::unique_ptr<peer> to;
        std::optional<std::uint64_t> n;  // under way
        std::size_t group = 0;
    };
    void take_answer(line& from);

    const std::vector<std::string> groups_;
    pace pace_;
    ledger& all_;
    std::uint16_t port_ = 0;
    std::vector<line> lines_;
    std::uint64_t next_ = 0;
    std::uint64_t unanswered_ = 0;
    std::uint64_t refused_ = 0;
    std::string last_refusal_;
};

}  // namespace madang::test
