// Immutable bytes shared by reference, laid out so that they can go to the wire as they are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace madang {

// One heap block: reference count, then room for a WebSocket header (RFC 6455 5.2: at most 10 bytes unmasked), then
// the bytes. The header of an unmasked, final text frame is written when the block is made, so that a frame is encoded
// once however many receive it. Any thread; the count is atomic, the bytes never change.
class payload_block;

class payload {
  public:
    payload() noexcept = default;  // empty: bytes() is "", frame() is the two-byte header of an empty text message
    // Copies `bytes`. Throws std::bad_alloc.
    static payload copy_of(std::string_view bytes);
    // A block of `size` bytes for the caller to fill through `*data` before anybody else sees it.
    static payload uninitialised(std::size_t size, char** data);

    payload(const payload& other) noexcept : block_(other.block_) { retain(block_); }
    payload(payload&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    payload& operator=(payload other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~payload() { release(block_); }

    std::string_view bytes() const noexcept;
    // The bytes as one unmasked, final text frame, header included. Valid while a reference is held.
    std::string_view text_frame() const noexcept;

    // A form derived from the bytes (parsed, compressed), made once by make(context, bytes) and kept until the last
    // reference goes. `key` is compared as text. Null from `make` is remembered. Concurrent first calls wait.
    const void* derived(std::string_view key, void* (*make)(void* context, std::string_view bytes), void* context,
                        void (*destroy)(void*)) const;

    explicit operator bool() const noexcept { return block_ != nullptr; }
    friend bool operator==(const payload& a, const payload& b) noexcept { return a.block_ == b.block_; }

    // For the plugin ABI: a reference as a bare pointer. `detach` gives the caller's reference away; `adopt` takes one;
    // `share` adds one to a borrowed pointer.
    payload_block* get() const noexcept { return block_; }
    payload_block* detach() noexcept { return std::exchange(block_, nullptr); }
    static payload adopt(payload_block* block) noexcept {
        payload result;
        result.block_ = block;
        return result;
    }
    static payload share(payload_block* block) noexcept {
        retain(block);
        return adopt(block);
    }
    static void retain(payload_block* block) noexcept;
    static void release(payload_block* block) noexcept;

  private:
    payload_block* block_ = nullptr;
};

}  // namespace madang
