// The jobs' shard beside a simple model of it: random commands from a seed, commits that fail and restarts
// between rounds. No job is lost, none has two valid tokens, what is over does not run again, a chord's body
// begins once, and all rows fit together.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "storage/job_book.hpp"
#include "storage/job_tools.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

class job_model {
  public:
    explicit job_model(std::uint64_t seed) : dice_(seed) { open(); }

    void run(int rounds) {
        for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
            if (any(30) == 0) open();  // killed, and started again
            std::vector<job_request> commands;
            for (auto n = any(6); n > 0; --n) add_command(commands);
            round(std::move(commands), any(15) == 0);
        }
        // Everything can end.
        for (int i = 0; i < 2000 && !testing::Test::HasFailure() && !all_over(); ++i) {
            std::vector<job_request> commands;
            for (const auto& [id, token] : leased_) commands.push_back(succeed({id, token}, "1", now()));
            time_ += 1000;
            round(std::move(commands), false);
        }
        EXPECT_TRUE(all_over());
        check();
        for (const auto& [body, times] : bodies_) EXPECT_LE(times, 1) << body;
    }

  private:
    std::uint64_t any(std::uint64_t below) { return dice_() % below; }
    job_time now() const { return {noon + time_, 1000 + time_}; }

    void open() {
        book_ = std::make_unique<job_book>(bytes_, job_book::limits{64 << 10, {}, 4 << 20});
        book_->start().value();
        book_->tell_all();
    }

    void add_command(std::vector<job_request>& to) {
        const auto kind = any(10);
        if (kind < 3) {
            std::vector<job_spec> specs;
            for (auto n = 1 + any(3); n > 0; --n) {
                const bool made = any(2) == 0;
                auto each = spec(
                    made ? made_id(now().wall_ms, static_cast<unsigned>(made_)) : "j" + std::to_string(made_),
                    "q" + std::to_string(any(3)), static_cast<int>(any(10)));
                each.id_made = made;
                ++made_;
                if (any(5) == 0)
                    each.countdown_ms = 1 + static_cast<std::int64_t>(any(1000));
                else if (any(5) == 0)
                    each.eta_ms = now().wall_ms + 1 + static_cast<std::int64_t>(any(1000));
                if (any(5) == 0)
                    each.limit = {"limit", 0, 0, 1 + static_cast<std::uint32_t>(any(2))};
                else if (any(8) == 0)
                    each.limit = {"rate", 20, 1000, 0};
                specs.push_back(std::move(each));
            }
            to.push_back(enqueue(specs, now()));
        } else if (kind == 3) {
            const auto number = std::to_string(++made_);
            std::vector<job_spec> specs;
            for (std::uint32_t i = 0; i < 3; ++i) {
                specs.push_back(spec("h" + number + "-" + std::to_string(i)));
                specs.back().part_of = {"b" + number, i};
            }
            barrier_spec barrier{"b" + number, 3, {}, {}, {}};
            std::vector<std::string> all;
            for (const auto& each : specs) all.push_back(each.id);
            if (any(2) == 0) {
                barrier.children = all;
            } else {
                barrier.bodies = {"body" + number};
                specs.push_back(spec("body" + number));
                specs.back().waits = true;
                if (any(2) == 0) {
                    all.push_back("body" + number);
                    specs.back().children = all;
                }
            }
            auto what = enqueue(specs, now());
            what.barriers.push_back(std::move(barrier));
            to.push_back(std::move(what));
        } else if (kind == 4 && !known_.empty()) {
            auto id = known_.begin();
            std::advance(id, any(known_.size()));
            to.push_back(jc::cancel{{*id}, "no more", now()});
        } else if (kind == 5)
            to.push_back(jc::pause{"q" + std::to_string(any(3)), any(2) == 0});
        else if (kind == 6)
            to.push_back(jc::requeue{{"*"}, now()});
        else if (!leased_.empty()) {
            auto at = leased_.begin();
            std::advance(at, any(leased_.size()));
            const job_lease which{at->first, at->second};
            using verdict = jc::fail::verdict;
            switch (any(7)) {
                case 6:
                    to.push_back(
                        failed(which, verdict::requeued, static_cast<std::int64_t>(any(300)), now()));
                    break;
                case 0:
                    to.push_back(failed(which, verdict::dead, 0, now()));
                    break;
                case 1:
                    to.push_back(failed(which, verdict::retry, static_cast<std::int64_t>(any(300)), now()));
                    break;
                case 2:
                    to.push_back(failed(which, verdict::handed_back, 0, now()));
                    break;
                case 3:
                    to.push_back(jc::lose{{which}, {"WorkerLostError", "", ""}, 3, false, now()});
                    break;
                default:
                    to.push_back(succeed(which, "1", now()));
            }
        }
    }

    void round(std::vector<job_request> commands, bool fails) {
        time_ += static_cast<std::int64_t>(any(200));
        commands.push_back(jc::tick{now()});
        commands.push_back(jc::withdraw{1});
        commands.push_back(offer(1, static_cast<std::uint32_t>(any(6)), {}, now()));
        if (all_resumed_soon()) commands.push_back(jc::pause{"q" + std::to_string(any(3)), false});
        const auto batch = bytes_.new_batch();
        std::vector<job_answer> answers;
        auto leased = leased_;
        for (const auto& each : commands) {
            answers.push_back(book_->apply(each, {}).answer);
            const auto ended = [&](const job_lease& which, bool accepted) {
                const auto found = leased.find(which.job);
                const bool valid = found != leased.end() && found->second == which.token;
                EXPECT_EQ(accepted, valid) << which.job;
                if (valid) leased.erase(found);
            };
            if (const auto* what = std::get_if<jc::succeed>(&each))
                ended(what->which, answers.back().has_value());
            if (const auto* what = std::get_if<jc::fail>(&each))
                ended(what->which, answers.back().has_value());
            if (const auto* what = std::get_if<jc::lose>(&each))
                ended(what->which[0], job_as<std::uint64_t>(answers.back()) == 1);
        }
        book_->seal_round(*batch, {});
        if (fails) {
            book_->undo_round();
            compare(*book_->end_round());
            return;
        }
        bytes_.commit(*batch).value();
        leased_ = std::move(leased);
        for (std::size_t i = 0; i < commands.size(); ++i)
            if (const auto* what = std::get_if<jc::enqueue>(&commands[i])) {
                EXPECT_TRUE(answers[i]);
                for (const auto& job : what->jobs) known_.insert(job->id);
                for (const auto& each : what->barriers)
                    if (each.bodies.empty()) known_.insert(each.id);
            }
        if (auto effects = book_->end_round()) {
            for (const auto& each : effects->assigned) {
                EXPECT_TRUE(tokens_.insert(each.token).second) << "a token twice";
                EXPECT_TRUE(leased_.emplace(each.spec->id, each.token).second) << each.spec->id;
                if (each.spec->waits && each.losses + each.retries == 0 &&
                    handed_.insert(each.spec->id).second)
                    ++bodies_[each.spec->id];
            }
            compare(*effects);
        }
        if (++rounds_ % 20 == 0) check();
    }

    bool all_resumed_soon() { return any(3) == 0; }

    void compare(const job_effects& effects) {
        if (!effects.restarted) return;
        std::map<std::string, std::uint64_t> held;
        for (const auto& each : effects.held) held[each.which.job] = each.which.token;
        EXPECT_EQ(held, leased_);
    }

    job_view find(const std::string& id) {
        return job_as<job_view>(book_->apply(jq::find{id}, {}).answer);  // throws: it is lost
    }
    bool all_over() {
        for (const auto& id : known_)
            if (!is_over(find(id).state)) return false;
        return true;
    }

    void check() {
        for (const auto& id : known_)
            EXPECT_EQ(find(id).state == job_state::leased, leased_.contains(id)) << id;
        check_jobs(bytes_, [](auto name, auto what) { ADD_FAILURE() << name << ": " << what; }).value();
    }

    std::mt19937_64 dice_;
    memory_kv bytes_;
    std::unique_ptr<job_book> book_;
    std::set<std::string> known_;  // that were taken
    std::map<std::string, std::uint64_t> leased_;
    std::set<std::uint64_t> tokens_;
    std::set<std::string> handed_;
    std::map<std::string, int> bodies_;
    std::int64_t time_ = 0;
    int made_ = 0, rounds_ = 0;
};

TEST(JobModel, NoRandomCourseLosesDoublesOrMiscountsAJob) {
#ifdef MADANG_SANITIZED
    constexpr std::uint64_t seeds = 3;  // each takes ten times as long
#else
    constexpr std::uint64_t seeds = 20;
#endif
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        job_model(seed).run(300);
    }
}

}  // namespace
}  // namespace madang::test
