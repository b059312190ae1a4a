// What must not be guessed, and how it is told from a guess. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace madang {

// From the system's own source, for secrets and nonces. Throws std::runtime_error where there is none.
std::string random_bytes(std::size_t count);

using sha256_digest = std::array<unsigned char, 32>;
sha256_digest sha256(std::string_view text);  // throws std::runtime_error where OpenSSL has none

// Takes the same time whatever differs, apart from the length.
bool same_secret(std::string_view a, std::string_view b) noexcept;
bool same_secret(const sha256_digest& a, const sha256_digest& b) noexcept;

// An address without what may be secret: user and password, query, fragment.
std::string url_for_log(std::string_view url);

}  // namespace madang
