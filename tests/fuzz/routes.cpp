// First line: a pattern; the rest: a path.
#include "broker/core/route_pattern.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in{data, size};
    const std::string_view text = in.line();
    const std::string_view path = in.rest();
    const auto pattern = route_pattern::parse(text);
    if (!pattern) return 0;
    fuzz::require(pattern->text() == text, "a pattern keeps its text");
    const auto again = route_pattern::parse(pattern->text());
    fuzz::require(again && again->shape() == pattern->shape(), "the shape is a function of the text");
    if (const auto arguments = pattern->match(path)) {
        for (const name_value& argument : *arguments) {
            fuzz::require(text.find(argument.name) != std::string_view::npos, "a name is the pattern's");
            fuzz::require(!argument.value.empty() && argument.value.data() >= path.data() &&
                              argument.value.data() + argument.value.size() <= path.data() + path.size(),
                          "a value lies within the path");
        }
    }
    return 0;
}
