// The closed-loop load generator: groups of members over one epoll and one thread, far cheaper than any
// server it measures. Fan-out is one group of many members, rooms are many groups of few, echo is many groups
// of one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bench/child.hpp"
#include "broker/bench/frames.hpp"
#include "broker/bench/histogram.hpp"
#include "broker/bench/window.hpp"

namespace madang::bench {

struct load_spec {
    // One ending in "/" other than /ws/echo/ is followed by the group's name and "/".
    std::string route = "/ws/echo/";
    // Not empty: the members but the first of each group (or all, who then only listen, when the route is "")
    // are clients of the client protocol, subscribed to "NAMESPACE:GROUP".
    std::string client_namespace = {};
    envelope kind = envelope::raw;
    std::uint32_t groups = 1;
    std::uint32_t members = 1;  // per group
    // Per group; with 1, the members take turns to publish, otherwise the first one does.
    std::uint32_t in_flight = 1;
    std::size_t payload = 128;  // bytes
    std::uint32_t stalled = 0;  // members of each group that stop reading once all have joined
    // Of another node of a cluster: there the first member of each group is connected (its CPU time counts
    // too), and there those that stall. Null: where the others are.
    const target* publishers_at = nullptr;
    const target* stalled_at = nullptr;
    // Groups have only names that it takes. Empty: any.
    std::function<bool(const std::string& group)> takes_name = {};
    double warmup = 0.5;  // seconds
    double seconds = 2;
};

struct load_result {
    double seconds = 0;
    double server_cpu = 0;  // seconds, of the measured window
    double client_cpu = 0;
    std::uint64_t deliveries = 0;
    std::uint64_t lost = 0;       // of the whole run, also outside of the window
    std::uint64_t reordered = 0;  // "
    std::uint64_t other = 0;      // data frames without a sequence number, since publishing began
    histogram latency;            // ns, one value per delivery

    double per_second() const { return static_cast<double>(deliveries) / seconds; }
    double per_cpu_second() const { return static_cast<double>(deliveries) / server_cpu; }
};

// Everything throws std::runtime_error when the server refuses, closes or no longer answers.
class load {
  public:
    load(const target& server, load_spec spec);
    ~load();
    load(const load&) = delete;

    void connect();               // all members; returns when every handshake is done
    void join();                  // publishes until every member has one and the same publication
    load_result run();            // after join(); one measured window
    void rest(double seconds);    // answers pings and reads what comes
    void settle(double seconds);  // rests until nothing has come for so long
    std::size_t connections() const { return peers_.size(); }

  private:
    enum class state : std::uint8_t { connecting, upgrading, subscribing, open };
    struct peer {
        int fd = -1;
        state now = state::connecting;
        bool writing = false;  // waits for room
        std::uint64_t next = publication_window::nothing_yet;
        std::string partial;  // the start of a frame or of the answer
        std::string unsent;
    };

    bool is_client(std::size_t index) const;
    const target& server_of(std::size_t index) const;
    std::int64_t servers_cpu() const;
    std::string target_of(std::size_t index) const;
    std::size_t publisher(std::size_t group, std::uint64_t sequence) const;
    void open_one();
    void poll(int timeout_ms);
    void upgrade(std::size_t index);
    void read(std::size_t index);
    void take(std::size_t index, const frame_view& frame);
    void take_reply(std::size_t index, std::string_view text);
    void say(std::size_t index, std::uint8_t opcode, std::string_view text);
    void publish_one(std::size_t group);
    void publish_all();
    void flush(std::size_t index);
    std::size_t reading_members() const;
    bool nothing_outstanding() const;
    [[noreturn]] void fail(std::size_t index, const std::string& why) const;

    const target& server_;
    load_spec spec_;
    payload_template payload_;
    std::vector<std::string> group_names_;  // unlike any other run's, so that groups are fresh
    int poll_;
    std::vector<char> buffer_;
    std::vector<peer> peers_;  // group by group
    std::vector<publication_window> windows_;
    std::vector<std::size_t> ready_;  // groups with room in their window
    std::vector<std::size_t> dirty_;  // peers with something unsent that do not wait for room
    std::size_t open_ = 0;
    std::size_t started_ = 0;
    bool publishing_ = false;
    bool measuring_ = false;
    std::uint64_t reads_ = 0;
    std::int64_t read_at_ = 0;  // one clock reading serves all deliveries of a read
    std::uint64_t other_ = 0;
    std::string last_other_;
    load_result result_;
};

}  // namespace madang::bench
