// What a worker and its server say to each other, in either direction; the bytes arrive in pieces.
#include "broker/jobs/worker_codec.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

template <class Message>
void read(madang::fuzz::input in) {
    using namespace madang;
    const std::size_t piece = in.byte() + 1U;
    const auto bytes = in.rest();
    link::decoder<Message> reader(4096);
    std::string again;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        reader.add(bytes.substr(at, piece));
        for (;;) {
            const auto next = reader.next();
            if (!next) {
                fuzz::require(!next.error().detail.empty(), "a refusal says why");
                fuzz::require(!reader.next(), "what was refused stays refused");
                return;
            }
            if (!*next) break;
            link::append(again, **next);
        }
        fuzz::require(again.size() + reader.waiting() == std::min(bytes.size(), at + piece),
                      "nothing is lost");
    }
    fuzz::require(bytes.starts_with(again), "a value has one form");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    madang::fuzz::input in(data, size);
    if (in.byte() % 2 == 0)
        read<madang::link::from_worker>(in);
    else
        read<madang::link::from_server>(in);
    return 0;
}
