// The bodies of a plugin's calls from a worker's child, and of their answers.
#include "broker/jobs/call_codec.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

template <class Value>
void read(std::string_view body) {
    const auto found = madang::link::from_body<Value>(body);
    if (found) madang::fuzz::require(madang::link::to_body(*found) == body, "a value has one form");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in(data, size);
    const auto which = in.byte();
    const auto body = in.rest();
    switch (which % 13) {
        case 0:
            return read<link::sent>(body), 0;
        case 1:
            return read<publish_request>(body), 0;
        case 2:
            return read<history_request>(body), 0;
        case 3:
            return read<history_page>(body), 0;
        case 4:
            return read<presence_request>(body), 0;
        case 5:
            return read<presence_page>(body), 0;
        case 6:
            return read<link::last_seen_call>(body), 0;
        case 7:
            return read<std::vector<last_seen_entry>>(body), 0;
        case 8:
            return read<enqueue_request>(body), 0;
        case 9:
            return read<enqueued>(body), 0;
        case 10:
            return read<link::cancel_call>(body), 0;
        case 11:
            return read<link::find_call>(body), 0;
        default:
            return read<job_view>(body), 0;
    }
}
