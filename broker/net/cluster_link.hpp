// One link to another node, or of a worker to its node, from its socket's beginning to its end. On the links'
// thread; never blocks.
//
// Nothing waits in it without a bound: one frame on its way out, and of the other's data what it was granted
// (link_window). The socket is always read, so that silence is the other's; BASP's end is read only when what
// came of it before is written.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cluster/link_frame.hpp"
#include "broker/cluster/link_handshake.hpp"
#include "broker/net/cluster_links.hpp"
#include "broker/net/cluster_tls.hpp"
#include "broker/net/file_handle.hpp"
#include "monitoring/metrics.hpp"

namespace madang {

class cluster_link;

// What a node's links share, and whom they tell. On the links' thread.
class link_hub {
  public:
    using clock = std::chrono::steady_clock;

    boost::asio::io_context io{1};
    peer_hello self;
    std::chrono::milliseconds heartbeat, timeout, handshake_timeout;
    std::optional<link_book> book;
    metrics_shard* counts = nullptr;
    cluster_links_host* host = nullptr;
    std::optional<worker_hello> worker;  // this process is one, and dials as such; host is null then

    virtual std::string fresh_nonce() = 0;
    // Ends that link: another takes its place.
    virtual void replace(link_book::link_id which) = 0;
    // A dial or a link came to its end, or a dialed link came up. May destroy the link once its handlers are
    // done.
    virtual void over(cluster_link& which) = 0;
    virtual void came_up(cluster_link& which) = 0;
    // A worker of another process may not join.
    virtual bool full_of_workers() const = 0;

    // Whether a refusal of that kind is worth a line now: one of each kind per `log_pause`.
    bool may_log(link_refusal why) {
        const auto now = clock::now();
        auto& next = log_again_[static_cast<std::size_t>(why)];
        if (now < next) return false;
        next = now + log_pause_;
        return true;
    }

  protected:
    explicit link_hub(clock::duration log_pause) : log_pause_(log_pause) {}
    ~link_hub() = default;

  private:
    const clock::duration log_pause_;
    std::array<clock::time_point, static_cast<std::size_t>(link_refusal::closed) + 1> log_again_{};
};

class cluster_link : public std::enable_shared_from_this<cluster_link> {
  public:
    struct origin {
        link_book::link_id id = 0;
        std::string remote;  // numeric
        std::string target;  // the address of which `remote` is a place; "": it was accepted
        bool dialed = false;
    };

    // A dialed link's socket is still connecting. `local`: a worker's own end; otherwise made when it is up.
    cluster_link(link_hub& hub, file_handle socket, std::shared_ptr<SSL_CTX> settings, origin from,
                 file_handle local = {});
    void start();

    // `away`: for so long before `now` this thread did nothing, and no silence is held against the peer.
    void tick(link_hub::clock::time_point now, link_hub::clock::duration away = {});
    void send_beat(std::string_view bytes);
    // Says bye behind what BASP has written, and ends when the other does.
    void leave();
    // `word`: for the metric. Tells the host when the link was up.
    void end(std::string_view word, const std::string& why);
    void refuse(link_refusal why, const std::string& detail = {});

    bool up() const noexcept { return stage_ == stage::up; }
    bool over() const noexcept { return over_; }
    bool is_worker() const noexcept { return worker_.has_value(); }  // one end is a worker process
    // Has shown a certificate; without TLS there is none to show.
    bool proven() const noexcept { return stage_ > stage::securing && stream_ && stream_->secure(); }
    const origin& from() const noexcept { return from_; }
    // Once its hello was accepted (or it turned out to be a duplicate, or this node).
    const std::optional<peer_hello>& peer() const noexcept { return shaker_.peer(); }
    cluster_links::link_status status() const;

  private:
    enum class stage : std::uint8_t { connecting, securing, greeting, up };
    struct side {
        explicit side(boost::asio::io_context& io) : descriptor(io) {}
        boost::asio::posix::stream_descriptor descriptor;
        bool readable = true, writable = true;  // as far as is known
        bool awaits_read = false, awaits_write = false;
    };

    void connected();
    void pump();
    void pump_soon();
    bool shake();
    bool read_peer();
    bool write_peer();
    bool fill();
    bool write_local();
    void arm();
    void wait(side& which, boost::asio::posix::stream_descriptor::wait_type what, bool& waiting, bool& ready);
    bool blocked(link_stream::outcome what, bool& wants_other, bool reading);
    void peer_lost(link_stream::outcome what);
    void take(const link_frame& what);
    void take_hello(std::string_view bytes);
    void take_worker(std::string_view bytes);
    void take_data(std::string_view bytes);
    void apply(const link_handshake::step& next);
    void come_up();
    void close(bool orderly);
    void put(std::string_view frame);

    link_hub& hub_;
    origin from_;
    side peer_, local_;
    std::shared_ptr<SSL_CTX> settings_;
    std::optional<link_stream> stream_;
    link_handshake shaker_;
    std::optional<worker_hello> worker_;
    file_handle given_;  // a worker's own end, until it is up
    link_decoder decoder_;
    stage stage_ = stage::greeting;
    bool over_ = false, told_ = false, pumping_ = false, pump_posted_ = false;
    bool read_wants_write_ = false, write_wants_read_ = false;  // TLS may
    bool leaving_ = false, bye_said_ = false, finished_ = false, heard_ = false;
    link_hub::clock::time_point deadline_, last_heard_, last_ping_;
    std::optional<link_hub::clock::time_point> stalled_since_;

    std::string small_;      // frames that go before data
    std::vector<char> out_;  // being written
    std::size_t out_begin_ = 0, out_end_ = 0;
    std::string beat_;  // the latest, when it is still to be sent
    std::optional<std::uint64_t> pong_;
    bool ping_due_ = false;
    std::uint32_t may_send_ = link_window;     // data, by the other's grant
    std::uint32_t may_receive_ = link_window;  // by ours
    std::uint32_t to_grant_ = 0;
    std::string for_local_;  // data that BASP has not taken yet, up to link_window
    std::size_t for_local_taken_ = 0;
    std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
    std::chrono::microseconds round_trip_{0};
};

}  // namespace madang
