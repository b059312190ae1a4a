#include "broker/core/payload.hpp"

#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>

namespace madang {

namespace detail {

// Forms are only ever added, in front, and whole: a reader walks the list without the lock.
struct derived_forms {
    struct form {
        std::string key;
        void* value;
        void (*destroy)(void*);
        form* next;
    };

    ~derived_forms() {
        for (form* each = first.load(std::memory_order_acquire); each;) {
            const std::unique_ptr<form> gone(each);
            if (gone->value && gone->destroy) gone->destroy(gone->value);
            each = gone->next;
        }
    }

    const form* find(std::string_view key) const noexcept {
        for (const form* each = first.load(std::memory_order_acquire); each; each = each->next) {
            if (each->key == key) return each;
        }
        return nullptr;
    }

    std::mutex making;
    std::atomic<form*> first{nullptr};
};

}  // namespace detail

namespace {

constexpr char text_first = static_cast<char>(0x81);
constexpr char binary_first = static_cast<char>(0x82);

// RFC 6455 5.2: FIN and the opcode, then the length in 7, 16 or 64 bits, big-endian.
std::uint8_t write_header(char first, std::size_t size, char (&room)[10]) noexcept {
    const std::uint8_t extended = size < 126 ? 0 : size <= 0xffff ? 2 : 8;
    char* out = room + sizeof(room) - 2 - extended;
    *out++ = first;
    *out++ = static_cast<char>(extended == 0 ? size : extended == 2 ? 126 : 127);
    for (int shift = 8 * (extended - 1); shift >= 0; shift -= 8) *out++ = static_cast<char>(size >> shift);
    return static_cast<std::uint8_t>(2 + extended);
}

}  // namespace

payload_block::payload_block(std::size_t size, form what) noexcept
    : size_(size),
      header_size_(write_header(what == form::binary ? binary_first : text_first, size, header_)),
      form_(what) {}

payload payload::uninitialised(std::size_t size, char** data, frame built) {
    if (size > static_cast<std::size_t>(PTRDIFF_MAX) - sizeof(payload_block)) throw std::bad_alloc();
    const auto form = built == frame::text ? payload_block::form::text : payload_block::form::binary;
    auto* block = new (::operator new(sizeof(payload_block) + size)) payload_block(size, form);
    *data = block->own();
    return adopt(block);
}

payload payload::copy_of(std::string_view bytes, frame built) {
    char* data = nullptr;
    payload result = uninitialised(bytes.size(), &data, built);
    if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
    return result;
}

payload payload::part_of(const payload& root, std::string_view bytes) {
    void* room = ::operator new(sizeof(payload_block) + sizeof(payload_block::part_of));
    auto* block = new (room) payload_block(bytes.size(), payload_block::form::part);
    retain(root.block_);
    new (block + 1) payload_block::part_of{root.block_, bytes.data()};
    return adopt(block);
}

void payload::destroy(payload_block* block) noexcept {
    delete block->derived_.load(std::memory_order_acquire);
    if (block->form_ == payload_block::form::part) release(block->part().root);
    block->~payload_block();
    ::operator delete(block);
}

namespace {

// The frame that was not built in front of the bytes, as a derived form.
template <char First>
std::string_view copied_frame(const payload& from, std::string_view key) {
    const auto* whole = static_cast<const std::string*>(from.derived(
        key,
        [](void*, std::string_view bytes) -> void* {
            char header[10];
            const auto size = write_header(First, bytes.size(), header);
            auto frame = std::make_unique<std::string>(header + sizeof(header) - size, size);
            frame->append(bytes);
            return frame.release();
        },
        nullptr, [](void* frame) { delete static_cast<std::string*>(frame); }));
    return *whole;
}

}  // namespace

std::string_view payload::text_frame() const {
    if (!block_) return std::string_view("\x81\0", 2);
    return block_->form_ == payload_block::form::binary ? copied_frame<text_first>(*this, "frame/text")
                                                        : built_frame();
}

std::string_view payload::binary_frame() const {
    if (!block_) return std::string_view("\x82\0", 2);
    return block_->form_ == payload_block::form::binary ? built_frame()
                                                        : copied_frame<binary_first>(*this, "frame/binary");
}

const void* payload::derived(std::string_view key, void* (*make)(void* context, std::string_view bytes),
                             void* context, void (*destroy)(void*)) const {
    using detail::derived_forms;
    if (!block_) return nullptr;
    derived_forms* forms = block_->derived_.load(std::memory_order_acquire);
    if (!forms) {
        auto fresh = std::make_unique<derived_forms>();
        if (block_->derived_.compare_exchange_strong(forms, fresh.get(), std::memory_order_acq_rel)) {
            forms = fresh.release();
        }
    }
    if (const auto* found = forms->find(key)) return found->value;
    const std::lock_guard lock(forms->making);
    if (const auto* found = forms->find(key)) return found->value;
    auto form = std::make_unique<derived_forms::form>(derived_forms::form{
        std::string(key), nullptr, destroy, forms->first.load(std::memory_order_relaxed)});
    form->value = make(context, bytes());
    void* value = form->value;
    forms->first.store(form.release(), std::memory_order_release);
    return value;
}

}  // namespace madang
