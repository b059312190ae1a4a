// One signature: its members as they stand in the JSON, checked with its task's options and made a job.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/core/jobs.hpp"
#include "broker/jobs/enqueue_plan.hpp"
#include "broker/jobs/job_values.hpp"

namespace madang {

// X(name): what an object that asks for something to be done may have. The last three make it a workflow.
// clang-format off
#define MADANG_SIGNATURE_MEMBERS(X) \
    X(task) X(args) X(kwargs) X(queue) X(priority) X(countdown) X(eta) X(expires) X(id) X(unique) \
    X(headers) X(link) X(link_error) X(notify) X(immutable) X(soft_time_limit) X(time_limit) \
    X(ignore_result) X(chain) X(group) X(chord)
// clang-format on

// Raw values, views into the request's text; "": not given, or null.
struct signature_members {
#define MADANG_MEMBER(name) std::string_view name;
    MADANG_SIGNATURE_MEMBERS(MADANG_MEMBER)
#undef MADANG_MEMBER
};
// Refuses what is no object, what there is no such member of, and what stands there twice.
result<void> read_members(std::string_view json, const json_place& where, signature_members& into);

// What a signature does not say itself.
struct signature_context {
    const planning& with;
    std::int64_t now_ms = 0;
    bool waits = false;    // for a job before it, whose result comes before its arguments
    bool in_flow = false;  // part of a workflow, or linked
};
// Sets all but id (unless given), links, parents and barriers; never reads the workflows' members.
result<void> make_job(const signature_members& from, const json_place& where,
                      const signature_context& context, job_spec& into);

}  // namespace madang
