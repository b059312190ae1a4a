#include "broker/protocol/ws_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "broker/protocol/deflate.hpp"
#include "broker/protocol/utf8.hpp"

namespace madang {
namespace {

constexpr std::size_t header_limit = 14;  // RFC 6455 5.2: 2 + 8 of length + 4 of mask

ws_error protocol_error(std::string_view reason) noexcept { return {ws_protocol_error, reason}; }
ws_error bad_text() noexcept { return {ws_invalid_data, "text is not UTF-8"}; }
ws_error too_big() noexcept { return {ws_too_big, "message too big"}; }

// XORs with the mask, whose first octet belongs to data[0]. Returns whether all the results are ASCII: one
// pass serves both.
bool unmask(char* data, std::size_t size, std::uint32_t mask) noexcept {
    using block = std::uint64_t __attribute__((vector_size(16)));
    const std::uint64_t wide = mask | (static_cast<std::uint64_t>(mask) << 32);
    const block masks = {wide, wide};
    block seen = {0, 0};
    for (; size >= sizeof(block); data += sizeof(block), size -= sizeof(block)) {
        block value;
        std::memcpy(&value, data, sizeof value);
        value ^= masks;
        seen |= value;
        std::memcpy(data, &value, sizeof value);
    }
    std::uint64_t all = seen[0] | seen[1];
    if (size >= sizeof wide) {
        std::uint64_t value;
        std::memcpy(&value, data, sizeof value);
        value ^= wide;
        all |= value;
        std::memcpy(data, &value, sizeof value);
        data += sizeof value;
        size -= sizeof value;
    }
    const char* key = reinterpret_cast<const char*>(&mask);
    for (std::size_t i = 0; i < size; ++i) {
        data[i] = static_cast<char>(data[i] ^ key[i & 3]);
        all |= static_cast<unsigned char>(data[i]);
    }
    return (all & 0x8080808080808080) == 0;
}

std::uint32_t rotated(std::uint32_t mask, std::size_t by) noexcept {
    char octets[8];
    std::memcpy(octets, &mask, sizeof mask);
    std::memcpy(octets + 4, &mask, sizeof mask);
    std::memcpy(&mask, octets + by % 4, sizeof mask);
    return mask;
}

// What the first two octets alone condemn, so that nobody waits for the rest. `available` >= 1.
ws_error check_first_octets(const char* at, std::size_t available, ws_compression compression) noexcept {
    const auto first = static_cast<std::uint8_t>(at[0]);
    const unsigned opcode = first & 0x0f;
    if (first & 0x30) return protocol_error("reserved bit set");
    if (first & ws_rsv1 && (compression == ws_compression::none || opcode == 0 || opcode > 2))
        return protocol_error("RSV1 set");
    if ((opcode > 2 && opcode < 8) || opcode > 10) return protocol_error("reserved opcode");
    if (opcode >= 8 && !(first & ws_fin)) return protocol_error("fragmented control frame");
    if (available < 2) return {};
    if (!(at[1] & 0x80)) return protocol_error("frame is not masked");
    if (opcode >= 8 && (at[1] & 0x7f) > static_cast<int>(ws_control_limit))
        return protocol_error("control frame too long");
    return {};
}

}  // namespace

struct ws_decoder::header {
    std::uint64_t length = 0;
    std::uint32_t mask = 0;  // as it lies in memory
    std::uint8_t first = 0;  // FIN, RSV, opcode

    bool fin() const noexcept { return first & ws_fin; }
    bool compressed() const noexcept { return first & ws_rsv1; }
    bool is_control() const noexcept { return first & 0x08; }
    ws_opcode opcode() const noexcept { return static_cast<ws_opcode>(first & 0x0f); }

    // Bytes of the header that begins at `at`, as far as the given ones tell.
    static std::size_t size(const char* at, std::size_t available) noexcept {
        if (available < 2) return 2;
        const unsigned length = at[1] & 0x7f;
        const std::size_t mask = at[1] & 0x80 ? 4 : 0;
        return mask + (length == 126 ? 4 : length == 127 ? 10 : 2);
    }

