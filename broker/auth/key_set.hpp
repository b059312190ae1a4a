// A JSON Web Key Set (RFC 7517 5): public keys by their ids.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/signature.hpp"
#include "broker/core/result.hpp"

namespace madang {

struct key_set_limits {
    std::size_t bytes = 256 * 1024;  // of the whole document
    std::size_t keys = 64;           // in it, those of other kinds too
};

// Immutable; any thread.
class key_set {
  public:
    // Keys that are no good to us are left out, as the RFC wants: other kinds, symmetric ones, no id, not for
    // signatures, weak or broken. Errors: bad_request (no key set), too_large (of bytes or keys).
    static result<key_set> parse(std::string_view json, const key_set_limits& limits = {});

    // Null: none of that id that this algorithm may be used with.
    const public_key* find(std::string_view id, jwt_algorithm which) const noexcept;
    bool has(std::string_view id) const noexcept;  // whatever it may be used with
    std::size_t size() const noexcept { return keys_.size(); }

  private:
    struct entry {
        std::string id;
        std::optional<jwt_algorithm> only;  // its "alg"
        public_key key;
    };
    std::vector<entry> keys_;
};

}  // namespace madang
