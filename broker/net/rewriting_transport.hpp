// A connection's transport whose other side is no WebSocket: what the connection writes goes through a
// frame_rewriter, what it reads are frames made of the client's commands.
//
// Bounded: at most 32 KiB of what the connection writes is taken at a time, and nothing more before the
// socket took what that became. Idle, nothing is held.
#pragma once

#include <memory>
#include <string>

#include "actors/transport.hpp"
#include "broker/net/emulation.hpp"
#include "broker/net/frame_rewriter.hpp"

namespace madang {

class loop;

// Over `socket`, which has no waits under way. For the shapes that are HTTP responses, what the client still
// sends is read and dropped (more than 64 KiB of it fails the connection), and its FIN is the connection's
// loss; commands come from the ticket's inbox, if there is one. After the body's end the connection reads a
// close frame. For frame_rewriter::shape::websocket reading goes to the socket as it is.
std::unique_ptr<transport> make_rewriting_transport(loop& on, std::unique_ptr<transport> socket,
                                                    frame_rewriter::format how,
                                                    emulation_registry::ticket ticket = {});

}  // namespace madang
