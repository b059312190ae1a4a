#include "actors/job_adoption.hpp"

#include <algorithm>
#include <deque>
#include <future>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "actors/job_clock.hpp"
#include "actors/job_mover.hpp"

namespace madang {
namespace {

class adoption final : job_mover_host {
  public:
    adoption(store& from, adoption_peer& by, const clock_source& clock)
        : from_(from),
          by_(by),
          clock_(clock, from.jobs_elapsed_ms()),
          mover_(*this, "(adoption)", {}) {}  // no node's name

    result<adopted> run() {
        mover_.start();
        for (bool go_on = true; go_on && !mover_.is_done() && !failed_;) {
            if (!pending_.empty())
                ask_store();
            else if (!words_.empty())
                tell();
            else
                go_on = look_around();
            if (mover_.jobs_moved() == told_) continue;
            told_ = mover_.jobs_moved();
            by_.moved(told_, mover_.jobs_left());
        }
        if (failed_) return *failed_;
        return adopted{mover_.jobs_moved(), mover_.jobs_left(), mover_.is_done()};
    }

  private:
    struct question {
        job_request what;
        durability how;
        std::function<void(job_answer&&)> then;
    };

    void submit(job_request what, durability how, std::function<void(job_answer&&)> then) override {
        pending_.push_back({std::move(what), how, std::move(then)});
    }
    void send(const std::string& node, std::string word) override {
        words_.emplace_back(node, std::move(word));
    }
    void took_back(const taken_chunk&) override {}
    job_time now() const override { return clock_.now(); }
    std::uint64_t dice() override { return dice_(); }

    void ask_store() {
        auto next = std::move(pending_.front());
        pending_.pop_front();
        std::promise<job_answer> promise;
        auto future = promise.get_future();
        std::vector<job_request> batch;
        batch.push_back(std::move(next.what));
        from_.submit_jobs(std::move(batch), next.how,
                          [&](std::vector<job_answer> got) { promise.set_value(std::move(got.at(0))); });
        auto got = future.get();
        // Nobody mends a full or broken disk while this goes on.
        if (!got && (got.error().code == errc::storage_failed || got.error().code == errc::storage_full))
            failed_ = got.error();
        next.then(std::move(got));
    }

    void tell() {
        const auto [node, word] = std::move(words_.front());
        words_.pop_front();
        const auto answer = by_.tell(node, word);
        if (!answer) {
            linked_.erase(node);
            mover_.unlinked(node);
            unheard_ = true;
        } else if (const auto heard = decode_job_move_word(*answer); heard && !is_givers(heard->what))
            mover_.heard(node, *heard);
    }

    // Nothing can be done but wait, or ask those again that did not answer.
    bool look_around() {
        if (std::exchange(unheard_, false)) return by_.rest(std::chrono::milliseconds(1000));
        const auto looked = by_.look();
        const auto seen = looked ? *looked : adoption_peer::seen{};
        mover_.home_is(seen.home);
        for (const auto& each : mover_.takers())
            if (seen.removed.contains(each)) {
                if (linked_.erase(each) != 0) mover_.unlinked(each);
                mover_.removed(each);
            } else if (linked_.insert(each).second)
                mover_.linked(each);
        mover_.tick();
        if (!pending_.empty() || !words_.empty()) return true;
        return by_.rest(std::min(mover_.wait(), std::chrono::milliseconds(1000)));
    }

    store& from_;
    adoption_peer& by_;
    const job_clock clock_;
    std::mt19937_64 dice_{std::random_device{}()};
    std::deque<question> pending_;
    std::deque<std::pair<std::string, std::string>> words_;
    std::set<std::string> linked_;
    bool unheard_ = false;    // the last word: not the same at once
    std::uint64_t told_ = 0;  // of what it moved
    std::optional<error> failed_;
    job_mover mover_;
};

}  // namespace

result<adopted> adopt_jobs(store& from, adoption_peer& by, const clock_source& clock) {
    return adoption(from, by, clock).run();
}

}  // namespace madang
