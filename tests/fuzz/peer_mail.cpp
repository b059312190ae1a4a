// What another node's hubs say about groups, as this node reads it.
#include "actors/peer_mail.hpp"

#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto found = read_peer_mail(bytes);
    if (!found) {
        fuzz::require(!found.error().detail.empty(), "a refusal names the parcel");
        return 0;
    }
    std::size_t counted = peer_mail_head + found->unknown_bytes;
    std::string again;
    for (const auto& each : found->parcels) {
        counted += each.bytes;
        append(again, found->view, each.what);
        fuzz::require(group_of(each.what).size() <= each.bytes, "a group's name is of the parcel");
    }
    fuzz::require(counted == size, "every byte is counted once");
    if (found->parcels.empty()) return 0;
    fuzz::require(again.size() + found->unknown_bytes <= size, "only what is not known is left out");
    if (again.size() == size) fuzz::require(again.substr(1) == bytes.substr(1), "a value has one form");
    const auto second = read_peer_mail(again);
    fuzz::require(second && second->parcels.size() == found->parcels.size(),
                  "what was written is read again");
    std::string third;
    for (const auto& each : second->parcels) append(third, second->view, each.what);
    fuzz::require(third == again, "and is what it was");
    return 0;
}
