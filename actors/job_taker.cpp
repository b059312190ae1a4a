#include "actors/job_taker.hpp"

#include <utility>

#include "broker/core/log.hpp"

namespace madang {

using kind = job_move_word::kind;

void job_taker::serve(bool home) {
    home_ = home;
    if (!home) std::erase_if(coming_, [](const auto& each) { return !each.second.taking; });
}

void job_taker::answer(const std::string& node, kind what, const job_transfer& of, std::uint64_t at) {
    host_.send(node, encode(job_move_word{what, of, at, 0, {}}));
}

void job_taker::heard(const std::string& node, job_move_word&& what) {
    if (what.what == kind::forgo) {
        const auto of = what.of;
        host_.submit(job_commands::forgo{of.book, of.number, of.transfer}, durability::synced,
                     [this, node, of](job_answer&& done) {
                         answer(node,
                                !done                   ? kind::not_here
                                : std::get<bool>(*done) ? kind::taken
                                                        : kind::forgone,
                                of);
                     });
        return;
    }
    if (what.what != kind::piece) return;
    if (!home_) return answer(node, kind::not_here, what.of);
    if (what.total > most_bytes_) {
        log_warn("jobs.chunk_too_large", {{"node", node}, {"bytes", what.total}});
        return answer(node, kind::not_here, what.of);
    }
    auto& coming = coming_[node];
    if (coming.taking) return;  // it is told when the store has answered
    if (coming.of != what.of || coming.total != what.total || what.at == 0)
        coming = {what.of, what.total, {}, false};
    if (what.at == coming.bytes.size()) coming.bytes += what.bytes;
    if (coming.bytes.size() < coming.total) return answer(node, kind::more, what.of, coming.bytes.size());
    take(node, coming);
}

void job_taker::take(const std::string& node, incoming& what) {
    what.taking = true;
    const auto of = what.of;
    auto bytes = std::make_shared<const std::string>(std::exchange(what.bytes, {}));
    host_.submit(job_commands::take{std::move(bytes), host_.now()}, durability::synced,
                 [this, node, of](job_answer&& done) {
                     coming_.erase(node);
                     if (!done) {
                         const bool unreadable = done.error().code == errc::bad_request;
                         return answer(node, unreadable ? kind::unreadable : kind::not_here, of);
                     }
                     const auto& taken = std::get<taken_chunk>(*done);
                     if (taken.what == taken_chunk::outcome::taken) host_.took(node, taken);
                     answer(node, taken.what == taken_chunk::outcome::refused ? kind::refused : kind::taken,
                            of);
                 });
}

}  // namespace madang
