#include "broker/bench/frames.hpp"

#include <cstring>
#include <stdexcept>

namespace madang::bench {

namespace {

constexpr unsigned char mask_key[4] = {0x37, 0xfa, 0x21, 0x3d};

void mask(char* bytes, std::size_t size, const unsigned char* key) {
    std::uint64_t wide;
    unsigned char twice[8];
    for (int i = 0; i < 8; ++i) twice[i] = key[i & 3];
    std::memcpy(&wide, twice, 8);
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        std::uint64_t part;
        std::memcpy(&part, bytes + i, 8);
        part ^= wide;
        std::memcpy(bytes + i, &part, 8);
    }
    for (; i < size; ++i) bytes[i] = static_cast<char>(bytes[i] ^ key[i & 3]);
}

}  // namespace

frame_status parse_frame(char* bytes, std::size_t size, frame_from from, frame_view& frame) {
    if (size < 2) return frame_status::partial;
    const auto* head = reinterpret_cast<const unsigned char*>(bytes);
    const bool masked = head[1] & 0x80;
    if ((head[0] & 0xf0) != 0x80 || (head[0] & 0x0f) == 0 || masked != (from == frame_from::client))
        return frame_status::refused;
    std::uint64_t length = head[1] & 0x7f;
    std::size_t header = 2;
    if (length >= 126) {
        const std::size_t wide = length == 126 ? 2 : 8;
        header += wide;
        if (size < header) return frame_status::partial;
        length = 0;
        for (std::size_t i = 0; i < wide; ++i) length = length << 8 | head[2 + i];
    }
    if (length > std::uint64_t{1} << 40) return frame_status::refused;
    const std::size_t payload = header + (masked ? 4 : 0);
    if (size < payload || size - payload < length) return frame_status::partial;
    if (masked) mask(bytes + payload, length, head + header);
    frame.opcode = head[0] & 0x0f;
    frame.payload = {bytes + payload, static_cast<std::size_t>(length)};
    frame.size = payload + length;
    return frame_status::complete;
}

void append_frame(std::string& out, frame_from from, std::uint8_t opcode, std::string_view payload) {
    const auto masked = static_cast<std::uint8_t>(from == frame_from::client ? 0x80 : 0);
    out.push_back(static_cast<char>(0x80 | opcode));
    if (payload.size() < 126) {
        out.push_back(static_cast<char>(masked | payload.size()));
    } else {
        const int wide = payload.size() < 65536 ? 2 : 8;
        out.push_back(static_cast<char>(masked | (wide == 2 ? 126 : 127)));
        for (int i = wide - 1; i >= 0; --i)
            out.push_back(static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i)));
    }
    if (masked) out.append(reinterpret_cast<const char*>(mask_key), 4);
    const auto start = out.size();
    out.append(payload);
    if (masked) mask(out.data() + start, payload.size(), mask_key);
}

payload_template::payload_template(envelope kind, std::size_t size) {
    const std::string_view before = kind == envelope::chat ? "{\"message\":\"" : "";
    const std::string_view after = kind == envelope::chat ? "\"}" : "";
    const auto least = before.size() + sequence_size + after.size();
    if (size < least)
        throw std::invalid_argument("the payload must have at least " + std::to_string(least) + " bytes");
    text_.append(before).append("~0000000000000000").append(size - least, '.').append(after);
    digits_ = before.size() + 1;
}

std::string_view payload_template::with_sequence(std::uint64_t sequence) {
    for (std::size_t i = 0; i < 16; ++i)
        text_[digits_ + i] = static_cast<char>('0' + (sequence >> (60 - 4 * i) & 15));
    return text_;
}

std::optional<std::uint64_t> read_sequence(std::string_view payload) {
    const auto* marker = static_cast<const char*>(std::memchr(payload.data(), '~', payload.size()));
    if (!marker || payload.data() + payload.size() - marker < static_cast<std::ptrdiff_t>(sequence_size))
        return std::nullopt;
    std::uint64_t sequence = 0;
    for (int i = 1; i <= 16; ++i) {
        if ((marker[i] & 0xf0) != '0') return std::nullopt;
        sequence = sequence << 4 | static_cast<std::uint64_t>(marker[i] & 15);
    }
    return sequence;
}

std::string upgrade_request(std::string_view target, std::string_view host, std::string_view bearer_token) {
    std::string request = "GET ";
    request.append(target)
        .append(" HTTP/1.1\r\nHost: ")
        .append(host)
        .append("\r\nOrigin: http://")
        .append(host);
    request.append("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    request.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (!bearer_token.empty()) request.append("Authorization: Bearer ").append(bearer_token).append("\r\n");
    return request.append("\r\n");
}

}  // namespace madang::bench
