// Clients' rpc calls and messages, on their way to plugins' handlers.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/gatekeeper.hpp"
#include "madang/streams.h"

namespace madang {

class plugin;

// Filled while plugins are loaded; any thread afterwards.
class rpc_table final : public rpc_port {
  public:
    using pool_function = std::function<bool(std::function<void()>)>;
    using log_function =
        std::function<void(const plugin&, madang_log_level, std::string_view, std::string_view)>;
    using failed_function = std::function<void(const plugin&)>;
    // Sync handlers run in `pool`; when it is full (false), or there is none, a call is answered 111.
    rpc_table(pool_function pool, log_function log, failed_function failed);

    madang_status add(plugin& owner, std::string_view method, std::uint32_t kind, madang_rpc_handler handler,
                      void* context);
    madang_status add_message(plugin& owner, std::uint32_t kind, madang_rpc_handler handler, void* context);
    // Of a plugin that did not start.
    void remove(const plugin& owner);

    bool call(const known_client& who, std::string_view method, std::string_view data,
              gatekeeper::answer<rpc_answer> done) override;
    // The client protocol's "send".
    void message(const known_client& who, std::string_view data);

  private:
    struct entry {
        plugin* owner;
        std::uint32_t kind;
        madang_rpc_handler handler;
        void* context;
    };
    void run(const entry& to, const known_client& who, std::string_view method, std::string_view data,
             gatekeeper::answer<rpc_answer> done);

    pool_function pool_;
    log_function log_;
    failed_function failed_;
    std::map<std::string, entry, std::less<>> methods_;
    std::vector<entry> messages_;
};

// One call, or message: the madang_rpc of the ABI. Two hold it: the table until the handler returned, the
// plugin until it answered (for a message: nobody).
class rpc_call {
  public:
    rpc_call(const known_client& who, std::string_view method, std::string_view data,
             gatekeeper::answer<rpc_answer> done);

    std::string_view get(madang_rpc_field field) const noexcept;
    const scope* known() const noexcept { return known_.get(); }
    // False: answered already.
    bool answer(verdict<rpc_answer>&& what);
    void release() noexcept;

  private:
    ~rpc_call() = default;
    std::string fields_[MADANG_RPC_TRANSPORT + 1];
    std::shared_ptr<const scope> known_;
    gatekeeper::answer<rpc_answer> done_;
    std::atomic<bool> answered_;
    std::atomic<int> holders_;
};

}  // namespace madang
