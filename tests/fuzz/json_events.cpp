// A client's JSON as an event: an object whose type names a handler.
#include <nlohmann/json.hpp>
#include <string>

#include "broker/core/names.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    const std::string_view bytes = fuzz::input{data, size}.rest();
    const auto json = nlohmann::json::parse(bytes, nullptr, false);
    if (json.is_discarded()) return 0;
    const std::string text = json.dump();
    const auto again = nlohmann::json::parse(text, nullptr, false);
    fuzz::require(!again.is_discarded() && again.dump() == text, "what was accepted can be sent on");
    if (!json.is_object()) return 0;
    const auto type = json.find("type");
    if (type == json.end() || !type->is_string()) return 0;
    const std::string& name = type->get_ref<const std::string&>();
    if (!valid_event_type(name)) return 0;
    fuzz::require(!name.empty() && name.size() <= 255 && name[0] != '_' && name[0] != '.',
                  "a private handler has no event");
    for (char c : name)
        fuzz::require((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '_' || c == '-' || c == '.',
                      "a type is plain text");
    return 0;
}
