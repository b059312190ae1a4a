// What the gate lets through has none of what it promises to refuse, and pieces make no difference.
#include <random>
#include <string>

#include "broker/protocol/chunk_gate.hpp"
#include "broker/protocol/field_syntax.hpp"
#include "broker/protocol/http_gate.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace madang {
namespace {

std::size_t end_in_pieces(std::string_view bytes, std::mt19937& random) {
    std::size_t seen = 0;
    for (;;) {
        const std::size_t size = std::min(bytes.size(), seen + 1 + random() % 7);
        if (const std::size_t end = find_head_end(bytes.substr(0, size), seen)) return end;
        if (size == bytes.size()) return 0;
        seen = size;
    }
}

void check_passed(std::string_view head) {
    fuzz::require(head.find('\0') == std::string_view::npos, "no NUL passes");
    fuzz::require(head.ends_with("\r\n\r\n"), "the empty line ends the head");
    const std::size_t begin = head.find(' ') + 1;
    const std::string_view target = head.substr(begin, head.find(' ', begin) - begin);
    const std::string_view path = target.substr(0, target.find('?'));
    fuzz::require(path[0] == '/' && path.find('\\') == std::string_view::npos, "the target is a path");
    fuzz::require((std::string{path} + "/").find("/../") == std::string::npos, "no dot segment passes");
    int hosts = 0;
    int lengths = 0;
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size(); at = head.find("\r\n", at) + 2) {
        const std::string_view name = head.substr(at, head.find(':', at) - at);
        fuzz::require(is_token(name), "a header name is a token");
        hosts += equal_no_case(name, "host");
        lengths += equal_no_case(name, "content-length") || equal_no_case(name, "transfer-encoding");
    }
    fuzz::require(hosts <= 1 && lengths <= 1, "host and length are said once");
}

// The end of the body, or minus the fault, or 0.
long chunks(std::string_view bytes, std::mt19937* random) {
    chunk_gate gate{{.body_bytes = 1000, .line_bytes = 64, .extension_bytes = 100, .trailer_bytes = 100}};
    std::size_t total = 0;
    while (total < bytes.size()) {
        const auto result =
            gate.feed(bytes.substr(total, random ? 1 + (*random)() % 7 : std::string_view::npos));
        if (result.fault != head_fault::none) return -static_cast<long>(result.fault);
        total += result.bytes;
        if (result.done) return static_cast<long>(total);
    }
    return 0;
}

}  // namespace
}  // namespace madang

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    const std::string_view bytes = fuzz::input{data, size}.rest();
    std::mt19937 random{static_cast<std::uint32_t>(size)};
    const std::size_t end = find_head_end(bytes);
    fuzz::require(end <= bytes.size() && end == end_in_pieces(bytes, random),
                  "the head's end is found in pieces too");
    if (end > 0 && check_head(bytes.substr(0, end), {}) == head_fault::none)
        check_passed(bytes.substr(0, end));
    check_head(bytes, {});
    const std::string_view body = bytes.substr(end);
    fuzz::require(chunks(body, nullptr) == chunks(body, &random), "the body's end is found in pieces too");
    return 0;
}
