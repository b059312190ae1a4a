#include "broker/net/rewriting_transport.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "actors/loop.hpp"
#include "broker/net/client_frame.hpp"

namespace madang {
namespace {

constexpr std::size_t piece = 32 * 1024;        // taken of the connection at a time
constexpr std::size_t noise_bound = 64 * 1024;  // of what a client sends on a stream, where nothing is due

// Outlives its handle while the socket will call it.
class rewriting_core final : public std::enable_shared_from_this<rewriting_core>,
                             private transport_waiter,
                             private emulation_inbox::owner {
  public:
    using outcome = transport::outcome;
    using result = transport::result;

    rewriting_core(loop& on, std::unique_ptr<transport> socket, frame_rewriter::format how,
                   emulation_registry::ticket ticket)
        : loop_(on),
          socket_(std::move(socket)),
          raw_input_(how.to == frame_rewriter::shape::websocket),
          rewriter_(std::move(how)),
          ticket_(std::move(ticket)) {
        if (ticket_.inbox()) ticket_.inbox()->open(*this);
    }

    result write_some(const iovec* parts, int count) {
        if (closed_) return {outcome::failed, 0};
        if (const auto sent = send_waiting(); sent != outcome::done) return {sent, 0};
        thread_local std::string scratch;
        scratch.clear();
        std::size_t taken = 0;
        for (int i = 0; i < count && taken < piece; ++i) {
            const auto size = std::min(parts[i].iov_len, piece - taken);
            rewriter_.feed({static_cast<const char*>(parts[i].iov_base), size}, scratch);
            taken += size;
        }
        std::size_t sent = 0;
        while (sent < scratch.size()) {
            const iovec rest{scratch.data() + sent, scratch.size() - sent};
            const auto got = socket_->write_some(&rest, 1);
            if (got.what == outcome::would_block) {
                waiting_.assign(scratch, sent);
                wait_for_socket();
                break;
            }
            if (got.what != outcome::done) return got;
            sent += got.bytes;
        }
        if (scratch.capacity() > 8 * piece) std::string().swap(scratch);
        if (rewriter_.ended() && !raw_input_ && !std::exchange(end_told_, true)) {
            append_client_close(input_, rewriter_.close_code());
            tell_reader();
        }
        return taken == 0 ? result{outcome::would_block, 0} : result{outcome::done, taken};
    }

    result read_some(char* data, std::size_t size) {
        if (closed_) return {outcome::failed, 0};
        if (raw_input_) return socket_->read_some(data, size);
        if (input_read_ == input_.size()) take_mail();
        if (input_read_ < input_.size()) {
            const auto n = std::min(size, input_.size() - input_read_);
            std::memcpy(data, input_.data() + input_read_, n);
            input_read_ += n;
            if (input_read_ == input_.size()) clear_input();
            return {outcome::done, n};
        }
        drop_input();
        return {lost_, 0};
    }

    void wait_readable(transport_waiter& waiter) {
        reader_ = &waiter;
        if (closed_) return tell_closed();
        if (!raw_input_) {
            if (input_read_ == input_.size()) take_mail();
            if (input_read_ < input_.size() || lost_ != outcome::would_block) return tell_reader();
        }
        if (!std::exchange(socket_reads_, true)) {
            read_hold_ = shared_from_this();
            socket_->wait_readable(*this);
        }
    }

    void wait_writable(transport_waiter& waiter) {
        writer_ = &waiter;
        if (closed_) return tell_closed();
        if (waiting_.empty()) return tell_writer();
        wait_for_socket();
    }

    bool writes_are_sent() const noexcept {
        return raw_input_ && waiting_.empty() && socket_->writes_are_sent();
    }

    void shutdown_send() {
        if (closed_) return;
        if (waiting_.empty())
            socket_->shutdown_send();
        else
            shut_ = true;
    }

    void close() {
        if (std::exchange(closed_, true)) return;
        ticket_ = {};
        std::string().swap(waiting_);
        clear_input();
        socket_->close();
        tell_closed();
    }

  private:
    void on_readable(bool alive) override {
        const auto hold = std::move(read_hold_);
        socket_reads_ = false;
        if (closed_) return;
        if (raw_input_ || !alive) {
            if (!alive) lost_ = outcome::failed;
            if (auto* waiter = std::exchange(reader_, nullptr)) waiter->on_readable(alive);
            return;
        }
        drop_input();
        if (lost_ == outcome::would_block) {
            if (reader_ == nullptr) return;  // told of something else meanwhile; it will wait again
            socket_reads_ = true;
            read_hold_ = shared_from_this();
            socket_->wait_readable(*this);
        } else if (auto* waiter = std::exchange(reader_, nullptr)) {
            waiter->on_readable(true);
        }
    }

    void on_writable(bool alive) override {
        const auto hold = std::move(write_hold_);
        socket_writes_ = false;
        if (closed_) return;
        if (alive) {
            const auto sent = send_waiting();
            if (sent == outcome::would_block) return;
            // A failure is told by the next write, or by reading.
            if (sent == outcome::done && std::exchange(shut_, false)) socket_->shutdown_send();
        }
        if (auto* waiter = std::exchange(writer_, nullptr)) waiter->on_writable(alive);
    }

    void on_mail() override {
        if (closed_ || reader_ == nullptr) return;  // paused: it finds the mail when it reads again
        std::exchange(reader_, nullptr)->on_readable(true);
    }

    // done: nothing waits any more.
    outcome send_waiting() {
        std::size_t sent = 0;
        auto what = outcome::done;
        while (sent < waiting_.size()) {
            const iovec rest{waiting_.data() + sent, waiting_.size() - sent};
            const auto got = socket_->write_some(&rest, 1);
            if (got.what != outcome::done) {
                what = got.what;
                break;
            }
            sent += got.bytes;
        }
        if (sent == waiting_.size())
            std::string().swap(waiting_);
        else
            waiting_.erase(0, sent);
        if (what == outcome::would_block) wait_for_socket();
        return what;
    }

    void wait_for_socket() {
        if (std::exchange(socket_writes_, true)) return;
        write_hold_ = shared_from_this();
        socket_->wait_writable(*this);
    }

    // An HTTP client has nothing more to say on this connection.
    void drop_input() {
        char nowhere[4096];
        for (int i = 0; i < 16 && lost_ == outcome::would_block; ++i) {
            const auto got = socket_->read_some(nowhere, sizeof nowhere);
            if (got.what == outcome::would_block) return;
            if (got.what != outcome::done) lost_ = got.what;
            noise_ += got.bytes;
            if (noise_ > noise_bound) lost_ = outcome::failed;
        }
    }

    void take_mail() {
        clear_input();
        if (ticket_.inbox()) ticket_.inbox()->take(input_);
    }

    void clear_input() {
        std::string().swap(input_);
        input_read_ = 0;
    }

    // From the loop, soon.
    void tell_reader() {
        if (auto* waiter = std::exchange(reader_, nullptr))
            loop_.post([waiter, core = shared_from_this()] { waiter->on_readable(!core->closed_); });
    }
    void tell_writer() {
        if (auto* waiter = std::exchange(writer_, nullptr))
            loop_.post([waiter, core = shared_from_this()] { waiter->on_writable(!core->closed_); });
    }
    void tell_closed() {
        tell_reader();
        tell_writer();
    }

    loop& loop_;
    std::unique_ptr<transport> socket_;
    transport_waiter* reader_ = nullptr;
    transport_waiter* writer_ = nullptr;
    const bool raw_input_;
    bool closed_ = false;
    bool shut_ = false;  // once `waiting_` is sent
    bool end_told_ = false;
    bool socket_reads_ = false;  // a wait of ours is under way
    bool socket_writes_ = false;
    outcome lost_ = outcome::would_block;  // what reading says when there is no input
    frame_rewriter rewriter_;
    emulation_registry::ticket ticket_;
    std::string input_;  // frames for the connection
    std::size_t input_read_ = 0;
    std::size_t noise_ = 0;
    std::string waiting_;  // rewritten, for the socket
    std::shared_ptr<rewriting_core> read_hold_, write_hold_;
};

class rewriting_transport final : public transport {
  public:
    explicit rewriting_transport(std::shared_ptr<rewriting_core> core) : core_(std::move(core)) {}
    ~rewriting_transport() override { core_->close(); }
    result read_some(char* data, std::size_t size) override { return core_->read_some(data, size); }
    result write_some(const iovec* parts, int count) override { return core_->write_some(parts, count); }
    void wait_readable(transport_waiter& waiter) override { core_->wait_readable(waiter); }
    void wait_writable(transport_waiter& waiter) override { core_->wait_writable(waiter); }
    bool writes_are_sent() const noexcept override { return core_->writes_are_sent(); }
    void shutdown_send() override { core_->shutdown_send(); }
    void close() override { core_->close(); }

  private:
    const std::shared_ptr<rewriting_core> core_;
};

}  // namespace

std::unique_ptr<transport> make_rewriting_transport(loop& on, std::unique_ptr<transport> socket,
                                                    frame_rewriter::format how,
                                                    emulation_registry::ticket ticket) {
    return std::make_unique<rewriting_transport>(
        std::make_shared<rewriting_core>(on, std::move(socket), std::move(how), std::move(ticket)));
}

}  // namespace madang
