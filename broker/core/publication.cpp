#include "broker/core/publication.hpp"

#include <nlohmann/json.hpp>

namespace madang {

std::string to_json(const client_info& who) {
    std::string text =
        "{\"user\":" + nlohmann::json(who.user).dump() + ",\"client\":" + nlohmann::json(who.client).dump();
    if (!who.conn_info.empty()) text += ",\"conn_info\":" + who.conn_info;
    if (!who.chan_info.empty()) text += ",\"chan_info\":" + who.chan_info;
    return text + "}";
}

}  // namespace madang
