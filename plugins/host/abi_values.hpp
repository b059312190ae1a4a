// What crosses the plugin ABI, as this side knows it. For the sources of this folder.
#pragma once

#include "plugins/host/plugin_host.hpp"

namespace madang::abi_values {

inline plugin& from(madang_host* host) { return *reinterpret_cast<plugin*>(host); }
inline connection_port& from(madang_connection* c) { return *reinterpret_cast<connection_port*>(c); }
inline request_port& from(madang_request* r) { return *reinterpret_cast<request_port*>(r); }
inline const scope& from(const madang_scope* s) { return *reinterpret_cast<const scope*>(s); }
inline payload_block* from(madang_payload* p) { return reinterpret_cast<payload_block*>(p); }
inline std::string_view from(madang_str text) {
    return text.size == 0 ? std::string_view{} : std::string_view{text.data, text.size};
}
inline bool valid(madang_str text) { return text.data || text.size == 0; }

// A caller's reference, used as a payload for the length of a call without touching the count.
class borrowed {
  public:
    explicit borrowed(madang_payload* p) noexcept : payload_(payload::adopt(from(p))) {}
    borrowed(const borrowed&) = delete;
    borrowed& operator=(const borrowed&) = delete;
    ~borrowed() { payload_.detach(); }
    const payload& get() const noexcept { return payload_; }

  private:
    payload payload_;
};

template <class Function>
madang_status guarded(Function fn) noexcept {
    try {
        return fn();
    } catch (...) {
        return MADANG_FAILED;  // out of memory, in practice
    }
}

}  // namespace madang::abi_values
