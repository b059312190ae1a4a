// Signs the bench's own users in.
#pragma once

#include <string>
#include <string_view>

namespace madang::bench {

// {"alg":"HS256","typ":"JWT"} with the claims sub and exp (seconds since 1970).
std::string sign_hs256(std::string_view secret, std::string_view user, long long expires);

}  // namespace madang::bench
