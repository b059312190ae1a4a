// What the gate lets through has none of what it promises to refuse, and pieces make no difference.
#include <random>
#include <string>

#include "broker/protocol/chunked_body.hpp"
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

void check_passed(std::string_view head, const head_view& parts) {
    fuzz::require(head.find('\0') == std::string_view::npos, "no NUL passes");
    fuzz::require(head.ends_with("\r\n\r\n"), "the empty line ends the head");
    const std::size_t begin = head.find(' ') + 1;
    const std::string_view target = head.substr(begin, head.find(' ', begin) - begin);
    fuzz::require(parts.target == target, "the target is between the first spaces");
    const target_view split = split_target(target);
    fuzz::require(target.ends_with(split.path_and_query), "a target ends with its path and query");
    fuzz::require(target[0] == '/' ? split.authority.empty() : parse_authority(split.authority).has_value(),
                  "an absolute target has a good authority");
    const std::string_view path = split.path_and_query.substr(0, split.path_and_query.find('?'));
    fuzz::require(path.empty() ? target[0] != '/' : path[0] == '/', "the rest is a path");
    fuzz::require(path.find('\\') == std::string_view::npos, "without a backslash");
    fuzz::require((std::string{path} + "/").find("/../") == std::string::npos, "no dot segment passes");
    int hosts = 0;
    int lengths = 0;
    auto field = parts.fields.begin();
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size(); at = head.find("\r\n", at) + 2) {
        const std::string_view name = head.substr(at, head.find(':', at) - at);
        fuzz::require(is_token(name), "a header name is a token");
        fuzz::require(field != parts.fields.end() && field->name == name, "each line is a field");
        ++field;
        hosts += equal_no_case(name, "host");
        lengths += equal_no_case(name, "content-length") || equal_no_case(name, "transfer-encoding");
    }
    fuzz::require(hosts <= 1 && lengths <= 1, "host and length are said once");
    fuzz::require(field == parts.fields.end() && parts.framed == (lengths == 1), "there are no other fields");
}

struct decoded {
    chunked_body::state state = chunked_body::state::more;
    std::size_t taken = 0;  // of the input
    std::string body;
    friend bool operator==(const decoded&, const decoded&) = default;
};

// In one piece, or in small ones.
decoded chunks(std::string_view bytes, std::mt19937* random) {
    chunked_body body(1000);
    decoded result;
    while (result.taken < bytes.size() && result.state == chunked_body::state::more) {
        auto piece = bytes.substr(result.taken, random ? 1 + (*random)() % 7 : std::string_view::npos);
        const auto given = piece.size();
        result.state = body.feed(piece, result.body);
        result.taken += given - piece.size();
    }
    fuzz::require(result.body.size() <= 1000, "the body's limit holds");
    return result;
}

// The same verdict; of a body that ended also the same end and content.
bool agree(const decoded& a, const decoded& b) {
    return a.state == b.state && (a.state != chunked_body::state::done || a == b);
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
    head_view parts, all;
    if (end > 0 && check_head(bytes.substr(0, end), {}, parts) == head_fault::none)
        check_passed(bytes.substr(0, end), parts);
    check_head(bytes, {}, all);
    const std::string_view body = bytes.substr(end);
    fuzz::require(agree(chunks(body, nullptr), chunks(body, &random)),
                  "the body's end is found in pieces too");
    return 0;
}
