// The only way to a connection's socket: bytes that wait to be written, bounded, in whole frames.
//
// Frames are shared: an entry refers into a payload's block. Frames that lie next to each other in one block
// (a turn's batch) become one entry, so that a member's whole batch is one iovec. Plain; one thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "broker/core/options.hpp"  // outbox_policy
#include "broker/core/payload.hpp"

namespace madang {

class outbox {
  public:
    // What a frame is, for the policy: control frames, the handshake and answers are never dropped.
    enum class role : std::uint8_t { answer, publication };
    enum class admission : std::uint8_t {
        queued,    // all of it
        dropped,   // to keep the limit, publications were dropped (perhaps the new ones); see dropped()
        overflow,  // nothing was queued: the policy says disconnect, or an answer had no room
    };

    struct limits {
        std::size_t bytes = 0;
        outbox_policy policy = outbox_policy::disconnect;
    };

    outbox() = default;
    outbox(const outbox&) = delete;
    outbox& operator=(const outbox&) = delete;
    ~outbox();

    // Queues frames[...] which lie in `owner`'s block; whole frames only. One that alone exceeds the limit is
    // admitted when nothing else waits, since nothing smaller can be asked of its sender.
    admission push(const payload& owner, std::string_view frames, role what, const limits& limit);
    // Queues bytes regardless of limits: handshake, control and close frames. Copies.
    void push_control(std::string_view bytes);

    bool empty() const noexcept { return bytes_ == 0; }
    std::size_t bytes() const noexcept { return bytes_; }
    // Frames dropped by the last push that returned `dropped`.
    std::size_t dropped() const noexcept { return dropped_; }

    // Fills at most `max` parts, oldest first; returns how many. Valid until the next call of anything else.
    int gather(iovec* parts, int max) const noexcept;
    // The first `size` bytes were written.
    void consume(std::size_t size) noexcept;
    void clear() noexcept;
    // Drops everything but control (the handshake, say) and the rest of a frame that is partly on the wire:
    // room for a last word.
    void drop_unbegun();

  private:
    struct entry {
        payload owner;
        const char* data;
        std::uint32_t size;
        std::uint32_t kind;  // role, or control
    };
    // Entries from head_ on; the vector is borrowed from a pool of the thread while anything waits, so that
    // an idle connection's outbox holds no memory.
    std::vector<entry>* entries_ = nullptr;
    std::size_t bytes_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t begun_ = 0;  // bytes of the head entry's first frame that were written already
    std::uint32_t dropped_ = 0;

    void append(const payload& owner, std::string_view bytes, std::uint32_t kind);
    void drop_publications(std::size_t room_needed, const limits& limit);
    void drop_written() noexcept;
    void give_back() noexcept;
};

// Length of the complete, unmasked frame at the beginning of `frames` (RFC 6455 5.2).
std::size_t frame_length(std::string_view frames) noexcept;
std::size_t count_frames(std::string_view frames) noexcept;

}  // namespace madang
