// Makes tokens, for `madang token` and for tests. What verifies them is jwt.hpp.
#pragma once

#include <string>
#include <string_view>

namespace madang {

// {"alg":"HS256","typ":"JWT"} and `claims`, a JSON object, as a JWS in compact form (RFC 7515 3.1).
std::string sign_hs256(std::string_view secret, std::string_view claims);

}  // namespace madang
