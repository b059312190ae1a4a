// A quantity that has to stay where it was: what it was at most in the first third of a run, and what it was
// in the last.
#pragma once

#include <string>

namespace madang::test {

class still {
  public:
    // `slack`: what it may have grown by, in its own unit.
    still(std::string name, double slack) : name_(std::move(name)), slack_(slack) {}

    // `passed`: which part of the run is over, 0 to 1.
    void note(double value, double passed) {
        now_ = value;
        auto& highest = passed < 1.0 / 3 ? first_ : passed < 2.0 / 3 ? middle_ : last_;
        if (value > highest) highest = value;
    }
    // Nothing: it stayed.
    std::string grown() const {
        if (last_ <= first_ + slack_) return {};
        return name_ + " rose from " + std::to_string(first_) + " to " + std::to_string(last_);
    }

    const std::string& name() const { return name_; }
    double now() const { return now_; }
    double first() const { return first_; }
    double last() const { return last_; }

  private:
    std::string name_;
    double slack_;
    double now_ = 0, first_ = 0, middle_ = 0, last_ = 0;
};

}  // namespace madang::test
