// How jobs that are with a worker end, and what becomes of that.
#include <algorithm>

#include "actors/job_desk.hpp"
#include "broker/core/errors.hpp"
#include "broker/core/utf8.hpp"
#include "broker/jobs/retry_policy.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

using outcome = link::ended::outcome;

constexpr std::size_t error_bytes = 16 * 1024;  // of a message, and of a trace; the rest is cut

}  // namespace

job_desk::lease* job_desk::live(std::uint64_t token, std::uint64_t worker) {
    const auto found = leases_.find(token);
    return found == leases_.end() || found->second.worker != worker || found->second.end ? nullptr
                                                                                         : &found->second;
}

void job_desk::let_go(lease& what) {
    if (!std::exchange(what.counted, false)) return;
    counts_.gauge_add(gauge::jobs_running, -1);
    const auto found = workers_.find(what.worker);
    if (found == workers_.end()) return;
    --found->second.leases;
    if (what.began) --found->second.running;
}

void job_desk::end(std::uint64_t token, lease& what, link::ended&& how) {
    let_go(what);
    if (how.what == outcome::lost) counts_.add(counter::job_losses);
    for (auto* text : {&how.error.message, &how.error.trace})
        text->resize(cut_utf8(*text, error_bytes).size());
    if (what.spec) host_.ran(*what.spec, how);
    what.end = std::move(how);
    finish(token);
}

void job_desk::hand_back(std::uint64_t token) {
    link::ended how;
    how.token = token;
    how.what = outcome::handed_back;
    end(token, leases_.at(token), std::move(how));
}

void job_desk::lose_with_server(std::uint64_t token) {
    auto& which = leases_.at(token);
    which.blameless = true;
    link::ended how;
    how.token = token;
    how.what = outcome::lost;
    how.error = {"ServerLostError", "the server ended while it ran", ""};
    end(token, which, std::move(how));
}

void job_desk::hold(const job_effects::held_lease& what) {
    const auto [found, fresh] = leases_.try_emplace(what.which.token);
    if (!fresh) return;
    auto& kept = found->second;
    kept.job = what.which.job;
    kept.began = true;  // as far as anybody knows
    kept.claim_until_ms = host_.now().elapsed_ms + settings_.worker_timeout.count();
    const auto early = claims_.find(what.which.token);
    if (early == claims_.end() || early->second.job != kept.job) return;
    const auto claimed = std::move(early->second);
    claims_.erase(early);
    const auto by = workers_.find(claimed.worker);
    if (by == workers_.end()) return;
    take_up(what.which.token, kept, claimed.worker, by->second);
    if (claimed.end) said(claimed.worker, link::ended(*claimed.end));
}

void job_desk::await_claims() {
    after(settings_.worker_timeout.count(), [this] { lose_unclaimed(); });
}

void job_desk::finish(std::uint64_t token) {
    const auto found = leases_.find(token);
    if (found == leases_.end()) return;
    auto& which = found->second;
    const auto how = which.end->what;
    const bool judged = how != outcome::lost && how != outcome::handed_back;
    if (judged && !which.spec) return learn_spec(token);
    report_progress(token);  // the last, however soon: ahead of the news of its end
    submit(ending(token, which), [this, token](job_answer&& done) { ended(token, std::move(done)); });
}

job_request job_desk::ending(std::uint64_t token, lease& which) {
    const auto now = host_.now();
    const auto& how = *which.end;
    const auto* task = which.spec ? planning_.tasks.find(which.spec->task) : nullptr;
    job_lease named{which.id(), token};
    which.retried = false;
    // Revoked whatever it answers: the store begins no cancelled job again.
    if (which.cancelled && how.what != outcome::lost)
        return job_commands::fail{std::move(named), how.error, job_commands::fail::verdict::retry, 0, now};
    switch (how.what) {
        case outcome::success:
            if (how.result.size() <= settings_.job_result_bytes)
                return job_commands::succeed{std::move(named), how.result, now};
            return job_commands::fail{std::move(named),
                                      {"ResultTooLarge",
                                       std::to_string(how.result.size()) + " bytes; --job-result-bytes is " +
                                           std::to_string(settings_.job_result_bytes),
                                       ""},
                                      job_commands::fail::verdict::dead,
                                      0,
                                      now};
        case outcome::lost:
            return job_commands::lose{{std::move(named)},
                                      how.error,
                                      settings_.job_loss_limit,
                                      task != nullptr && task->reject_on_worker_lost && !which.blameless,
                                      now,
                                      !which.blameless};
        case outcome::handed_back:
            return job_commands::fail{std::move(named), {}, job_commands::fail::verdict::handed_back, 0, now};
        default:
            break;
    }
    const auto judged = judge(*which.spec, task, which.retries, how, host_.dice());
    auto verdict = job_commands::fail::verdict::dead;
    switch (judged.what) {
        case attempt_verdict::kind::retry:
            verdict = job_commands::fail::verdict::retry;
            which.retried = true;
            break;
        case attempt_verdict::kind::requeued:
            verdict = job_commands::fail::verdict::requeued;
            break;
        case attempt_verdict::kind::rejected:
            verdict = job_commands::fail::verdict::rejected;
            break;
        case attempt_verdict::kind::ignored:
            verdict = job_commands::fail::verdict::ignored;
            break;
        case attempt_verdict::kind::dead:
            break;
    }
    return job_commands::fail{std::move(named), how.error, verdict, judged.after_ms, now};
}

void job_desk::ended(std::uint64_t token, job_answer&& how) {
    const auto found = leases_.find(token);
    if (found == leases_.end()) return;
    auto& which = found->second;
    const bool stale = !how && (how.error().code == errc::stale_lease || how.error().code == errc::not_found);
    if (!how && !stale) return after(retry_ms, [this, token] { finish(token); });
    if (stale) counts_.add(counter::job_stale_ends);
    if (!stale && which.retried) counts_.add(counter::job_retries);
    if (which.worker != 0) host_.tell(which.worker, link::told{token, stale});
    leases_.erase(found);
    if (draining_) touch();  // the host asks how many are left
}

void job_desk::learn_spec(std::uint64_t token) {
    submit(
        job_queries::find{leases_.at(token).id()},
        [this, token](job_answer&& got) {
            const auto found = leases_.find(token);
            if (found == leases_.end() || found->second.spec) return;
            if (!got && got.error().code != errc::not_found)
                return after(retry_ms, [this, token] {
                    if (leases_.contains(token)) learn_spec(token);
                });
            auto& which = found->second;
            if (got) {
                auto& view = *std::get<std::shared_ptr<job_view>>(*got);
                which.retries = view.retries;
                which.losses = view.losses;
                which.cancelled = view.cancelled;
                which.spec = std::make_shared<const job_spec>(std::move(view.spec));
            } else {  // then its end is refused as well, whatever it is
                auto unknown = std::make_shared<job_spec>();
                unknown->id = which.job;
                which.spec = std::move(unknown);
            }
            if (which.end) return finish(token);
            if (which.cancelled) stop_running(token, link::stop::how::ask);
        },
        kind::question);
}

void job_desk::stop_running(std::uint64_t token, link::stop::how how) {
    const auto found = leases_.find(token);
    if (found == leases_.end() || found->second.worker == 0 || found->second.end) return;
    found->second.cancelled = true;
    host_.tell(found->second.worker, link::stop{token, how});
    if (how == link::stop::how::kill) return;
    const auto next = how == link::stop::how::ask ? link::stop::how::soft : link::stop::how::kill;
    after(settings_.job_cancel_grace.count(), [this, token, next] { stop_running(token, next); });
}

}  // namespace madang
