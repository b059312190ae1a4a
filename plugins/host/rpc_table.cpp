#include "plugins/host/rpc_table.hpp"

#include <exception>
#include <utility>

#include "broker/core/span.hpp"
#include "plugins/host/plugin.hpp"

namespace madang {

rpc_call::rpc_call(const known_client& who, std::string_view method, std::string_view data,
                   gatekeeper::answer<rpc_answer> done)
    : fields_{std::string(method), std::string(data), who.who.client,
              who.who.user,        who.who.conn_info, who.transport},
      known_(who.known),
      done_(std::move(done)),
      answered_(done_ == nullptr),
      holders_(done_ == nullptr ? 1 : 2) {}

std::string_view rpc_call::get(madang_rpc_field field) const noexcept {
    return static_cast<unsigned>(field) <= MADANG_RPC_TRANSPORT ? std::string_view(fields_[field])
                                                                : std::string_view();
}

bool rpc_call::answer(verdict<rpc_answer>&& what) {
    if (answered_.exchange(true)) return false;
    const auto done = std::exchange(done_, nullptr);
    release();  // the plugin's
    done(std::move(what));
    return true;
}

void rpc_call::release() noexcept {
    if (holders_.fetch_sub(1) == 1) delete this;
}

rpc_table::rpc_table(pool_function pool, log_function log, failed_function failed)
    : pool_(std::move(pool)), log_(std::move(log)), failed_(std::move(failed)) {}

madang_status rpc_table::add(plugin& owner, std::string_view method, std::uint32_t kind,
                             madang_rpc_handler handler, void* context) {
    if (method.empty() || method.size() > 255 || handler == nullptr || kind > MADANG_SYNC)
        return MADANG_INVALID;
    const bool fresh = methods_.emplace(std::string(method), entry{&owner, kind, handler, context}).second;
    return fresh ? MADANG_OK : MADANG_INVALID;
}

madang_status rpc_table::add_message(plugin& owner, std::uint32_t kind, madang_rpc_handler handler,
                                     void* context) {
    if (handler == nullptr || kind > MADANG_SYNC) return MADANG_INVALID;
    messages_.push_back({&owner, kind, handler, context});
    return MADANG_OK;
}

void rpc_table::remove(const plugin& owner) {
    std::erase_if(methods_, [&](const auto& each) { return each.second.owner == &owner; });
    std::erase_if(messages_, [&](const entry& each) { return each.owner == &owner; });
}

bool rpc_table::call(const known_client& who, std::string_view method, std::string_view data,
                     gatekeeper::answer<rpc_answer> done) {
    const auto found = methods_.find(method);
    if (found == methods_.end()) return false;
    run(found->second, who, method, data, std::move(done));
    return true;
}

void rpc_table::message(const known_client& who, std::string_view data) {
    for (const entry& each : messages_) run(each, who, {}, data, nullptr);
}

void rpc_table::run(const entry& to, const known_client& who, std::string_view method, std::string_view data,
                    gatekeeper::answer<rpc_answer> done) {
    auto* call = new rpc_call(who, method, data, std::move(done));
    const auto refuse = [call](errc why) {
        verdict<rpc_answer> no;
        no.no = fail(why);
        call->answer(std::move(no));
    };
    const auto* traced = traced_work::current();
    const auto run_now = [this, &to, call, refuse, work = traced != nullptr ? *traced : work_trace{}] {
        const traced_work mine(work);
        std::string wrong;
        try {
            if (to.handler(to.context, reinterpret_cast<madang_rpc*>(call)) != MADANG_OK) wrong = "it failed";
        } catch (const std::exception& e) {
            wrong = e.what();
        } catch (...) {
            wrong = "it threw";
        }
        if (!wrong.empty()) {
            if (failed_) failed_(*to.owner);
            if (log_)
                log_(*to.owner, MADANG_ERROR, "plugin.rpc_failed",
                     std::string(call->get(MADANG_RPC_METHOD)) + ": " + wrong);
            refuse(errc::internal);
        }
        call->release();
    };
    if (to.kind == MADANG_ASYNC) return run_now();
    if (pool_ && pool_(run_now)) return;
    refuse(errc::too_many_requests);
    call->release();
}

}  // namespace madang
