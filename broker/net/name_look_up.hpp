// Host names to addresses without blocking: each look-up is on a thread of its own, which nobody waits for. A
// resolver that answers late, or never, delays neither the caller nor its end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace madang {

class name_look_up {
  public:
    // The places (numeric, ADDRESS:PORT) that "HOST:PORT" stands for; none, and why, when there are none.
    using answer = std::function<void(std::vector<std::string> places, std::string why)>;
    // Runs what it is given on the caller's thread; called from any, not after *this is gone.
    using executor = std::function<void(std::function<void()>)>;

    explicit name_look_up(executor run);
    ~name_look_up();  // what was not answered by then is not answered any more
    void begin(const std::string& address, answer then);

  private:
    struct channel;
    std::shared_ptr<channel> channel_;
};

}  // namespace madang
