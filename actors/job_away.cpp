#include "actors/job_away.hpp"

#include <utility>

#include "broker/core/errors.hpp"

namespace madang {

std::optional<job_parcels::call> job_away::ask(job_verb what, std::string body, tell done) {
    if (waiting_.size() >= most_) {
        done(describe(errc::busy).wire_code, "too many requests wait for the node that keeps the jobs");
        return std::nullopt;
    }
    waiting_.emplace(++last_, std::move(done));
    return job_parcels::call{last_, what, std::move(body)};
}

void job_away::came(job_parcels::answer&& what) {
    const auto found = waiting_.find(what.ticket);
    if (found == waiting_.end()) return;  // it was lost, and told so
    const auto done = std::move(found->second);
    waiting_.erase(found);
    done(what.code, std::move(what.body));
}

void job_away::lost() {
    for (auto& [ticket, done] : std::exchange(waiting_, {}))
        done(describe(errc::busy).wire_code,
             "the node that keeps the jobs went away meanwhile: whether this was done is not known");
}

}  // namespace madang
