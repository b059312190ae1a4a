// What one message costs between the read buffer and the sink. The masked bytes are copied into the buffer
// before each call, as a read would; CopyOnly is that share, to subtract.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "broker/protocol/ws_decoder.hpp"
#include "broker/protocol/ws_encoder.hpp"

namespace madang {
namespace {

std::string client_text(std::string_view payload) {
    char header[ws_header_limit];
    const std::size_t size = write_ws_header(header, ws_opcode::text, payload.size());
    header[1] = static_cast<char>(header[1] | 0x80);
    constexpr char key[] = "\x37\xfa\x21\x3d";
    std::string frame{header, size};
    frame.append(key, 4);
    for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ key[i % 4]);
    return frame;
}
std::string repeated(std::string_view unit, std::size_t size) {
    std::string text;
    while (text.size() + unit.size() <= size) text += unit;
    return text;
}

struct counter final : ws_sink {
    bool on_message(ws_opcode, std::string_view bytes) override {
        total += bytes.size();
        ++messages;
        return true;
    }
    void on_ping(std::string_view) override {}
    void on_pong(std::string_view) override {}
    void on_close(std::uint16_t, std::string_view) override {}
    std::size_t total = 0;
    std::size_t messages = 0;
};

// `copies` messages in one read, cut into pieces of `piece` bytes (0: whole).
void decode(benchmark::State& state, std::string_view payload, std::size_t copies, std::size_t piece) {
    std::string bytes;
    for (std::size_t i = 0; i < copies; ++i) bytes += client_text(payload);
    std::vector<char> buffer(bytes.size());
    if (piece == 0) piece = bytes.size();
    counter sink;
    ws_decoder decoder{64 << 20, ws_compression::none};
    for (auto _ : state) {
        std::memcpy(buffer.data(), bytes.data(), bytes.size());
        for (std::size_t at = 0; at < buffer.size(); at += piece)
            decoder.consume(buffer.data() + at, std::min(piece, buffer.size() - at), sink);
        benchmark::DoNotOptimize(sink.total);
    }
    if (sink.messages != copies * static_cast<std::size_t>(state.iterations()))
        state.SkipWithError("messages were lost");
    state.SetItemsProcessed(static_cast<std::int64_t>(sink.messages));
    state.SetBytesProcessed(static_cast<std::int64_t>(sink.total));
}

void Ascii(benchmark::State& state) {
    decode(state, std::string(static_cast<std::size_t>(state.range(0)), 'x'), 1, 0);
}
void Korean(benchmark::State& state) {
    decode(state, repeated("마당에 모여 ", static_cast<std::size_t>(state.range(0))), 1, 0);
}
void Ascii128InReadsOf64(benchmark::State& state) { decode(state, std::string(128, 'x'), 64, 0); }
void Ascii128CutInTwo(benchmark::State& state) { decode(state, std::string(128, 'x'), 1, 70); }
void OneMegabyteInReadsOf64K(benchmark::State& state) { decode(state, std::string(1 << 20, 'x'), 1, 65536); }
void CopyOnly(benchmark::State& state) {
    const std::string bytes = client_text(std::string(static_cast<std::size_t>(state.range(0)), 'x'));
    std::vector<char> buffer(bytes.size());
    for (auto _ : state) {
        std::memcpy(buffer.data(), bytes.data(), bytes.size());
        benchmark::DoNotOptimize(buffer.data());
        benchmark::ClobberMemory();
    }
}
BENCHMARK(Ascii)->Arg(16)->Arg(128)->Arg(1024)->Arg(16384);
BENCHMARK(Korean)->Arg(128)->Arg(1024);
BENCHMARK(Ascii128InReadsOf64);
BENCHMARK(Ascii128CutInTwo);
BENCHMARK(OneMegabyteInReadsOf64K);
BENCHMARK(CopyOnly)->Arg(128)->Arg(1024);

}  // namespace
}  // namespace madang
