// Which addresses are dialed, and when: the seeds, and what membership asks for, each with a back-off of its
// own. No sockets, no clock.
//
// An address is text (HOST:PORT) that may stand for several places (numeric, ADDRESS:PORT). Who answered at a
// place is remembered, so that the places of linked nodes, and this node's own, are left alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace madang {

// Routes have to be back within 5 s of a network's healing: the longest pause, a connect's time and the
// handshake are less.
inline constexpr std::chrono::milliseconds dial_pause_least{100};
inline constexpr std::chrono::milliseconds dial_pause_most{2'000};
inline constexpr std::chrono::milliseconds dial_connect_limit{2'000};
inline constexpr std::chrono::milliseconds dial_look_again{5'000};  // a name may stand for more by then

class dial_plan {
  public:
    using clock = std::chrono::steady_clock;
    using is_linked = std::function<bool(std::string_view node)>;

    // `random`: any; for the jitter. `places_limit`: of one address.
    dial_plan(std::vector<std::string> seeds, std::string self, std::size_t places_limit,
              std::function<std::uint64_t()> random);

    // These and the seeds; others are given up once no attempt is under way.
    void want(const std::vector<std::string>& addresses);
    // To be resolved now; each is under way until resolved() and an ended() per place that it returned.
    std::vector<std::string> due(clock::time_point now);
    // Where the address leads, nothing when that failed; returns the places to be dialed.
    std::vector<std::string> resolved(const std::string& address, const std::vector<std::string>& places,
                                      const is_linked& linked, clock::time_point now);
    void met(const std::string& address, const std::string& place, const std::string& node);
    // A dial is over: the node there is linked, by this dial or otherwise, or not. True: this is the
    // address's first failure in a row, which is worth a line in the log.
    bool ended(const std::string& address, bool linked, clock::time_point now);
    // Its last attempt failed, so that another failure is no news.
    bool failing(const std::string& address) const;
    // A link to the node broke: its places are dialed soon.
    void lost(std::string_view node, clock::time_point now);

  private:
    struct place {
        std::string where, node;
    };
    struct target {
        bool seed = false, wanted = false;
        bool failed = false;  // in the attempt that is under way: a place of it is not linked
        bool looking = false;
        std::size_t under_way = 0;
        unsigned failures = 0;
        clock::time_point due{};  // at once
        std::vector<place> places;
    };
    bool settle(target& it, clock::time_point now);
    clock::duration jittered(clock::duration pause);

    std::string self_;
    std::size_t places_limit_;
    std::function<std::uint64_t()> random_;
    std::map<std::string, target> targets_;
};

}  // namespace madang
