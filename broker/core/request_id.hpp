// Ids that join the log lines of one request or connection, and unguessable names.
#pragma once

#include <string>
#include <string_view>

namespace madang {

// 128 random bits in lower-case hexadecimal (32 characters), from the kernel's generator, fetched by the
// buffer-full per thread. Any thread. Throws std::system_error where the kernel refuses.
std::string make_request_id();

// What an incoming X-Request-ID may be: 1-128 of [A-Za-z0-9._-].
bool valid_request_id(std::string_view id) noexcept;

// The incoming id when it is valid, a new one otherwise.
std::string accept_request_id(std::string_view incoming);

}  // namespace madang
