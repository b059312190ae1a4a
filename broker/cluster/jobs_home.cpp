#include "broker/cluster/jobs_home.hpp"

namespace madang {

const view_member* jobs_home(const cluster_view& view) noexcept {
    const view_member* found = nullptr;
    for (const auto& each : view.members)  // by name
        if (each.state == node_state::up &&
            (found == nullptr || each.who.incarnation < found->who.incarnation))
            found = &each;
    return found;
}

}  // namespace madang
