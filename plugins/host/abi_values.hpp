// What crosses the plugin ABI, as this side knows it. For the sources of this folder.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "broker/core/result.hpp"
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

// A caller's reference, for the length of a call.
inline borrowed_payload borrowed(madang_payload* p) noexcept { return borrowed_payload(from(p)); }

template <class Function>
madang_status guarded(Function fn) noexcept {
    try {
        return fn();
    } catch (...) {
        return MADANG_FAILED;  // out of memory, in practice
    }
}

// What lies within the caller's struct_size; the rest is zero.
template <class Options>
Options copy_options(const Options* given) {
    Options copy{};
    if (given) std::memcpy(&copy, given, std::min<std::size_t>(given->struct_size, sizeof copy));
    return copy;
}

// A plugin's context: given back with the last of its holders.
using context_ptr = std::shared_ptr<void>;
inline context_ptr hold(void* context, madang_drop drop) {
    return {context, [drop](void* given) {
                if (drop) drop(given);
            }};
}

// From a result to a plugin's answer function: tell(context, failure or null, value or null). With a
// connection: on its consumer's thread.
template <class T, class Tell>
std::function<void(result<T>)> bound(madang_connection* connection, context_ptr context, Tell tell) {
    auto give = [context = std::move(context), tell](const result<T>& what) {
        if (what) return tell(context.get(), nullptr, &*what);
        const auto& row = describe(what.error().code);
        const auto text = what.error().text();
        const madang_failure failed{row.wire_code, to_abi(std::string_view(text))};
        tell(context.get(), &failed, nullptr);
    };
    if (!connection) return give;
    return [give = std::move(give), post = from(connection).poster()](result<T> what) {
        post([give, kept = std::make_shared<const result<T>>(std::move(what))] { give(*kept); });
    };
}

}  // namespace madang::abi_values
