#include "actors/job_move_word.hpp"

#include "storage/bytes.hpp"

namespace madang {
namespace {

constexpr std::uint8_t version = 1;

}  // namespace

std::string encode(const job_move_word& what) {
    std::string bytes;
    bytes.reserve(64 + what.bytes.size());
    byte_writer(bytes)
        .number(version)
        .number(static_cast<std::uint8_t>(what.what))
        .number(what.of.book)
        .number(what.of.number)
        .number(what.of.transfer)
        .number(what.at)
        .number(what.total)
        .raw(what.bytes);
    return bytes;
}

std::optional<job_move_word> decode_job_move_word(std::string_view bytes) {
    byte_reader in(bytes);
    const auto by = in.number<std::uint8_t>();
    const auto kind = in.number<std::uint8_t>();
    job_move_word what;
    what.what = static_cast<job_move_word::kind>(kind);
    what.of.book = in.number<std::uint64_t>();
    what.of.number = in.number<std::uint64_t>();
    what.of.transfer = in.number<std::uint64_t>();
    what.at = in.number<std::uint64_t>();
    what.total = in.number<std::uint64_t>();
    what.bytes = in.rest();
    if (!in.whole() || by != version || kind < static_cast<std::uint8_t>(job_move_word::kind::piece) ||
        kind > static_cast<std::uint8_t>(job_move_word::kind::unreadable))
        return {};
    const bool piece = what.what == job_move_word::kind::piece;
    if (piece ? what.bytes.empty() || what.at > what.total || what.bytes.size() > what.total - what.at
              : !what.bytes.empty() || what.total != 0)
        return {};
    if (what.at != 0 && !piece && what.what != job_move_word::kind::more) return {};
    return what;
}

}  // namespace madang
