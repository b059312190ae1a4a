// What another node says about jobs, as this node reads it.
#include "actors/job_mail.hpp"

#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto found = read_job_mail(bytes);
    if (!found) {
        fuzz::require(!found.error().detail.empty(), "a refusal names the parcel");
        return 0;
    }
    std::string again;
    for (const auto& each : *found) append(again, each);
    if (found->empty()) return 0;
    fuzz::require(again.size() <= size, "nothing is made up");
    if (again.size() == size) fuzz::require(again.substr(1) == bytes.substr(1), "a value has one form");
    const auto second = read_job_mail(again);
    fuzz::require(second && second->size() == found->size(), "what was written is read again");
    std::string third;
    for (const auto& each : *second) append(third, each);
    fuzz::require(third == again, "and is what it was");
    return 0;
}
