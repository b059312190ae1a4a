// One client of the client protocol that stays subscribed to one group, with recovery, whatever happens to
// its connection; and looks at everything that it is told.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "tests/torture/recovery/ledger.hpp"
#include "tests/torture/torture.hpp"

namespace madang::test {

struct subscriber_figures {
    std::uint64_t publications = 0;
    std::uint64_t recovered = 0;      // recoveries, and
    std::uint64_t unrecovered = 0;    // those that failed, and were told so
    std::uint64_t from_recovery = 0;  // publications that a recovery brought
    std::uint64_t connections = 0;
    std::uint64_t given_up = 0;  // silent connections
};

class subscriber {
  public:
    subscriber(std::size_t group, std::string name, std::string from, ledger& all, subscriber_figures& counts,
               std::uint64_t seed);

    // To `port` from now on; connects as soon as it may.
    void aim(std::uint16_t port) { port_ = port; }
    // What is due by the clock: connecting again, giving up a silent connection.
    void tick(steady::time_point now);
    // Its connection is lost, on our side.
    void lose(steady::time_point now);
    // Its socket is ready. Throws std::runtime_error when what came is not what the protocol promises.
    void pump(steady::time_point now);

    peer* connection() { return peer_ ? peer_.get() : nullptr; }
    bool live() const { return live_; }
    std::size_t group() const { return group_; }
    const std::string& epoch() const { return epoch_; }
    std::uint64_t offset() const { return offset_; }

  private:
    void subscribe();
    void line(std::string_view text);
    void subscribed(const nlohmann::json& result);
    void publication(const nlohmann::json& what);
    [[noreturn]] void fail(const std::string& why) const;

    const std::size_t group_;
    const std::string name_;
    const std::string from_;
    ledger& all_;
    subscriber_figures& counts_;
    dice_box dice_;
    std::uint16_t port_ = 0;
    std::unique_ptr<peer> peer_;
    steady::time_point heard_;
    steady::time_point again_;
    bool greeted_ = false;
    bool live_ = false;
    bool recovering_ = false;
    std::string epoch_;
    std::uint64_t offset_ = 0;
    std::uint64_t id_ = 0;
};

}  // namespace madang::test
