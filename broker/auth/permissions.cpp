#include "broker/auth/permissions.hpp"

namespace madang {

bool permits(audience who, std::string_view user, bool subscribed) noexcept {
    switch (who) {
        case audience::nobody:
            break;
        case audience::subscribers:
            return subscribed;
        case audience::users:
            return !user.empty();
        case audience::everyone:
            return true;
    }
    return false;
}

bool is_user_limited(const namespace_options& options, std::string_view group) noexcept {
    return options.user_limited && group.find('#') != group.npos;
}

bool is_listed(std::string_view group, std::string_view user) noexcept {
    const auto mark = group.find('#');
    if (mark == group.npos || user.empty()) return false;
    auto rest = group.substr(mark + 1);
    for (;;) {
        const auto comma = rest.find(',');
        if (rest.substr(0, comma) == user) return true;
        if (comma == rest.npos) return false;
        rest.remove_prefix(comma + 1);
    }
}

}  // namespace madang
