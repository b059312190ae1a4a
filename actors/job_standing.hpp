// Where the jobs are that this node is asked about.
#pragma once

#include <cstdint>

namespace madang {

enum class job_standing : std::uint8_t {
    here,     // this node keeps them, and serves; always, without a cluster
    held,     // this node keeps them, and begins nothing: it has no quorum, or goes
    there,    // another node keeps them
    nowhere,  // not known yet, or nobody does
};

}  // namespace madang
