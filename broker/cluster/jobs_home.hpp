// Which node keeps the cluster's jobs: all of them are one book, because workflows, unique keys and limits
// cross queues.
#pragma once

#include "broker/cluster/view.hpp"

namespace madang {

// Of the members that are up the one that runs longest: the smallest incarnation, then the smaller name. So a
// node that comes, or comes back, never takes the jobs from one that runs. Null: nobody is up. Valid while
// the view is.
const view_member* jobs_home(const cluster_view& view) noexcept;

}  // namespace madang
