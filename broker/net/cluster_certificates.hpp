// A cluster's own authority and its nodes' certificates: P-256 keys, X.509 v3 (RFC 5280), as PEM text.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

struct pem_pair {
    std::string certificate;
    std::string key;  // PKCS #8, not encrypted
};

struct certificate_wish {
    std::string name;                // an authority's common name, or a node's
    std::vector<std::string> hosts;  // names and addresses beside a node's name
    std::chrono::system_clock::time_point from, until;
};

// Errors: invalid_argument (what is asked for), system_failure (OpenSSL's words).
result<pem_pair> make_authority(const certificate_wish& wish);
// For both ends of a link. Its DNS names are the node's name and the hosts.
result<pem_pair> issue_certificate(const pem_pair& authority, const certificate_wish& wish);

// DIR/ca.pem and DIR/ca.key (mode 0600); makes the folder. DIR/NAME.pem and DIR/NAME.key, by the authority
// that is there. Nothing is overwritten, and when one of two files cannot be written neither is left. Return
// the certificate's path.
result<std::string> write_authority(const std::string& folder, const std::string& name, unsigned days);
result<std::string> write_certificate(const std::string& folder, const std::string& name,
                                      const std::vector<std::string>& hosts, unsigned days);

}  // namespace madang
