#include "broker/net/link_options.hpp"

#include "broker/cluster/view.hpp"
#include "broker/core/net_address.hpp"
#include "broker/net/cluster_socket.hpp"

namespace madang {

std::string check_link_options(const options& settings, const std::string& node) {
    const int given =
        !settings.cluster_certificate.empty() + !settings.cluster_key.empty() + !settings.cluster_ca.empty();
    if (given != 0 && given != 3)
        return "cluster-certificate, cluster-key and cluster-ca go together: give all three or none";
    if (!is_node_name(node))
        return "node-name \"" + node +
               "\" is no node's name: 1 to 64 letters, digits, dots, dashes; give another with --node-name";
    if (!is_node_name(settings.cluster_name))
        return "cluster-name \"" + settings.cluster_name +
               "\" is none: 1 to 64 letters, digits, dots, dashes";
    return {};
}

std::string lacks_certificates(const std::string& what, const std::string& place) {
    const auto where = endpoint::parse(place);
    if (!where || is_loopback(where->address)) return {};
    return what +
           " is not on loopback and there are no certificates: give it --cluster-certificate, --cluster-key "
           "and --cluster-ca (`madang cluster issue` makes them)";
}

}  // namespace madang
