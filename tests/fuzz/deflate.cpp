// Arbitrary bytes as a message, as compressed data and as an extension offer.
#include <string>

#include "broker/protocol/deflate.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in{data, size};
    const auto bits = static_cast<std::uint8_t>(8 + in.byte() % 8);
    const std::string_view bytes = in.rest();

    std::string back;
    const std::string compressed = deflate_message(bits, bytes);
    fuzz::require(inflate_message(compressed, bytes.size(), back) == inflate_result::done && back == bytes,
                  "a message comes back the same");
    fuzz::require(
        bytes.empty() || inflate_message(compressed, bytes.size() - 1, back) == inflate_result::too_big,
        "the limit is exact");

    constexpr std::size_t limit = 10'000;
    std::string again;
    const inflate_result result = inflate_message(bytes, limit, back);
    fuzz::require(back.size() <= limit, "the limit holds");
    fuzz::require(inflate_message(bytes, limit, again) == result && again == back,
                  "no context is left behind");

    if (const auto chosen = negotiate_deflate(bytes)) {
        const auto repeated = negotiate_deflate(chosen->response);
        fuzz::require(repeated && repeated->response == chosen->response, "the answer is itself well-formed");
    }
    return 0;
}
