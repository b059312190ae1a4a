// Words of those who give the jobs of a dead node's folder (job_adoption.hpp), on their way: who waits for a
// node's answer, and, at the node that is meant, one of them at a time. No actors, no sockets, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/result.hpp"

namespace madang {

// The answer's bytes (job_move_word), or "": nothing to be said yet. Errors: bad_request (it is no giver's
// word), busy.
using adopter_answer = std::function<void(result<std::string>)>;

inline constexpr std::size_t adopter_word_limit = 256 * 1024;  // bytes of a word

// Words that other nodes are to answer. One thread.
class adopters_away {
  public:
    static constexpr std::size_t most = 16;  // then the one that waits longest is answered busy

    // Its ticket.
    std::uint64_t ask(std::size_t peer, std::uint64_t link, adopter_answer done);
    void came(std::size_t peer, std::uint64_t ticket, result<std::string> what);
    // Whose link does not stand any more is answered busy.
    void lost(const std::function<bool(std::size_t peer, std::uint64_t link)>& stands);
    std::size_t waiting() const noexcept { return waiting_.size(); }

  private:
    struct asked {
        std::size_t peer;
        std::uint64_t link;
        adopter_answer done;
    };
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, asked> waiting_;  // by ticket
};

// Whose words the taker of this node hears: a book's, until it was silent for `patience_ms`; another's are
// busy until then, so that what waits of a chunk is one adopter's. One thread.
class adopter_here {
  public:
    static constexpr std::int64_t patience_ms = 10'000;
    static constexpr std::string_view name = "(adoption)";  // to the taker: no node's name

    enum class verdict : std::uint8_t { refused, same, another };
    // refused: `done` was told. another: the taker is to forget what it has of the one before, and to hear
    // this one. same: to hear it.
    verdict came(std::uint64_t book, std::int64_t now_ms, adopter_answer done);
    void answer(std::string word);  // the taker's
    // It was silent for too long: the taker is to forget it. Elapsed milliseconds.
    bool silent(std::int64_t now_ms);
    std::optional<std::int64_t> until() const noexcept;  // silent() is to be asked then

  private:
    struct one {
        std::uint64_t book;
        std::int64_t heard_ms;
    };
    void tell(result<std::string> what);

    std::optional<one> now_;
    adopter_answer done_;  // of its last word, until it is answered
};

}  // namespace madang
