// What the test kit's server keeps: payloads, scopes, connections, requests. The opaque structs of the ABI,
// as the kit has them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "madang/plugin.hpp"
#include "madang/testing/routes.hpp"

namespace madang::testing {

// A test's expectation was not met: nothing arrived in time, or something else did.
class Failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

struct Report {  // what a consumer reported before it failed
    std::string consumer;
    std::string where;
    std::string what;
};

struct LogLine {
    Level level;
    std::string event;
    std::string message;
};

namespace detail {

using namespace madang::detail;  // NOLINT: the SDK's own helpers

struct SentFrame {
    Frame kind;
    std::string bytes;
};

class Block {  // madang_payload
  public:
    Block(std::string_view bytes, std::atomic<std::int64_t>& alive) : bytes_(bytes), alive_(alive) {
        ++alive_;
    }
    ~Block() {
        for (auto& [key, form] : forms_)
            if (form.value != nullptr) form.destroy(form.value);
        --alive_;
    }
    static Block& of(madang_payload* handle) noexcept { return *reinterpret_cast<Block*>(handle); }
    madang_payload* handle() noexcept { return reinterpret_cast<madang_payload*>(this); }
    void retain() noexcept { ++count_; }
    void release() noexcept {
        if (--count_ == 0) delete this;
    }
    const std::string& bytes() const noexcept { return bytes_; }
    const void* parsed(const char* key, void* (*make)(madang_str), void (*destroy)(void*)) {
        const std::lock_guard lock(mutex_);
        auto found = forms_.find(key);
        if (found == forms_.end()) found = forms_.emplace(key, Form{make(to_abi(bytes_)), destroy}).first;
        return found->second.value;
    }

  private:
    struct Form {
        void* value;
        void (*destroy)(void*);
    };
    std::string bytes_;
    std::atomic<std::int64_t>& alive_;
    std::atomic<std::int64_t> count_ = 1;
    std::mutex mutex_;
    std::map<std::string, Form, std::less<>> forms_;
};

class BlockRef {  // one reference
  public:
    explicit BlockRef(Block& block) noexcept : block_(&block) { block_->retain(); }
    BlockRef(const BlockRef& other) noexcept : BlockRef(*other.block_) {}
    BlockRef& operator=(BlockRef other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~BlockRef() { block_->release(); }
    Block* operator->() const noexcept { return block_; }

  private:
    Block* block_;
};

struct ScopeData {  // madang_scope
    std::string fields[MADANG_SCOPE_SESSION_JSON + 1];
    Texts lists[MADANG_SCOPE_URL_ARGS + 1];
};

struct Timer {
    std::uint64_t due_ms;
    std::uint64_t repeat_ms;
};

enum class State : std::uint8_t { connecting, open, closed };

struct Stored;

struct Membership {
    madang_delivery delivery;
    std::uint64_t since_ms;
};

struct SocketRoute {
    Pattern pattern;
    madang_consumer_class table;
    std::vector<std::string> groups;
    std::uint64_t max_message_bytes;
    std::string subprotocols;
};

struct BackgroundRoute {
    std::string channel;
    madang_consumer_class table;
    std::vector<std::string> groups;
    std::size_t queue;
    std::deque<std::pair<std::string, BlockRef>> waiting;  // type, payload; while it is not there
    unsigned restarts = 0;
};

struct ViewRoute {
    Pattern pattern;
    std::string methods;
    madang_view table;
};

class Core;

struct Connection {  // madang_connection
    Core* core = nullptr;
    const SocketRoute* route = nullptr;
    BackgroundRoute* background = nullptr;  // then without a route
    const madang_consumer_class& table() const { return background ? background->table : route->table; }
    ScopeData scope;
    std::string channel;
    madang_consumer* consumer = nullptr;
    State state = State::connecting;
    std::uint16_t http_status = 0;  // of the handshake's answer; 0: none yet
    std::string subprotocol;
    Texts headers;  // given to accept
    std::deque<SentFrame> sent;
    std::uint16_t close_code = 0;
    std::string close_reason;
    std::map<std::string, Membership, std::less<>> groups;
    const Stored* delivering = nullptr;  // the publication of which the consumer is being told
    std::map<std::uint64_t, Timer> timers;
};

struct Answer {
    std::uint16_t status = 0;
    Texts headers;
    std::string body;
};

struct RpcAnswer {
    std::uint32_t code = 0;  // 0: answered
    std::string text;        // the answer's JSON, or the message
};

struct PendingRpc {  // madang_rpc
    Core* core = nullptr;
    ScopeData scope;
    std::string fields[MADANG_RPC_TRANSPORT + 1];
    std::optional<RpcAnswer> answer;  // guarded by the core's mutex
};

struct PendingRequest {  // madang_request
    Core* core = nullptr;
    ScopeData scope;
    std::optional<BlockRef> body;
    std::optional<Answer> answer;  // this and body: guarded by the core's mutex
};

}  // namespace detail
}  // namespace madang::testing
