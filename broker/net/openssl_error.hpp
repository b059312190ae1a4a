// What OpenSSL says went wrong, as a text.
#pragma once

#include <openssl/err.h>

#include <string>

namespace madang {

// The calling thread's last error, and none is left behind. Without one: "unknown reason".
inline std::string openssl_error() {
    char text[256] = "unknown reason";
    if (const auto code = ::ERR_peek_last_error()) ::ERR_error_string_n(code, text, sizeof text);
    ::ERR_clear_error();
    return text;
}

}  // namespace madang
