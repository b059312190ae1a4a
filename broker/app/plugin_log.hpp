// What a plugin logs, as the host hands it over.
#pragma once

#include <string_view>

#include "broker/core/log.hpp"
#include "plugins/host/plugin.hpp"

namespace madang {

inline void log_for_plugin(const plugin& who, madang_log_level level, std::string_view event,
                           std::string_view message) {
    const auto ours = level == MADANG_DEBUG   ? log_level::debug
                      : level == MADANG_WARN  ? log_level::warn
                      : level == MADANG_ERROR ? log_level::error
                                              : log_level::info;
    log(ours, event, {{"plugin", who.id}, {"message", message}});
}

}  // namespace madang
