// A publication's compressed form, made once per window and shared by every member that negotiated it.
#pragma once

#include <cstdint>
#include <string_view>

#include "broker/core/payload.hpp"

namespace madang {

// The payload as one compressed text frame (RSV1, header included); window_bits: deflate_parameters'. Valid
// while a reference to the payload is held. made: set when this call did the work. Any thread. Throws
// std::bad_alloc.
std::string_view compressed_text_frame(const payload& message, std::uint8_t window_bits,
                                       bool* made = nullptr);

}  // namespace madang
