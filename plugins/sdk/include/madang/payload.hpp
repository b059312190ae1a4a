// Immutable bytes shared by reference with the server. However many connections receive a payload, its bytes
// are kept, framed and parsed once.
#pragma once

#include <string_view>
#include <utility>

#include "madang/host.hpp"

namespace madang {

// Borrowed: valid as long as somebody else's reference, which for an event or a message is the call that
// passes it.
class PayloadRef {
  public:
    // Of a handle that the ABI passed; takes no reference.
    PayloadRef(const Host& host, madang_payload* handle) noexcept : host_(&host), handle_(handle) {}

    // All of them, without a copy; valid as this is.
    std::string_view bytes() const noexcept { return detail::from_abi(host_->api.payload_bytes(handle_)); }
    // The form that make(bytes) gave on the first call anywhere in this process with the same key; null when
    // it could not be made. Lives as long as the payload. make and destroy must not throw; the key must name
    // type and layout.
    const void* parsed(const char* key, void* (*make)(madang_str), void (*destroy)(void*)) const noexcept {
        return host_->api.payload_parsed(handle_, key, make, destroy);
    }

    const Host& host() const noexcept { return *host_; }         // whose functions handle() is for
    madang_payload* handle() const noexcept { return handle_; }  // for the ABI's functions

  private:
    const Host* host_;
    madang_payload* handle_;
};

// One reference, to keep a payload beyond the call that brought it, or to make one. After a move only
// assignable and destructible.
class Payload {
  public:
    // Copies the bytes.
    Payload(const Host& host, std::string_view bytes)
        : ref_(host, host.api.payload_new(host.handle, detail::to_abi(bytes))) {}
    explicit Payload(PayloadRef ref) noexcept : ref_(ref) { retain(); }      // keeps what was borrowed
    Payload(const Payload& other) noexcept : ref_(other.ref_) { retain(); }  // one reference more
    // Takes over its reference.
    Payload(Payload&& other) noexcept
        : ref_(std::exchange(other.ref_, PayloadRef(other.ref_.host(), nullptr))) {}
    // Gives its own reference up for the other's.
    Payload& operator=(Payload other) noexcept {
        std::swap(ref_, other.ref_);
        return *this;
    }
    ~Payload() {
        if (ref_.handle() != nullptr) ref_.host().api.payload_release(ref_.handle());
    }

    std::string_view bytes() const noexcept { return ref_.bytes(); }  // valid as long as a reference to it
    operator PayloadRef() const noexcept { return ref_; }  // NOLINT: borrowing is what everybody does with it

  private:
    void retain() const noexcept {
        if (ref_.handle() != nullptr) ref_.host().api.payload_retain(ref_.handle());
    }
    PayloadRef ref_;
};

}  // namespace madang
