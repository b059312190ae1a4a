#include "broker/core/jobs.hpp"

namespace madang {

std::string_view name_of(job_state what, std::uint32_t retries, bool started) noexcept {
    switch (what) {
        case job_state::leased:
            return started ? "STARTED" : "RECEIVED";
        case job_state::success:
            return "SUCCESS";
        case job_state::failure:
            return "FAILURE";
        case job_state::revoked:
            return "REVOKED";
        case job_state::rejected:
            return "REJECTED";
        case job_state::ignored:
            return "IGNORED";
        default:
            return retries != 0 ? "RETRY" : "PENDING";
    }
}

}  // namespace madang
