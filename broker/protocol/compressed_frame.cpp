#include "broker/protocol/compressed_frame.hpp"

#include <string>

#include "broker/protocol/deflate.hpp"
#include "broker/protocol/ws_encoder.hpp"

namespace madang {

std::string_view compressed_text_frame(const payload& message, std::uint8_t window_bits, bool* made) {
    struct request {
        std::uint8_t window_bits;
        bool* made;
    } ask{window_bits, made};
    static constexpr std::string_view keys[] = {"ws.deflate/8",  "ws.deflate/9",  "ws.deflate/10",
                                                "ws.deflate/11", "ws.deflate/12", "ws.deflate/13",
                                                "ws.deflate/14", "ws.deflate/15"};
    const auto make = [](void* context, std::string_view bytes) -> void* {
        const auto& asked = *static_cast<request*>(context);
        const std::string compressed = deflate_message(asked.window_bits, bytes);
        if (asked.made) *asked.made = true;
        return new std::string(ws_frame(ws_opcode::text, compressed, ws_rsv1));
    };
    const auto destroy = [](void* frame) { delete static_cast<std::string*>(frame); };
    const std::string_view key = keys[window_bits - deflate_least_window_bits];
    return *static_cast<const std::string*>(message.derived(key, make, &ask, destroy));
}

}  // namespace madang
