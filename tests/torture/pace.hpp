// How many requests are due, at so many a second.
#pragma once

#include <algorithm>

#include "tests/torture/torture.hpp"

namespace madang::test {

class pace {
  public:
    explicit pace(double per_second) : per_second_(per_second), last_(steady::now()) {}

    void pause() { paused_ = true; }
    void go_on(steady::time_point now) {
        paused_ = false;
        last_ = now;
    }
    void reach(steady::time_point now) {
        if (!paused_) due_ += per_second_ * std::chrono::duration<double>(now - last_).count();
        due_ = std::min(due_, per_second_ / 5);  // what could not be asked for long is left out
        last_ = now;
    }
    bool due() const { return !paused_ && due_ >= 1; }
    void asked() { due_ -= 1; }

  private:
    const double per_second_;
    bool paused_ = false;
    double due_ = 0;
    steady::time_point last_;
};

}  // namespace madang::test
