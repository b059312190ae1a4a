// What comes over a link between nodes: frames in pieces, and the hellos in them, of nodes and workers; of a
// stranger, or of a peer that was admitted.
#include "broker/cluster/peer_hello.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "broker/cluster/link_frame.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace madang;
    fuzz::input in(data, size);
    const bool admitted = in.byte() % 2 == 1;
    const std::size_t piece = in.byte() + 1U;
    auto bytes = in.rest();
    const auto all = bytes;
    link_decoder reader;
    if (admitted) reader.admit();
    std::string again;
    while (!bytes.empty()) {
        const auto room = reader.room();
        fuzz::require(room.size > 0, "there is room when a frame is not complete");
        const auto some = std::min({bytes.size(), room.size, piece});
        std::memcpy(room.data, bytes.data(), some);
        reader.filled(some);
        bytes.remove_prefix(some);
        for (;;) {
            const auto next = reader.next();
            if (!next) {
                fuzz::require(!next.error().detail.empty(), "a refusal says why");
                fuzz::require(!reader.next(), "what was refused stays refused");
                return 0;
            }
            if (!*next) break;
            append_frame(again, (*next)->kind, (*next)->bytes);
            if ((*next)->kind == link_frame_kind::worker) {
                const auto hello = decode_worker_hello((*next)->bytes);
                if (!hello) {
                    fuzz::require(!hello.error().detail.empty(), "a worker's refusal names the field");
                    continue;
                }
                const auto written = encode(*hello);
                fuzz::require((*next)->bytes.starts_with(written), "a worker's hello has one form");
                fuzz::require(*decode_worker_hello(written) == *hello, "and is what it was");
                fuzz::require(is_node_name(hello->name), "its name could be a node's");
                continue;
            }
            if ((*next)->kind != link_frame_kind::hello) continue;
            const auto hello = decode_hello((*next)->bytes);
            if (!hello) {
                fuzz::require(!hello.error().detail.empty(), "a refusal names the field");
                continue;
            }
            const auto written = encode(*hello);
            fuzz::require((*next)->bytes.starts_with(written),
                          "a hello has one form, and a later version's end");
            fuzz::require(*decode_hello(written) == *hello, "and is what it was");
            fuzz::require(is_node_name(hello->from.name), "its name is a node's");
        }
        const auto bound =
            admitted ? beat_bytes_limit + link_frame_head : hello_bytes_limit + link_frame_head;
        fuzz::require(reader.capacity() <= bound + 2 * link_data_limit, "memory is bounded");
        fuzz::require(admitted || reader.capacity() <= bound, "a stranger's most of all");
        fuzz::require(again.size() + reader.waiting() == all.size() - bytes.size(), "nothing is lost");
    }
    fuzz::require(all.starts_with(again), "a frame has one form");
    return 0;
}
