// Immutable bytes shared by reference, laid out so that they can go to the wire as they are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace madang {

namespace detail {
struct derived_forms;
}

// One heap block: reference count, then room for a WebSocket header (RFC 6455 5.2: at most 10 bytes
// unmasked), then the bytes. The header of an unmasked, final text frame is written when the block is made,
// so that a frame is encoded once however many receive it. Any thread; the count is atomic, the bytes never
// change. Defined here only so that counting inlines: use payload.
class payload_block {
  public:
    payload_block(const payload_block&) = delete;
    payload_block& operator=(const payload_block&) = delete;

  private:
    friend class payload;
    static constexpr std::size_t max_header_size = 10;

    // What stands behind the block: its bytes, or, for a part, where they are.
    enum class form : std::uint8_t { text, binary, part };
    struct part_of {
        payload_block* root;  // a reference
        const char* bytes;
    };

    payload_block(std::size_t size, form what) noexcept;
    char* own() noexcept { return reinterpret_cast<char*>(this) + sizeof(*this); }
    const part_of& part() const noexcept { return *reinterpret_cast<const part_of*>(this + 1); }
    const char* data() const noexcept {
        return form_ == form::part ? part().bytes : reinterpret_cast<const char*>(this) + sizeof(*this);
    }

    std::size_t size_;
    std::atomic<detail::derived_forms*> derived_{nullptr};  // made at the first call of payload::derived
    std::atomic<std::uint32_t> references_{1};
    std::uint8_t header_size_;
    form form_;
    char header_[max_header_size];  // right-aligned: it ends where the bytes begin
};
static_assert(sizeof(payload_block) == 32);

class borrowed_payload;

class payload {
  public:
    // Empty: bytes() is "", frame() is the two-byte header of an empty text message.
    payload() noexcept = default;
    // Which frame is built in front of the bytes; the other costs a copy when it is asked for.
    enum class frame : std::uint8_t { text, binary };
    // Copies `bytes`. Throws std::bad_alloc.
    static payload copy_of(std::string_view bytes, frame built = frame::text);
    // A block of `size` bytes for the caller to fill through `*data` before anybody else sees it.
    static payload uninitialised(std::size_t size, char** data, frame built = frame::text);
    // `bytes` lie within root's, and right behind their text frame's header. Holds a reference to root.
    static payload part_of(const payload& root, std::string_view bytes);

    payload(const payload& other) noexcept : block_(other.block_) { retain(block_); }
    payload(payload&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    payload& operator=(payload other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~payload() { release(block_); }

    std::string_view bytes() const noexcept;
    // The bytes as one unmasked, final text frame, header included. Valid while a reference is held. It lies
    // in root()'s block, unless the payload was built with the other frame.
    std::string_view text_frame() const;
    std::string_view binary_frame() const;
    // The payload whose block holds the bytes: *this, or what it is a part of. Valid as long as *this.
    borrowed_payload root() const noexcept;

    // A form derived from the bytes (parsed, compressed), made once by make(context, bytes) and kept until
    // the last reference goes. `key` is compared as text. Null from `make` is remembered (and not destroyed).
    // Concurrent first calls wait; finding a form that was made takes no lock. `make` may throw (then nothing
    // is remembered) but must not ask for a derived form of the same payload. An empty payload keeps nothing:
    // the result is null.
    const void* derived(std::string_view key, void* (*make)(void* context, std::string_view bytes),
                        void* context, void (*destroy)(void*)) const;

    explicit operator bool() const noexcept { return block_ != nullptr; }
    friend bool operator==(const payload& a, const payload& b) noexcept { return a.block_ == b.block_; }

    // For the plugin ABI: a reference as a bare pointer. `detach` gives the caller's reference away; `adopt`
    // takes one; `share` adds one to a borrowed pointer.
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
    static void retain(payload_block* block) noexcept {
        if (block) block->references_.fetch_add(1, std::memory_order_relaxed);
    }
    static void release(payload_block* block) noexcept {
        // A sole owner needs no read-modify-write: nobody else can add a reference.
        if (block && (block->references_.load(std::memory_order_acquire) == 1 ||
                      block->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)) {
            destroy(block);
        }
    }

  private:
    static void destroy(payload_block* block) noexcept;
    std::string_view built_frame() const noexcept {
        return {block_->data() - block_->header_size_, block_->header_size_ + block_->size_};
    }

    payload_block* block_ = nullptr;
};

// Somebody else's reference, used as a payload without touching the count, while that somebody holds it.
class borrowed_payload {
  public:
    explicit borrowed_payload(payload_block* block) noexcept : payload_(payload::adopt(block)) {}
    borrowed_payload(const borrowed_payload&) = delete;
    borrowed_payload& operator=(const borrowed_payload&) = delete;
    ~borrowed_payload() { payload_.detach(); }
    operator const payload&() const noexcept { return payload_; }  // NOLINT: that is what it is for

  private:
    payload payload_;
};

inline borrowed_payload payload::root() const noexcept {
    return borrowed_payload(block_ && block_->form_ == payload_block::form::part ? block_->part().root
                                                                                 : block_);
}
inline std::string_view payload::bytes() const noexcept {
    return block_ ? std::string_view(block_->data(), block_->size_) : std::string_view();
}

}  // namespace madang
