#include "actors/job_adopters.hpp"

#include <utility>
#include <vector>

namespace madang {

std::uint64_t adopters_away::ask(std::size_t peer, std::uint64_t link, adopter_answer done) {
    if (waiting_.size() >= most) {
        const auto oldest = std::move(waiting_.extract(waiting_.begin()).mapped());
        oldest.done(fail(errc::busy, "too many words of adopters wait for other nodes"));
    }
    waiting_.emplace(++last_, asked{peer, link, std::move(done)});
    return last_;
}

void adopters_away::came(std::size_t peer, std::uint64_t ticket, result<std::string> what) {
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end() || found->second.peer != peer) return;
    const auto asked = std::move(waiting_.extract(found).mapped());
    asked.done(std::move(what));
}

void adopters_away::lost(const std::function<bool(std::size_t, std::uint64_t)>& stands) {
    std::vector<asked> gone;
    for (auto at = waiting_.begin(); at != waiting_.end();)
        if (const auto each = at++; !stands(each->second.peer, each->second.link))
            gone.push_back(std::move(waiting_.extract(each).mapped()));
    for (const auto& each : gone)
        each.done(fail(errc::busy, "the link to the node that was to answer ended"));
}

adopter_here::verdict adopter_here::came(std::uint64_t book, std::int64_t now_ms, adopter_answer done) {
    const bool same = now_ && now_->book == book;
    if (now_ && !same && now_ms < now_->heard_ms + patience_ms) {
        done(fail(errc::busy, "jobs of another folder are being adopted"));
        return verdict::refused;
    }
    now_ = one{book, now_ms};
    tell("");  // it did not wait for that one any more
    done_ = std::move(done);
    return same ? verdict::same : verdict::another;
}

void adopter_here::answer(std::string word) { tell(std::move(word)); }

bool adopter_here::silent(std::int64_t now_ms) {
    if (!now_ || now_ms < now_->heard_ms + patience_ms) return false;
    now_.reset();
    tell("");
    return true;
}

std::optional<std::int64_t> adopter_here::until() const noexcept {
    if (!now_) return std::nullopt;
    return now_->heard_ms + patience_ms;
}

void adopter_here::tell(result<std::string> what) {
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(what));
}

}  // namespace madang
