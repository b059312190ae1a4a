// The links between nodes, and of workers to a node: a listener of their own, mutual TLS, a hello in each
// direction; only then do bytes of BASP pass. A thread of its own, on which nothing else runs: a busy node
// still beats in time.
//
//   dialer -- TCP, TLS, hello --> listener
//   CAF <- socketpair -> link's frames (data, beat, bye) <- TLS -> link <- socketpair -> CAF
//
// A frame is length:u32 (big-endian) kind:u8 bytes. Nothing that a peer says before its hello was accepted is
// longer than hello_bytes_limit, and none of it reaches CAF.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cluster/peer_hello.hpp"
#include "broker/net/file_handle.hpp"

namespace madang {

struct options;
class metrics;

// Called on the links' thread; quick, and do not throw. They may call what cluster_links has for that thread.
class cluster_links_host {
  public:
    // A peer was admitted. `caf_end`: a connected Unix stream socket, blocking mode as socketpair(2) gives
    // it; what BASP writes there arrives at the peer's. One of two simultaneous links is chosen the same way
    // on both sides; the other was never told. When a node took its own link's place (it is back sooner than
    // its death was noticed), link_down came first.
    virtual void link_up(const peer_hello& who, file_handle caf_end, bool dialed) = 0;
    // A worker process joined this node, and may run the cluster's jobs: its bytes, as at a worker's socket
    // of this machine. `end` as caf_end; closed at its other side when the worker is gone.
    virtual void worker_came(file_handle end, const std::string& name) = 0;
    // `why`: one line. The other end of caf_end was closed.
    virtual void link_down(const node_id& who, const std::string& why) = 0;
    virtual void beat_came(const node_id& from, std::string_view bytes) = 0;  // as send_beat was given them
    // Of any kind; at most once per pass of the thread and peer.
    virtual void bytes_came(const node_id& from) = 0;
    virtual void tick() = 0;  // every 100 ms

  protected:
    ~cluster_links_host() = default;
};

class cluster_links {
  public:
    // settings.cluster_*; the host and counts outlive it. `self.address` is completed from the listener when
    // --cluster-advertise is empty.
    cluster_links(const options& settings, peer_hello self, cluster_links_host& host, metrics& counts);
    ~cluster_links();  // stops
    cluster_links(const cluster_links&) = delete;
    cluster_links& operator=(const cluster_links&) = delete;

    // Binds and reads the certificates. One line that names the option and the mend; "" is success.
    std::string open();
    std::uint16_t port() const noexcept;          // read back
    const std::string& address() const noexcept;  // what others dial
    void start();
    // Says bye to all, closes, joins the thread; 500 ms at most. The host hears link_down of each.
    void stop();
    // Any thread. Reads certificate, key and CA again (SIGHUP): for links made from then on; those that are
    // there stay. "" is success; otherwise what was read before stays in force.
    std::string reload();
    std::optional<double> certificate_end() const;  // in seconds since 1970; nothing without TLS. Any thread

    // -- On the links' thread (from the host's functions)
    // To all that are linked, in front of data that waits; 1 to beat_bytes_limit bytes. A beat that was not
    // yet sent when the next came is not sent any more.
    void send_beat(std::string_view bytes);
    // To be dialed besides the seeds, with back-off, while not linked; takes the place of what was wanted
    // before.
    void want(const std::vector<std::string>& addresses);
    void drop(const node_id& who, const std::string& why);
    struct link_status {
        node_id who;
        std::string address;  // of the socket's other end
        bool dialed = false;
        std::uint64_t bytes_in = 0, bytes_out = 0;
        std::chrono::microseconds round_trip{0};  // of the links' threads; 0: not measured yet
    };
    std::vector<link_status> links() const;

    // Runs `fn` on the links' thread, from any; not any more once it was stopped.
    void post(std::function<void()> fn);

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace madang
