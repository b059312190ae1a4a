// Asking for jobs: what consumers, views and tasks do with jobs(). Needs nlohmann/json.
//
//     jobs().enqueue(signature("reports.build", title, 12).countdown(10s), [](const Enqueued& done) { ... });
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "madang/json.hpp"
#include "madang/signature.hpp"

namespace madang {

// What became of one signature or workflow that was enqueued.
struct EnqueuedJob {
    std::string id;                     // a chain's: its last job's; a chord's: its body's
    bool duplicate = false;             // another job has the unique key: that one's id
    std::vector<std::string> children;  // all ids of a workflow, in the order in which they were written
};
// enqueue's answer. Borrowed for the call that brings it.
struct Enqueued : Answer {
    std::vector<EnqueuedJob> jobs;  // one for each signature or workflow
    bool repeated = false;          // the idempotency key was there: the first enqueue's answer
    const std::string& id() const { return jobs.at(0).id; }  // throws std::out_of_range when it failed
};
// cancel's answer.
struct Cancelled : Answer {
    std::size_t count = 0;  // jobs that were not over, and are revoked
};
// find's answer.
struct FoundJob : Answer {
    json job;  // as GET /api/jobs/{id} answers
};

// What a job survives once its enqueue was answered. Each survives the server's own death.
enum class Durability : std::int8_t {
    server_default = -1,  // the server's option
    buffered = 0,         // perhaps not a power cut
    synced = 1            // a power cut, too
};

// How jobs are enqueued.
struct EnqueueOptions {
    Durability durability = Durability::server_default;  // when the answer comes
    std::string_view idempotency_key = {};  // again within 5 minutes: answered as the first, and nothing done
    std::string_view correlation_id = {};   // "": of the connection, request or job
};

namespace detail {

inline const madang_jobs& jobs_of(const Host& host) {
    if (host.jobs == nullptr) throw Error(MADANG_UNSUPPORTED, "this server has no jobs");
    return *host.jobs;
}
template <class Result, class Fill>
void tell_json(void* context, const madang_failure* failed, madang_str text, Fill fill) {
    Pending<Result>::answer(context, failed,
                            [&](Result& made, const Host&) { fill(made, parse_json(from_abi(text))); });
}
inline void tell_enqueued(void* context, const madang_failure* failed, madang_str text) {
    tell_json<Enqueued>(context, failed, text, [](Enqueued& made, const json& value) {
        made.repeated = value.value("repeated", false);
        for (const json& each : value.at("jobs"))
            made.jobs.push_back({each.at("id"), each.value("duplicate", false),
                                 each.value("children", std::vector<std::string>())});
    });
}
inline void tell_cancelled(void* context, const madang_failure* failed, madang_str text) {
    tell_json<Cancelled>(context, failed, text,
                         [](Cancelled& made, const json& value) { made.count = value.at("cancelled"); });
}
inline void tell_found(void* context, const madang_failure* failed, madang_str text) {
    tell_json<FoundJob>(context, failed, text,
                        [](FoundJob& made, json value) { made.job = std::move(value); });
}

}  // namespace detail

// What asks for jobs. Any thread; answers as the layer's come: a consumer's jobs() answers on the consumer's
// own thread, and not after it is gone, all others on any thread. Functions return false when a queue is full
// or the connection is closed: nothing was done, no answer comes. What the caller did wrong is thrown.
// Refused (Answer's code): 107 with the member's path, 413 too large, 470 unknown task, 503 busy, 530 the
// disk is full.
class Jobs {
  public:
    // By the SDK's jobs() functions.
    explicit Jobs(const Host& host, madang_connection* connection = nullptr,
                  std::string_view correlation_id = {})
        : host_(&host), connection_(connection), correlation_id_(correlation_id) {}

    // done(const Enqueued&), or none: the answer comes when it is as durable as asked.
    template <class Done = std::nullptr_t>
    bool enqueue(const Work& what, const EnqueueOptions& options, Done done = nullptr) const {
        return enqueue_text(what.dump(), options, std::move(done));
    }
    // The same, with the server's options.
    template <class Done = std::nullptr_t>
    requires(!std::convertible_to<Done, const EnqueueOptions&>) bool enqueue(const Work& what,
                                                                             Done done = nullptr) const {
        return enqueue_text(what.dump(), {}, std::move(done));
    }
    // All or none, in one write; done(const Enqueued&), or none.
    template <class Done = std::nullptr_t>
    bool enqueue_all(const std::vector<Work>& what, const EnqueueOptions& options = {},
                     Done done = nullptr) const {
        return enqueue_text(detail::list_of(what).dump(), options, std::move(done));
    }
    // Whatever stage it is at; all jobs of a workflow, by the id that it was answered with.
    // done(const Cancelled&), or none.
    template <class Done = std::nullptr_t>
    bool cancel(std::string_view id, std::string_view reason, Done done = nullptr) const {
        return ask<Cancelled>(
            "cancel", id, std::move(done),
            [&](auto... rest) {
                return detail::jobs_of(*host_).cancel(host_->handle, connection_, detail::to_abi(id),
                                                      detail::to_abi(reason), rest...);
            },
            &detail::tell_cancelled);
    }
    // done(const FoundJob&): waits at most so long for its end. 404: it is not known, or not any more.
    template <std::invocable<const FoundJob&> Done>
    bool find(std::string_view id, std::chrono::milliseconds wait, Done done) const {
        const auto longest = static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count(), 0));
        return ask<FoundJob>(
            "find", id, std::move(done),
            [&](auto... rest) {
                return detail::jobs_of(*host_).find(host_->handle, connection_, detail::to_abi(id), longest,
                                                    rest...);
            },
            &detail::tell_found);
    }

  private:
    template <class Done>
    bool enqueue_text(const std::string& text, const EnqueueOptions& options, Done done) const {
        const auto correlation =
            options.correlation_id.empty() ? std::string_view(correlation_id_) : options.correlation_id;
        const madang_enqueue_options given{sizeof given, static_cast<std::int32_t>(options.durability),
                                           detail::to_abi(options.idempotency_key),
                                           detail::to_abi(correlation)};
        return ask<Enqueued>(
            "enqueue", {}, std::move(done),
            [&](auto... rest) {
                return detail::jobs_of(*host_).enqueue(host_->handle, connection_, detail::to_abi(text),
                                                       &given, rest...);
            },
            &detail::tell_enqueued);
    }
    // The server takes the context only when it accepts.
    template <class Result, class Done, class Call>
    bool ask(std::string_view name, std::string_view what, Done done, Call call,
             madang_json_answer answer) const {
        if constexpr (std::is_same_v<Done, std::nullptr_t>) {
            return detail::done(call(madang_json_answer{}, static_cast<void*>(nullptr), madang_drop{}), name,
                                what);
        } else {
            using Pending = detail::Pending<Result>;
            auto context = std::unique_ptr<Pending>(new Pending{host_, connection_, std::move(done)});
            const auto status = call(answer, static_cast<void*>(context.get()), &Pending::drop);
            if (status == MADANG_OK) (void)context.release();
            return detail::done(status, name, what);
        }
    }

    const Host* host_;
    madang_connection* connection_;
    std::string correlation_id_;
};

}  // namespace madang
