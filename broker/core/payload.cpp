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

// RFC 6455 5.2: FIN and opcode 1, then the length in 7, 16 or 64 bits, big-endian.
std::uint8_t write_text_header(std::size_t size, char (&room)[10]) noexcept {
    const std::uint8_t extended = size < 126 ? 0 : size <= 0xffff ? 2 : 8;
    char* out = room + sizeof(room) - 2 - extended;
    *out++ = static_cast<char>(0x81);
    *out++ = static_cast<char>(extended == 0 ? size : extended == 2 ? 126 : 127);
    for (int shift = 8 * (extended - 1); shift >= 0; shift -= 8) *out++ = static_cast<char>(size >> shift);
    return static_cast<std::uint8_t>(2 + extended);
}

}  // namespace

payload_block::payload_block(std::size_t size) noexcept
    : size_(size), header_size_(write_text_header(size, header_)) {}

payload payload::uninitialised(std::size_t size, char** data) {
    if (size > static_cast<std::size_t>(PTRDIFF_MAX) - sizeof(payload_block)) throw std::bad_alloc();
    auto* block = new (::operator new(sizeof(payload_block) + size)) payload_block(size);
    *data = block->data();
    return adopt(block);
}

payload payload::copy_of(std::string_view bytes) {
    char* data = nullptr;
    payload result = uninitialised(bytes.size(), &data);
    if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
    return result;
}

void payload::destroy(payload_block* block) noexcept {
    delete block->derived_.load(std::memory_order_acquire);
    block->~payload_block();
    ::operator delete(block);
}

std::string_view payload::text_frame() const noexcept {
    if (!block_) return std::string_view("\x81\0", 2);
    return {block_->data() - block_->header_size_, block_->header_size_ + block_->size_};
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
