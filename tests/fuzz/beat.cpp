// What a node says of itself and of what it sees, as another node reads it.
#include "broker/cluster/beat_codec.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto found = decode_beat(bytes);
    if (!found) {
        fuzz::require(!found.error().detail.empty(), "a refusal names the field");
        return 0;
    }
    fuzz::require(is_node_name(found->from.name), "a name is a name");
    const auto again = encode(*found);
    fuzz::require(again.size() <= size, "only what is not known is left out");
    if (again.size() == size) fuzz::require(again == bytes, "a value has one form");
    const auto second = decode_beat(again);
    fuzz::require(second && *second == *found, "what was written is read again");
    return 0;
}
