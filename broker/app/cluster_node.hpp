// This process as a node of a cluster: its links, what it and the others hold to be the view, and the actors
// that speak over the links.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/core/result.hpp"
#include "broker/net/cluster_site.hpp"

namespace madang {

struct options;
class job_service;
class metrics;
class yard;

// Made, opened, started, stopped and destroyed by one thread; the yard and the jobs run by the time of
// start() and outlive it.
class cluster_node final : public cluster_port {
  public:
    // `cast_out` is called once, on another thread, when another process has this one's name, or an operator
    // removed it: this one should end.
    cluster_node(const options& settings, yard& home, job_service& jobs, metrics& counts,
                 std::function<void()> cast_out);
    ~cluster_node() override;

    // Names, addresses, certificates, and the listener. The error's detail is one line that names the mend.
    result<void> open();
    void start();
    // Until this node is in a view: before that it does not know what is its own. At most as long as it takes
    // to find out that nobody is there.
    void wait_for_view();
    void drain();  // for the end: owns nothing any more as soon as the others know
    // Behind drain(): it owns nothing any more, and what it had of streams is with their owners; or it is
    // alone.
    bool drained() const noexcept;
    void stop();  // leaves: the others are told, the links end

    // Any thread.
    std::uint16_t port() const noexcept;
    // -- cluster_port: an operator's wishes.
    void drain(std::string node, bool clients, answer done) override;
    void resume(std::string node, answer done) override;
    void remove(std::string node, bool force, answer done) override;
    void adopt(std::string node, std::string word, told done) override;
    bool draining() const noexcept;                 // by one of them
    std::string reload();                           // certificates; "" or why the old ones stay in force
    std::optional<double> certificate_end() const;  // in seconds since 1970; nothing without TLS
    // {"node":…,"incarnation":…,"state":…,"view":…,"quorum":…,"jobs":{"home":…,"served":…},
    // "to_give":{"shards":…,"hand_overs":…,"jobs":…,"done":…},"nodes":[…]} as of a moment ago; to_give while
    // it drains.
    std::string status() const;
    // What is wrong for a heartbeat and longer, and no reason to take this node's clients away: one line
    // each, or "".
    std::string remarks() const;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace madang