    // From a complete header, whose first octets were checked.
    ws_error read(const char* at) noexcept {
        const auto octet = [at](std::size_t i) -> std::uint64_t { return static_cast<unsigned char>(at[i]); };
        first = static_cast<std::uint8_t>(at[0]);
        length = octet(1) & 0x7f;
        std::size_t end = 2;
        std::uint64_t least = 0;  // RFC 6455 5.2: the minimal number of octets must be used
        if (length == 126) {
            length = octet(2) << 8 | octet(3);
            end = 4;
            least = 126;
        } else if (length == 127) {
            length = 0;
            for (end = 2; end < 10; ++end) length = length << 8 | octet(end);
            least = 0x10000;
        }
        std::memcpy(&mask, at + end, sizeof mask);
        if (length < least) return protocol_error("length is not minimal");
        if (length >> 63) return protocol_error("length has its top bit set");
        return {};
    }
};

// What must outlive one read.
struct ws_decoder::partial {
    std::string message;                         // as received: unmasked, still compressed
    ws_opcode opcode = ws_opcode::continuation;  // of the message; continuation: none is open
    bool compressed = false;
    utf8_checker utf8;

    bool in_frame = false;
    std::uint8_t header_size = 0;   // bytes of a header that the end of a read has cut
    std::uint8_t control_size = 0;  // bytes of a control frame so far
    header frame;  // the one that is being received; its mask begins with the next byte's octet
    std::uint64_t remaining = 0;  // payload bytes of it still to come
    char header_bytes[header_limit];
    char control_bytes[ws_control_limit];

