#include "broker/core/request_id.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "broker/core/ascii.hpp"

namespace madang {

namespace {

constexpr std::size_t id_bytes = 16;

// getrandom(2) with up to 256 bytes is neither interrupted nor cut short once the kernel's generator is
// seeded.
struct random_buffer {
    std::array<unsigned char, 256> bytes;
    std::size_t used = bytes.size();

    const unsigned char* take() {
        if (used == bytes.size()) {
            if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
                throw std::system_error(errno, std::generic_category(), "getrandom");
            }
            used = 0;
        }
        used += id_bytes;
        return bytes.data() + used - id_bytes;
    }
};

}  // namespace

std::string make_request_id() {
    static thread_local random_buffer buffer;
    constexpr char digits[] = "0123456789abcdef";
    const unsigned char* random = buffer.take();
    std::string result(2 * id_bytes, '\0');
    for (std::size_t i = 0; i < id_bytes; ++i) {
        result[2 * i] = digits[random[i] >> 4];
        result[2 * i + 1] = digits[random[i] & 15];
    }
    return result;
}

bool valid_request_id(std::string_view id) noexcept {
    return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, is_name_character);
}

std::string accept_request_id(std::string_view incoming) {
    return valid_request_id(incoming) ? std::string(incoming) : make_request_id();
}

}  // namespace madang
