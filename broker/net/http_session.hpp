// One connection that speaks HTTP: requests in, responses out, in order, one at a time.
//
//     waiting for a head -> body -> answering -> (next head | closing: FIN, then a moment for the peer's |
//     taken over)
//
// Input behind a request that is being answered stays in the kernel (or in a bounded buffer), and nothing is
// read while more than 256 KiB of responses are unsent: TCP pushes back. All of it on its loop's thread.
#pragma once

#include <atomic>
#include <boost/intrusive/list_hook.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/loop.hpp"
#include "actors/transport.hpp"
#include "broker/core/options.hpp"
#include "broker/core/span.hpp"
#include "broker/net/connection_limits.hpp"
#include "broker/net/forwarded.hpp"
#include "broker/net/http_dispatcher.hpp"
#include "broker/net/http_message.hpp"
#include "broker/net/listener.hpp"
#include "broker/net/request_reader.hpp"

namespace madang {

// One answered request, for the access log.
struct access_entry {
    std::string_view request_id, method, path, client;
    unsigned status;
    std::uint64_t bytes;  // of the body
    std::chrono::microseconds took;
};

// As one log line, event "http.request".
void log_access(const access_entry& entry);

// What the sessions of one listener share. Outlives them; immutable but for `draining`.
struct http_environment {
    const options& settings;
    http_dispatcher& dispatcher;
    address_list proxies = {};  // trusted
    connection_limits* limits = nullptr;
    bool over_tls = false;
    bool counted = true;  // in the metrics; not so on the internal listener
    std::function<void(const access_entry&)> access_log = {};
    std::atomic<bool> draining{false};  // responses say "Connection: close"
    mutable std::atomic<std::size_t> sessions{0};
};

class http_session final
    : public std::enable_shared_from_this<http_session>,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
      private transport_waiter,
      private flushable {
  public:
    http_session(loop& on, const http_environment& environment, std::unique_ptr<transport> io,
                 const listener::peer& peer, connection_slot slot);
    ~http_session();

    void start();
    // Answers one request-less response and closes (503, 429).
    void refuse(http_response response);
    // The server shuts down: an idle connection is closed unless a request comes within moments,
    // another after its answer.
    void drain();
    void close();  // at once

  private:
    enum class phase : std::uint8_t { head, body, answering, closing, closed };
    enum class deadline : std::uint8_t { none, head, body, idle, view, write, linger };

    void on_readable(bool alive) override;
    void on_writable(bool alive) override;
    void flush() override;

    void process();
    bool process_one();
    void dispatch();
    void begin_trace(tracer& by, http_request& request);
    void end_trace(unsigned status);
    void give_up_on_view();
    void view_replied(std::uint64_t number, http_response&& response);
    void respond(http_response&& response);
    void refuse_request(const request_reader::refused& what);
    void hand_over(take_over&& taker);
    void discard_input();
    void read_more();
    void write_out();
    bool refill();
    void drained_output();
    void set_deadline(deadline what);
    void restart_deadline(deadline what);
    void expired();
    bool output_pending() const { return sent_ < out_.size() || file_.has_value(); }
    void touch();

    loop& loop_;
    const http_environment& environment_;
    std::unique_ptr<transport> io_;
    connection_slot slot_;
    listener::peer peer_;

    std::string in_;
    std::string out_;
    std::size_t sent_ = 0;  // of out_
    std::optional<file_range> file_;
    std::unique_ptr<request_reader> reader_;  // null between requests
    std::chrono::milliseconds view_timeout_{0};
    std::function<void()> given_up_;   // while a view's reply is awaited
    std::unique_ptr<open_span> span_;  // of the request, where it is traced
    loop::clock::time_point request_began_{};
    std::uint64_t request_number_ = 0;
    timer_id timer_;
    phase phase_ = phase::head;
    deadline deadline_ = deadline::none;
    bool close_after_ = false;  // the last response is in out_
    bool input_ended_ = false;
    bool parked_ = false;  // an upgrade that waits until out_ is sent
    // What keeps this alive while somebody will call it.
    std::shared_ptr<http_session> reading_, writing_, touched_, awaiting_;
};

}  // namespace madang
