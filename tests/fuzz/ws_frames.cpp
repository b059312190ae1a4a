// The same bytes, in one piece, in random pieces, and with a sink that stops after every message, tell the
// same.
#include <random>
#include <string>
#include <vector>

#include "broker/protocol/ws_decoder.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace madang {
namespace {

class recorder final : public ws_sink {
  public:
    explicit recorder(bool stops) : stops_(stops) {}
    bool on_message(ws_opcode opcode, std::string_view bytes) override {
        fuzz::require(opcode == ws_opcode::binary || utf8_checker::check(bytes), "text is UTF-8");
        add(opcode == ws_opcode::text ? 't' : 'b', bytes);
        return !stops_;
    }
    void on_ping(std::string_view bytes) override { add_control('i', bytes); }
    void on_pong(std::string_view bytes) override { add_control('o', bytes); }
    void on_close(std::uint16_t code, std::string_view reason) override {
        fuzz::require(code == ws_no_status || ws_sendable_close_code(code),
                      "the close code is one that may be sent");
        fuzz::require(utf8_checker::check(reason), "the reason is UTF-8");
        add_control('c', std::to_string(code).append(reason));
    }
    void add(char kind, std::string_view bytes) { told.push_back(std::string(1, kind).append(bytes)); }
    std::vector<std::string> told;

  private:
    void add_control(char kind, std::string_view bytes) {
        fuzz::require(bytes.size() <= 128, "a control frame is short");
        add(kind, bytes);
    }
    bool stops_;
};

std::vector<std::string> decode(std::string_view bytes, std::size_t limit, ws_compression compression,
                                std::mt19937* pieces, bool stops) {
    recorder sink{stops};
    ws_decoder decoder{limit, compression};
    while (!bytes.empty()) {
        const std::size_t size = pieces ? 1 + (*pieces)() % 24 : bytes.size();
        std::vector<char> part(bytes.begin(),
                               bytes.begin() + static_cast<std::ptrdiff_t>(std::min(size, bytes.size())));
        const ws_consumed result = decoder.consume(part.data(), part.size(), sink);
        fuzz::require(result.bytes <= part.size() && (stops || result.bytes == part.size()),
                      "all is consumed");
        fuzz::require(result.bytes > 0, "it goes on");
        if (result.error) sink.add('e', std::to_string(result.error.code));
        fuzz::require(!decoder.closed() || decoder.idle(), "nothing is held after the end");
        bytes.remove_prefix(result.bytes);
    }
    return sink.told;
}

}  // namespace
}  // namespace madang

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in{data, size};
    const std::uint8_t options = in.byte();
    const auto compression = options & 1 ? ws_compression::permessage_deflate : ws_compression::none;
    const std::size_t limit = options & 2 ? 100 : 100'000;
    std::mt19937 pieces{options};
    const auto whole = decode(in.rest(), limit, compression, nullptr, false);
    fuzz::require(whole == decode(in.rest(), limit, compression, &pieces, false),
                  "pieces make no difference");
    fuzz::require(whole == decode(in.rest(), limit, compression, nullptr, true),
                  "stopping makes no difference");
    fuzz::require(whole == decode(in.rest(), limit, compression, &pieces, true), "neither do both");
    return 0;
}
