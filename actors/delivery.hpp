// How a group's batches reach one member.
#pragma once

#include <cstdint>

#include "madang/abi.h"

namespace madang {

enum class delivery : std::uint8_t {
    handler,           // events and publications to the consumer's event function
    socket,            // their payloads as text frames, without a call
    client,            // publications as the client protocol's pushes, without a call
    client_and_joins,  // and joins and leaves
    client_held,       // all of that to the client session, which is still subscribing
};

// What a plugin asks for.
constexpr delivery to_delivery(madang_delivery how) noexcept {
    return how == MADANG_TO_SOCKET ? delivery::socket : delivery::handler;
}

}  // namespace madang