    bool message_open() const noexcept { return opcode != ws_opcode::continuation; }
    void open_message(const header& h) noexcept {
        opcode = h.opcode();
        compressed = h.compressed();
    }
};

ws_decoder::ws_decoder(std::size_t max_message_bytes, ws_compression compression) noexcept
    : max_message_bytes_(std::min(max_message_bytes, ~std::size_t{0} / 4)), compression_(compression) {}
ws_decoder::~ws_decoder() = default;
ws_decoder::ws_decoder(ws_decoder&&) noexcept = default;
ws_decoder& ws_decoder::operator=(ws_decoder&&) noexcept = default;

ws_decoder::partial& ws_decoder::make_partial() {
    if (!partial_) partial_ = std::make_unique<partial>();
    return *partial_;
}

ws_consumed ws_decoder::consume(char* data, std::size_t size, ws_sink& sink) {
    cursor in{data, data + size};
    outcome result;
    while (in.at != in.end && !closed_ && !result.stop && !result.error) {
        header h;
        if (partial_ && partial_->in_frame)
            result = go_on_with_frame(in, sink);
        else if (read_header(in, h, result.error))
            result = begin_frame(h, in, sink);
    }
    if (result.error) closed_ = true;
    if (closed_) {
        partial_.reset();
        return {size, result.error};
    }
    return {static_cast<std::size_t>(in.at - data), {}};
}

// False: the header is not complete yet, or wrong.
bool ws_decoder::read_header(cursor& in, header& h, ws_error& error) {
    if (!partial_ || partial_->header_size == 0) {
        const auto available = static_cast<std::size_t>(in.end - in.at);
        if ((error = check_first_octets(in.at, available, compression_))) return false;
        const std::size_t needed = header::size(in.at, available);
        if (available >= needed) {
            error = h.read(in.at);
            in.at += needed;
            return !error;
        }
        partial& p = make_partial();
        std::memcpy(p.header_bytes, in.at, available);
        p.header_size = static_cast<std::uint8_t>(available);
        in.at = in.end;
        return false;
    }
    partial& p = *partial_;
    while (in.at != in.end) {
        p.header_bytes[p.header_size++] = *in.at++;
        if ((error = check_first_octets(p.header_bytes, p.header_size, compression_))) return false;
        if (p.header_size == header::size(p.header_bytes, p.header_size)) {
            p.header_size = 0;
            error = h.read(p.header_bytes);
            return !error;
        }
    }
    return false;
}

// A header against the state of the message. Sizes are checked before anything is buffered.
ws_error ws_decoder::check(const header& h) const noexcept {
    if (h.is_control()) return {};
    const bool open = partial_ && partial_->message_open();
    if (open != (h.opcode() == ws_opcode::continuation))
        return protocol_error(open ? "message within a message" : "continuation of nothing");
    std::uint64_t limit = max_message_bytes_;
    // Deflate makes a message longer by little at worst; what it inflates to is limited in its turn.
    if (open ? partial_->compressed : h.compressed()) limit += limit / 64 + 64;
    const std::uint64_t held = open ? partial_->message.size() : 0;
    if (h.length > limit || held > limit - h.length) return too_big();
    return {};
}

ws_decoder::outcome ws_decoder::begin_frame(const header& h, cursor& in, ws_sink& sink) {
    if (const ws_error error = check(h)) return {error};
    if (h.length <= static_cast<std::uint64_t>(in.end - in.at)) {
        const auto length = static_cast<std::size_t>(h.length);
        const bool ascii = unmask(in.at, length, h.mask);
        const std::string_view bytes{in.at, length};
        in.at += length;
        return whole_frame(h, bytes, ascii, sink);
    }
    partial& p = make_partial();
    p.in_frame = true;
    p.frame = h;
    p.remaining = h.length;
    p.control_size = 0;
    if (!h.is_control() && !p.message_open()) p.open_message(h);
    return {};
}

ws_decoder::outcome ws_decoder::whole_frame(const header& h, std::string_view bytes, bool ascii,
                                            ws_sink& sink) {
    if (h.is_control()) {
        if (partial_ && !partial_->message_open()) partial_.reset();  // it held this frame's header
        return control(h.opcode(), bytes, sink);
    }
    if (h.fin() && h.opcode() != ws_opcode::continuation) {
        partial_.reset();  // likewise
        if (h.compressed()) return inflated(h.opcode(), bytes, sink);
        if (h.opcode() == ws_opcode::text && !ascii && !utf8_checker::check(bytes)) return {bad_text()};
        return {{}, !sink.on_message(h.opcode(), bytes)};
    }
    partial& p = make_partial();
    if (!p.message_open()) p.open_message(h);
    if (const ws_error error = append(bytes)) return {error};
    return h.fin() ? end_message(sink) : outcome{};
}

ws_decoder::outcome ws_decoder::go_on_with_frame(cursor& in, ws_sink& sink) {
    partial& p = *partial_;
    const auto take =
        static_cast<std::size_t>(std::min(p.remaining, static_cast<std::uint64_t>(in.end - in.at)));
    unmask(in.at, take, p.frame.mask);
    const std::string_view bytes{in.at, take};
    in.at += take;
    p.remaining -= take;
    p.frame.mask = rotated(p.frame.mask, take);
    if (p.frame.is_control()) {
        std::memcpy(p.control_bytes + p.control_size, bytes.data(), take);
        p.control_size = static_cast<std::uint8_t>(p.control_size + take);
    } else if (const ws_error error = append(bytes)) {
        return {error};
    }
    if (p.remaining > 0) return {};
    p.in_frame = false;
    if (!p.frame.is_control()) return p.frame.fin() ? end_message(sink) : outcome{};
    const outcome result = control(p.frame.opcode(), {p.control_bytes, p.control_size}, sink);
    if (!p.message_open()) partial_.reset();
    return result;
}

// To the open message; fails with the first octet that cannot be text (RFC 6455 8.1).
ws_error ws_decoder::append(std::string_view bytes) {
    partial& p = *partial_;
    if (p.opcode == ws_opcode::text && !p.compressed && !p.utf8.feed(bytes)) return bad_text();
    p.message.append(bytes);
    return {};
}

ws_decoder::outcome ws_decoder::end_message(ws_sink& sink) {
    const std::unique_ptr<partial> p = std::move(partial_);
    if (p->compressed) return inflated(p->opcode, p->message, sink);
    if (!p->utf8.complete()) return {bad_text()};
    return {{}, !sink.on_message(p->opcode, p->message)};
}

ws_decoder::outcome ws_decoder::inflated(ws_opcode opcode, std::string_view bytes, ws_sink& sink) {
    std::string message;
    switch (inflate_message(bytes, max_message_bytes_, message)) {
        case inflate_result::done:
            break;
        case inflate_result::too_big:
            return {too_big()};
        case inflate_result::corrupt:
            return {{ws_invalid_data, "compressed data is corrupt"}};
    }
    sink.on_inflated(bytes.size(), message.size());
    if (opcode == ws_opcode::text && !utf8_checker::check(message)) return {bad_text()};
    return {{}, !sink.on_message(opcode, message)};
}

ws_decoder::outcome ws_decoder::control(ws_opcode opcode, std::string_view bytes, ws_sink& sink) {
    if (opcode == ws_opcode::ping) return sink.on_ping(bytes), outcome{};
    if (opcode == ws_opcode::pong) return sink.on_pong(bytes), outcome{};
    std::uint16_t code = ws_no_status;
    if (!bytes.empty()) {  // RFC 6455 5.5.1, 7.4
        if (bytes.size() == 1) return {protocol_error("close frame of one byte")};
        code = static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 |
                                          static_cast<unsigned char>(bytes[1]));
        if (!ws_sendable_close_code(code)) return {protocol_error("invalid close code")};
        bytes.remove_prefix(2);
        if (!utf8_checker::check(bytes)) return {{ws_invalid_data, "close reason is not UTF-8"}};
    }
    closed_ = true;
    sink.on_close(code, bytes);
    return {};
}

}  // namespace madang
