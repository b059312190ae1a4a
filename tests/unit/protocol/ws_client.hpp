// Masked frames as a client sends them, and a sink that writes down what it is told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/protocol/ws_decoder.hpp"

namespace madang::test {

inline std::string masked(std::string bytes, const char* key) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ key[i % 4]);
    return bytes;
}

// `first`: FIN, RSV and opcode. `declared`: the length in the header when it is not the payload's.
inline std::string client_frame(int first, std::string_view payload, std::int64_t declared = -1) {
    constexpr char key[] = "\x37\xfa\x21\x3d";
    const std::uint64_t size = declared < 0 ? payload.size() : static_cast<std::uint64_t>(declared);
    std::string frame(1, static_cast<char>(first));
    const int bytes = size <= 125 ? 0 : size <= 0xffff ? 2 : 8;
    frame += static_cast<char>(0x80 | (bytes == 0 ? size : bytes == 2 ? 126 : 127));
    for (int i = bytes - 1; i >= 0; --i) frame += static_cast<char>(size >> (8 * i) & 0xff);
    return frame.append(key, 4) + masked(std::string{payload}, key);
}
inline std::string text(std::string_view payload) { return client_frame(0x81, payload); }
inline std::string close_payload(int code, std::string_view reason = {}) {
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)} + std::string{reason};
}

// Each call as one line: "text:…", "binary:…", "ping:…", "pong:…", "close:1000:…", "error:1002".
class recorder final : public ws_sink {
  public:
    bool on_message(ws_opcode opcode, std::string_view bytes) override {
        add(opcode == ws_opcode::text ? "text:" : "binary:", bytes);
        return --messages_until_stop != 0;
    }
    void on_ping(std::string_view bytes) override { add("ping:", bytes); }
    void on_pong(std::string_view bytes) override { add("pong:", bytes); }
    void on_close(std::uint16_t code, std::string_view reason) override {
        add("close:" + std::to_string(code) + ":", reason);
    }

    std::vector<std::string> lines;
    int messages_until_stop = 0;  // 0: never

  private:
    void add(std::string kind, std::string_view bytes) { lines.push_back(kind.append(bytes)); }
};

// Feeds all the bytes in pieces of `piece` bytes, each in memory of its own size so that a sanitizer sees any
// overrun.
inline std::vector<std::string> decode(std::string_view bytes, std::size_t piece = ~std::size_t{0},
                                       ws_compression compression = ws_compression::none,
                                       std::size_t limit = 1 << 20) {
    recorder sink;
    ws_decoder decoder{limit, compression};
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, piece);
        std::vector<char> buffer{part.begin(), part.end()};
        bytes.remove_prefix(part.size());
        const ws_consumed result = decoder.consume(buffer.data(), buffer.size(), sink);
        if (result.error) sink.lines.push_back("error:" + std::to_string(result.error.code));
    }
    return sink.lines;
}

}  // namespace madang::test
