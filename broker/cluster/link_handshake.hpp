// Who is let in, and which of several links to one node is the one: judgement without sockets, clock and
// threads.
//
//     dialer -- hello --> listener        (who I am, my nonce)
//     dialer <-- hello -- listener        (who I am, my nonce, yours)
//     dialer -- hello --> listener        (the first, with your nonce)
//     dialer <- welcome - listener        up on both sides
//
//     worker -- worker --> listener       (which cluster's I am)
//     worker <- welcome -- listener       up on both sides
//
// Of two nodes the one with the smaller name decides: it takes (claims) one link and refuses the others, as
// dialer before its second hello, as listener before its welcome. So of two simultaneous dials both keep the
// same one, and the one that is lost was never up on either side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cluster/peer_hello.hpp"

namespace madang {

// Why a link was not to be; the words are those of the metric madang_cluster_refused_total.
enum class link_refusal : std::uint8_t {
    protocol,     // not a frame, or not the one that is due
    hello,        // a hello that cannot be read
    cluster,      // of another cluster
    self,         // this node's own name
    incarnation,  // an older process of that name than was seen
    version,      // no version in common
    shards,       // another number of shards
    replay,       // does not repeat the nonce
    name,         // the certificate does not have the hello's name
    nodes,        // as many nodes are linked as may be
    duplicate,    // there is a link to that node
    certificate,  // of another authority, or none
    expired,      // a certificate whose time is over, or not come
    tls,          // no TLS, or the other ended it
    timeout,      // did not say who it is in time
    handshakes,   // too many at a time: the oldest goes
    workers,      // as many workers have joined as may
    closed,       // by the other
};
std::string_view to_string(link_refusal why) noexcept;
std::string_view describe(link_refusal why) noexcept;  // a sentence for the log

// Whether a worker is to be refused by the node that says `self`. `certified` as link_handshake's: whoever
// has a certificate of the cluster with the name that it says may run its jobs.
std::optional<link_refusal> judge(const worker_hello& what, const peer_hello& self,
                                  const std::optional<std::vector<std::string>>& certified);

// The links that are up or claimed, and who was seen. Names of nodes that are gone are remembered, `limit` of
// them at least, so that an older process is known when it comes back.
class link_book {
  public:
    using link_id = std::uint64_t;

    link_book(node_id self, std::size_t limit) : self_(std::move(self)), limit_(limit) {}

    // Whether `link` is to be refused however it goes on.
    std::optional<link_refusal> judge(const node_id& who) const;
    struct claimed {
        std::optional<link_refusal> refused;
        std::optional<link_id> replaces;  // that link has to end: its node lives on in this one
    };
    // From now on `link` is the one to that node.
    claimed claim(const node_id& who, link_id link);
    void release(link_id link);
    bool decides(std::string_view other) const noexcept { return self_.name < other; }
    bool has(std::string_view name) const;
    std::size_t size() const noexcept { return linked_; }
    std::size_t names() const noexcept { return seen_.size(); }
    const node_id& self() const noexcept { return self_; }

  private:
    struct entry {
        std::uint64_t incarnation = 0;
        std::optional<link_id> link;
    };
    void forget_one();

    node_id self_;
    std::size_t limit_;
    std::size_t linked_ = 0;
    std::map<std::string, entry, std::less<>> seen_;
};

// One link's.
class link_handshake {
  public:
    // `nonce`: hello_nonce_bytes that nobody can guess.
    link_handshake(peer_hello self, std::string nonce, bool dialed, link_book::link_id link);

    const peer_hello& mine() const noexcept { return mine_; }  // the dialer begins with it
    struct step {
        std::optional<link_refusal> refused;
        std::optional<peer_hello> say;
        bool welcome = false;                        // to be said; the link is up
        std::optional<link_book::link_id> replaces;  // to be ended first
    };
    // `certified`: the DNS names of the peer's certificate; nothing without TLS.
    step heard(const peer_hello& what, const std::optional<std::vector<std::string>>& certified,
               link_book& book);
    step welcomed(link_book& book);
    // Once a hello of it was accepted; its name is certified then.
    const std::optional<peer_hello>& peer() const noexcept { return peer_; }
    std::uint16_t version() const noexcept;  // both speak it; once there is a peer
    bool up() const noexcept { return stage_ == stage::up; }

  private:
    enum class stage : std::uint8_t { first, second, welcome, up };
    std::optional<link_refusal> judge(const peer_hello& what,
                                      const std::optional<std::vector<std::string>>& certified,
                                      const link_book& book) const;
    step claimed(link_book& book);

    peer_hello mine_;
    bool dialed_;
    link_book::link_id link_;
    stage stage_ = stage::first;
    std::optional<peer_hello> peer_;
};

}  // namespace madang
