// Calls by clients of the client protocol: rpc, and messages without an answer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "madang/consumer_class.hpp"

namespace madang {

// A call's answer: one JSON value, or nothing. <madang/json.hpp> has rpc_result(json).
struct RpcResult {
    std::string json;  // "": nothing
};

// Thrown by a handler: the client gets code (400-1999 are the plugin's own) and message. Any other exception
// is answered 100 and logged.
class RpcError : public std::runtime_error {
  public:
    // message: for the client's people; of a code below 400 it is the client protocol's own.
    RpcError(std::uint32_t code, const std::string& message) : std::runtime_error(message), code_(code) {}
    std::uint32_t code() const noexcept { return code_; }  // as given

  private:
    std::uint32_t code_;
};

// What a client calls, or a message of its. Valid until it is answered, a message until its handler returned;
// any thread.
class RpcCall {
  public:
    // By the SDK, of what the ABI passed.
    RpcCall(const Host& host, madang_rpc* handle) noexcept : host_(&host), handle_(handle) {}

    std::string_view method() const noexcept { return get(MADANG_RPC_METHOD); }  // "" for a message
    std::string_view data() const noexcept { return get(MADANG_RPC_DATA); }      // JSON or ""
    std::string_view client() const noexcept { return get(MADANG_RPC_CLIENT); }  // the connection's id
    std::string_view user() const noexcept { return get(MADANG_RPC_USER); }      // "" for an anonymous user
    // Of its token: JSON or "".
    std::string_view conn_info() const noexcept { return get(MADANG_RPC_CONN_INFO); }
    // "websocket", "http_stream", "sse".
    std::string_view transport() const noexcept { return get(MADANG_RPC_TRANSPORT); }
    ClientInfo info() const noexcept { return {client(), user(), conn_info()}; }  // for PublishOptions::info
    // Of the HTTP request with which the client came; empty when that is not known.
    Scope scope() const noexcept { return {*host_, host_->streams->rpc_scope(handle_)}; }
    Layer layer() const noexcept { return Layer(*host_); }   // as the plugin's: answers on any thread
    const Host& host() const noexcept { return *host_; }     // the server's functions
    madang_rpc* handle() const noexcept { return handle_; }  // for the ABI's functions

  private:
    std::string_view get(madang_rpc_field field) const noexcept {
        return detail::from_abi(host_->streams->rpc_get(handle_, field));
    }
    const Host* host_;
    madang_rpc* handle_;
};

// The right to answer one call, once; from any thread. Dropped unused, it answers 100. Copies answer the same
// call.
class RpcReply {
  public:
    // @cond By the SDK, once per call.
    explicit RpcReply(const RpcCall& call) : state_(std::make_shared<State>(call)) {}
    // @endcond

    // Answers; nothing happens the second time.
    void operator()(const RpcResult& result) const {
        if (state_->used.exchange(true)) return;
        (void)streams().rpc_reply(state_->call.handle(), detail::to_abi(result.json));
    }
    // Answers as RpcError does; nothing happens the second time.
    void fail(std::uint32_t code, std::string_view message) const noexcept { state_->fail(code, message); }

  private:
    struct State {
        explicit State(const RpcCall& call) noexcept : call(call) {}
        State(const State&) = delete;
        State& operator=(const State&) = delete;
        ~State() { fail(100, "the plugin did not answer"); }
        void fail(std::uint32_t code, std::string_view message) noexcept {
            if (used.exchange(true)) return;
            (void)call.host().streams->rpc_fail(call.handle(), code, detail::to_abi(message));
        }
        RpcCall call;
        std::atomic<bool> used = false;
    };
    const madang_streams& streams() const noexcept { return *state_->call.host().streams; }
    std::shared_ptr<State> state_;
};

namespace detail {

struct RpcEntry {
    const Host* host;
    std::string method;
    std::function<void(const RpcCall&, RpcReply)> handler;  // of a method
    std::function<void(const RpcCall&)> message_handler;    // or of messages

    static madang_status handle(void* context, madang_rpc* handle) {
        const auto& self = *static_cast<const RpcEntry*>(context);
        const RpcCall call(*self.host, handle);
        if (self.message_handler) {
            const bool done = contained([&] { self.message_handler(call); },
                                        [&](std::string_view what) { self.failed(what); });
            return done ? MADANG_OK : MADANG_FAILED;
        }
        const RpcReply reply(call);
        try {
            self.handler(call, reply);
            return MADANG_OK;
        } catch (const RpcError& error) {
            reply.fail(error.code(), error.what());
            return MADANG_OK;
        } catch (const std::exception& error) {
            self.failed(error.what());
        } catch (...) {
            self.failed("an exception that is not a std::exception");
        }
        reply.fail(100, {});
        return MADANG_FAILED;  // the server counts it
    }
    void failed(std::string_view what) const noexcept {
        contained([&] { host->log(Level::error, "rpc_failed", method + ": " + std::string(what)); },
                  [](auto) {});
    }
};

}  // namespace detail
}  // namespace madang
