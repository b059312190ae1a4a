// The bytes of worker_link.hpp, on the server's socket and between a worker and its children:
//
//     frame  = length:u32 kind:u8 members     length: of kind and members; 1 .. the decoder's limit
//
// kinds: hello 1, capacity 2, began 3, ended 4, progress 5, checkpoint 6, call 7, child_ended 8, alive 9,
// leaving 10, welcome 17, refused 18, run 19, stop 20, answer 21, warm_stop 22, told 23. wire.hpp has the
// members' forms; their order is the structs'. Strict: what is not exactly that is refused, and a connection
// of which something was refused is of no more use.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/result.hpp"
#include "broker/jobs/worker_link.hpp"

namespace madang::link {

// The largest frame: results, arguments and checkpoints are bounded by options of at most 64 MiB.
inline constexpr std::size_t frame_limit = 160u << 20;

// Appends the frame. One of the structs of worker_link.hpp, or a variant of them.
template <class Message>
void append(std::string& out, const Message& what);

// Message: from_worker or from_server.
template <class Message>
class decoder {
  public:
    explicit decoder(std::size_t limit = frame_limit) : limit_(limit) {}

    void add(std::string_view bytes);
    // Nothing: more bytes are needed. Errors: protocol_error, and again whenever it is asked.
    result<std::optional<Message>> next();
    std::size_t waiting() const noexcept { return bytes_.size() - at_; }  // bytes not yet read as frames

  private:
    std::size_t limit_;
    std::string bytes_;
    std::size_t at_ = 0;
};

}  // namespace madang::link
