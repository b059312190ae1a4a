// People in chat rooms over raw WebSockets: residents, who must never lose their connection, and guests who
// come and go as rudely as they like.
#pragma once

#include <memory>
#include <vector>

#include "tests/torture/torture.hpp"

namespace madang::test {

class visitors {
  public:
    static constexpr std::size_t residents = 50;
    static constexpr std::size_t guests = 30;
    static constexpr std::size_t rooms = 10;

    visitors(std::uint16_t port, std::uint64_t seed);

    // Somebody talks, guests come and go. Throws std::runtime_error when a resident was wronged.
    void round();
    // The sockets of all, for poll and then pump().
    std::vector<peer*> connections();

    void send_guests_home() { guests_.clear(); }
    std::uint64_t heard() const { return heard_; }  // messages to residents

  private:
    struct guest {
        std::unique_ptr<peer> who;
        steady::time_point until;
    };
    std::unique_ptr<peer> arrive();

    const std::uint16_t port_;
    dice_box dice_;
    std::vector<std::unique_ptr<peer>> residents_;
    std::vector<guest> guests_;
    std::uint64_t heard_ = 0;
};

}  // namespace madang::test
