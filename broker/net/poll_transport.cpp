#include "broker/net/poll_transport.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "actors/loop.hpp"
#include "broker/core/close_codes.hpp"
#include "broker/net/client_frame.hpp"
#include "broker/net/frame_rewriter.hpp"

namespace madang {
namespace {

class poll_transport final : public transport {
  public:
    poll_transport(loop& on, poll_collector collector, poll_times times, std::string request_id,
                   std::function<void(http_response)> reply)
        : loop_(on),
          collector_(std::move(collector)),
          timeout_(times.wait),
          request_id_(std::move(request_id)),
          reply_(std::move(reply)) {
        finish_after(times.setup);
    }
    ~poll_transport() override { close(); }

    result write_some(const iovec* parts, int count) override {
        if (closed_) return {outcome::failed, 0};
        std::size_t taken = 0;
        for (int i = 0; i < count; ++i) {
            rewriter_.feed({static_cast<const char*>(parts[i].iov_base), parts[i].iov_len}, lines_);
            taken += parts[i].iov_len;
        }
        if (rewriter_.refused() != 0)
            answer(rewriter_.refused(), "the server does not take this connection", 0, {});
        else
            read_lines();
        return taken == 0 ? result{outcome::would_block, 0} : result{outcome::done, taken};
    }

    result read_some(char* data, std::size_t size) override {
        if (closed_) return {outcome::failed, 0};
        if (input_.empty()) return {shut_ ? outcome::closed : outcome::would_block, 0};
        const auto n = std::min(size, input_.size());
        std::memcpy(data, input_.data(), n);
        input_.erase(0, n);
        return {outcome::done, n};
    }

    void wait_readable(transport_waiter& waiter) override {
        reader_ = &waiter;
        tell_reader();
    }
    void wait_writable(transport_waiter& waiter) override {
        loop_.post([waiter = &waiter, alive = !closed_] { waiter->on_writable(alive); });
    }
    void shutdown_send() override {
        shut_ = true;
        tell_reader();
    }
    void close() override {
        if (std::exchange(closed_, true)) return;
        answer(503, "the session ended", 0, {});
        loop_.cancel(timer_);
        tell_reader();
    }

  private:
    void read_lines() {
        std::size_t begin = 0;
        for (std::size_t end; (end = lines_.find('\n', begin)) != std::string::npos; begin = end + 1)
            if (collector_.on_line(std::string_view(lines_).substr(begin, end - begin)) && reply_)
                append_client_frame(input_, ws_opcode::text, "{}");
        lines_.erase(0, begin);
        if (collector_.refused() || collector_.full())
            finish();
        else if (collector_.complete() && !std::exchange(ready_, true))
            finish_after(timeout_);
        if (rewriter_.ended()) end_input();
        tell_reader();
    }

    void finish_after(std::chrono::milliseconds delay) {
        loop_.cancel(timer_);
        timer_ = loop_.schedule(delay, [this] {
            timer_ = {};
            finish();
        });
    }

    // With what there is.
    void finish() {
        if (const auto& no = collector_.refused()) {
            answer(no->status, no->message, no->code, no->group);
        } else if (!collector_.complete()) {
            answer(504, "the session did not answer in time", 0, {});
        } else if (reply_) {
            http_response response;
            response.set("Content-Type", "application/json");
            response.set("Cache-Control", "no-store");
            response.body = collector_.answer();
            std::exchange(reply_, nullptr)(std::move(response));
        }
        end_input();
        tell_reader();
    }

    void answer(unsigned status, std::string_view message, std::uint16_t code, std::string_view group) {
        if (!reply_) return;
        http_response response;
        response.status = status;
        response.set("Content-Type", "application/json");
        response.set("Cache-Control", "no-store");
        if (status == 503) response.set("Retry-After", "1");
        nlohmann::json error{{"status", status}, {"message", message}, {"request_id", request_id_}};
        if (code != 0) error["code"] = code;
        if (!group.empty()) error["group"] = group;
        response.body = nlohmann::json{{"error", std::move(error)}}.dump(
            -1, ' ', false, nlohmann::json::error_handler_t::replace);
        response.body += '\n';
        std::exchange(reply_, nullptr)(std::move(response));
    }

    void end_input() {
        if (!std::exchange(end_told_, true)) append_client_close(input_, close_code::normal);
    }

    // From the loop, soon.
    void tell_reader() {
        if (!closed_ && input_.empty() && !shut_) return;
        if (auto* waiter = std::exchange(reader_, nullptr))
            loop_.post([waiter, alive = !closed_] { waiter->on_readable(alive); });
    }

    loop& loop_;
    poll_collector collector_;
    frame_rewriter rewriter_{frame_rewriter::format{}};  // to lines
    const std::chrono::milliseconds timeout_;
    std::string request_id_;
    std::function<void(http_response)> reply_;  // null once called
    timer_id timer_;
    transport_waiter* reader_ = nullptr;
    std::string lines_;
    std::string input_;
    bool ready_ = false;  // every group is subscribed
    bool closed_ = false;
    bool shut_ = false;
    bool end_told_ = false;
};

}  // namespace

std::unique_ptr<transport> make_poll_transport(loop& on, poll_collector collector, poll_times times,
                                               std::string request_id,
                                               std::function<void(http_response)> reply) {
    return std::make_unique<poll_transport>(on, std::move(collector), times, std::move(request_id),
                                            std::move(reply));
}

}  // namespace madang
