// Three books, three givers and takers, and all that can go wrong between them, from a seed: nodes are killed
// (also with what was not synced) between any two effects, words are lost and come twice, the home changes.
// MADANG_JOB_MOVER_SEED replays one, or is the first of those up to MADANG_JOB_MOVER_LAST.
#include "actors/job_mover.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <random>

#include "actors/job_taker.hpp"
#include "storage/bytes.hpp"
#include "storage/job_book.hpp"
#include "storage/job_chunk.hpp"
#include "storage/job_tools.hpp"
#include "storage/memory_kv.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

using rows = std::map<std::pair<column, std::string>, std::string>;

rows all_of(const kv_view& from) {
    rows all;
    for (const auto& each : column_rows)
        from.scan(each.id, "", std::string(8, '\xff'), direction::ascending,
                  [&](auto key, auto value) {
                      all.emplace(std::pair(each.id, std::string(key)), value);
                      return true;
                  })
            .value();
    return all;
}

class move_world {
  public:
    explicit move_world(std::uint64_t seed) : dice_(seed) {
        for (int i = 0; i < 3; ++i) nodes_.push_back(std::make_unique<node>(*this, i));
        for (auto& each : nodes_) each->open();
        relink();
        set_home(0);
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            if (i % 200 == 0) check();
        }
        settle();
        check();
        for (const auto& id : known_) {
            EXPECT_TRUE(finished_.contains(id)) << id << " was lost";
        }
    }

    // A node dies with a chunk that may be in its book, and an operator says that it will not come back. Its
    // disk does, after all.
    void lose_a_taker(bool with_the_chunk) {
        for (int i = 0; i < 20; ++i) enqueue_some();
        set_home(1);
        auto& giver = *nodes_[0];
        const auto in_doubt = [&] {
            return giver.mover->chunks_kept() == 1 && jobs_in(*nodes_[1]->bytes).empty() != with_the_chunk &&
                   (with_the_chunk || !giver.out.empty());
        };
        until(in_doubt);
        ASSERT_TRUE(in_doubt());
        kill(1);
        set_home(2);
        until([] { return false; }, 5000);
        EXPECT_EQ(giver.mover->chunks_kept(), 1U) << "nobody else can know whether it has it";
        EXPECT_FALSE(giver.mover->is_done());
        reclaimed_ = true;
        giver.mover->removed("b");
        nodes_[2]->mover->removed("b");
        until([&] { return giver.mover->is_done(); });
        EXPECT_TRUE(giver.mover->is_done());
        finish(500);
        EXPECT_FALSE(finished_.empty());
        settle();
        check();
        EXPECT_EQ(finished_, known_);
    }

    std::uint64_t moved() const { return moved_; }

  private:
    struct node;
    struct word {
        std::size_t to;
        std::string bytes;
    };
    struct submission {
        job_request what;
        durability how;
        std::function<void(job_answer&&)> then;
    };

    std::uint64_t any(std::uint64_t below) { return dice_() % below; }

    struct node final : job_mover_host, job_taker_host {
        node(move_world& world, int number) : world(world), number(static_cast<std::size_t>(number)) {}

        std::string name() const { return std::string(1, static_cast<char>('a' + number)); }
        job_time now() const override {
            const auto apart = static_cast<std::int64_t>(number) * 1'000'000;  // clocks of their own
            return {noon + world.time_, 1000 + apart + world.time_};
        }
        std::uint64_t dice() override { return world.dice_(); }
        void submit(job_request what, durability how, std::function<void(job_answer&&)> then) override {
            pending.push_back({std::move(what), how, std::move(then)});
        }
        void send(const std::string& to, std::string bytes) override {
            const auto at = static_cast<std::size_t>(to[0] - 'a');
            if (world.linked(number, at)) out.push_back({at, std::move(bytes)});
        }
        void took_back(const taken_chunk& what) override { EXPECT_EQ(what.skipped, 0U); }
        void took(const std::string&, const taken_chunk& what) override {
            EXPECT_TRUE(what.skipped == 0 || world.reclaimed_);
            world.moved_ += what.jobs;
        }

        void open() {
            book = std::make_unique<job_book>(*bytes, job_book::limits{64 << 10, {}, 4 << 20});
            book->start().value();
            const auto batch = bytes->new_batch();
            book->keep_start(*batch);
            bytes->commit(*batch).value();
            synced = all_of(*bytes);
            book->start_is_kept();
            book->tell_all();
            job_mover::settings how;
            how.chunk_jobs = 7;
            how.chunk_bytes = 4000;
            how.piece_bytes = 700;
            mover = std::make_unique<job_mover>(*this, name(), how);
            taker = std::make_unique<job_taker>(*this, 1 << 20);
            mover->start();
            alive = true;
        }
        void die(bool with_power) {
            alive = false;
            pending.clear();
            answers.clear();
            out.clear();
            mover.reset();
            taker.reset();
            book.reset();
            if (!with_power) return;
            bytes = std::make_unique<memory_kv>();
            const auto batch = bytes->new_batch();
            for (const auto& [key, value] : synced) batch->put(key.first, key.second, value);
            bytes->commit(*batch).value();
        }

        move_world& world;
        const std::size_t number;
        std::unique_ptr<memory_kv> bytes = std::make_unique<memory_kv>();
        rows synced;
        std::unique_ptr<job_book> book;
        std::unique_ptr<job_mover> mover;
        std::unique_ptr<job_taker> taker;
        bool alive = false;
        std::deque<submission> pending;
        std::deque<std::function<void()>> answers;
        std::deque<word> out;
    };

    // ---- Links and homes

    bool linked(std::size_t a, std::size_t b) const {
        return a != b && nodes_[a]->alive && nodes_[b]->alive && !cut_[a][b];
    }
    void relink() {
        for (std::size_t a = 0; a < 3; ++a)
            for (std::size_t b = 0; b < 3; ++b)
                if (linked(a, b) != told_[a][b] || (linked(a, b) && fresh_[a])) {
                    told_[a][b] = linked(a, b);
                    if (a == b || !nodes_[a]->alive) continue;
                    if (told_[a][b])
                        nodes_[a]->mover->linked(nodes_[b]->name());
                    else {
                        nodes_[a]->mover->unlinked(nodes_[b]->name());
                        nodes_[a]->taker->unlinked(nodes_[b]->name());
                        std::erase_if(nodes_[a]->out, [&](const word& each) { return each.to == b; });
                    }
                }
        fresh_.fill(false);
    }
    void set_home(std::size_t which) {
        home_ = which;
        for (auto& each : nodes_) tell_home(*each);
    }
    void tell_home(node& which) {
        if (!which.alive) return;
        which.mover->home_is(nodes_[home_]->name());
        which.taker->serve(home_ == which.number);
    }
    void kill(std::size_t which) {
        nodes_[which]->die(any(2) == 0);
        for (auto& each : nodes_) std::erase_if(each->out, [&](const word& to) { return to.to == which; });
        relink();
    }
    void revive(std::size_t which) {
        nodes_[which]->open();
        fresh_[which] = true;
        for (auto& each : told_[which]) each = false;
        relink();
        tell_home(*nodes_[which]);
    }

    // ---- What happens

    void step() {
        const auto which = any(3);
        auto& at = *nodes_[which];
        switch (any(40)) {
            case 0:
                if (any(4) == 0 && at.alive) kill(which);
                break;
            case 1:
                if (!at.alive) revive(which);
                break;
            case 2: {
                if (any(3) != 0) break;
                const auto other = any(3);
                cut_[which][other] = cut_[other][which] = !cut_[which][other];
                relink();
                break;
            }
            case 3:
                if (any(4) == 0) set_home(any(3));
                break;
            case 4:
            case 5:
                enqueue_some();
                break;
            case 6:
            case 7:
            case 8:
                end_one();
                break;
            case 9:
                time_ += static_cast<std::int64_t>(any(400));
                if (at.alive) {
                    if (home_ == which) at.submit(jc::tick{at.now()}, durability::synced, [](auto&&) {});
                    at.mover->tick();
                }
                break;
            case 10:
                if (nodes_[home_]->alive) {
                    auto& home = *nodes_[home_];
                    home.submit(jc::withdraw{1}, durability::buffered, [](auto&&) {});
                    home.submit(offer(1, static_cast<std::uint32_t>(any(4)), {}, home.now()),
                                durability::buffered, [](auto&&) {});
                }
                break;
            default:
                go_on(at, any(3));
        }
    }

    void go_on(node& at, std::uint64_t how) {
        if (!at.alive) return;
        if (how == 0) {
            round(at);
        } else if (how == 1 && !at.answers.empty()) {
            const auto next = std::move(at.answers.front());
            at.answers.pop_front();
            next();
        } else if (how == 2 && !at.out.empty()) {
            const auto next = at.out.front();
            const bool again = any(8) == 0;
            if (!again) at.out.pop_front();
            if (any(25) == 0) return;  // lost
            if (linked(at.number, next.to)) hear(*nodes_[next.to], at.name(), next.bytes);
        }
    }

    void hear(node& at, const std::string& from, const std::string& bytes) {
        auto what = decode_job_move_word(bytes);
        ASSERT_TRUE(what);
        if (is_givers(what->what))
            at.taker->heard(from, std::move(*what));
        else
            at.mover->heard(from, *what);
    }

    void round(node& at) {
        std::vector<submission> now;
        for (auto n = 1 + any(4); n > 0 && !at.pending.empty(); --n) {
            now.push_back(std::move(at.pending.front()));
            at.pending.pop_front();
        }
        if (now.empty()) return;
        std::vector<job_answer> answers;
        for (const auto& each : now) answers.push_back(at.book->apply(each.what, {}).answer);
        const auto batch = at.bytes->new_batch();
        at.book->seal_round(*batch, {});
        std::optional<job_effects> effects;
        if (any(40) == 0) {
            at.book->undo_round();
            effects = at.book->end_round();
            for (auto& each : answers) each = fail(errc::storage_failed);
        } else {
            at.bytes->commit(*batch).value();
            effects = at.book->end_round();
            bool sync = false;
            for (const auto& each : now) sync = sync || each.how == durability::synced;
            if (sync) at.synced = all_of(*at.bytes);
            for (std::size_t i = 0; i < now.size(); ++i) note(now[i].what, answers[i]);
        }
        if (effects) see(*effects);
        for (std::size_t i = 0; i < now.size(); ++i)
            at.answers.push_back(
                [then = std::move(now[i].then),
                 answer = std::make_shared<job_answer>(std::move(answers[i]))] { then(std::move(*answer)); });
    }

    // What was committed; commands of clients and workers are synced.
    void note(const job_request& what, const job_answer& answer) {
        if (!answer) return;
        if (const auto* enqueued = std::get_if<jc::enqueue>(&what))
            for (const auto& each : enqueued->jobs) known_.insert(each->id);
        if (const auto* done = std::get_if<jc::succeed>(&what)) {
            EXPECT_TRUE(finished_.insert(done->which.job).second) << done->which.job << " finished twice";
        }
    }
    void see(const job_effects& effects) {
        for (const auto& each : effects.assigned) {
            EXPECT_TRUE(tokens_.emplace(each.spec->id, each.token).second) << "a token twice";
            leases_.push_back({each.spec->id, each.token});
        }
        for (const auto& each : effects.held) leases_.push_back(each.which);
    }

    void enqueue_some() {
        auto& home = *nodes_[home_];
        if (!home.alive) return;
        std::vector<job_spec> specs;
        std::vector<barrier_spec> barriers;
        const auto number = std::to_string(++made_);
        if (any(3) == 0) {
            for (std::uint32_t i = 0; i < 3; ++i) {
                specs.push_back(spec(std::string(1, static_cast<char>('a' + any(26))) + "h" + number + "-" +
                                     std::to_string(i)));
                specs.back().part_of = {"b" + number, i};
            }
            specs.push_back(spec("body" + number));
            specs.back().waits = true;
            specs.back().next = {"last" + number};
            specs.push_back(spec("last" + number));
            specs.back().waits = true;
            barriers.push_back({"b" + number, 3, {"body" + number}, {}});
        } else {
            for (auto n = 1 + any(4); n > 0; --n) {
                const bool made = any(2) == 0;
                specs.push_back(spec(made ? made_id(noon + time_, static_cast<unsigned>(++made_))
                                          : "j" + std::to_string(++made_),
                                     "q" + std::to_string(any(3)), static_cast<int>(any(10))));
                auto& each = specs.back();
                each.id_made = made;
                if (any(4) == 0) each.countdown_ms = 1 + static_cast<std::int64_t>(any(2000));
                if (any(4) == 0) each.eta_ms = noon + time_ + 1 + static_cast<std::int64_t>(any(2000));
                if (any(4) == 0) each.limit = {"limit", 0, 0, 1 + static_cast<std::uint32_t>(any(2))};
                if (any(4) == 0) each.unique = each.id;
            }
        }
        auto what = enqueue(std::move(specs), home.now());
        what.barriers = std::move(barriers);
        home.submit(std::move(what), durability::synced, [](auto&&) {});
    }

    // By a worker, or for one that is gone; at the home, which may not have the job yet.
    void end_one() {
        auto& home = *nodes_[home_];
        if (!home.alive || leases_.empty()) return;
        const auto at = leases_.begin() + static_cast<std::ptrdiff_t>(any(leases_.size()));
        const auto which = *at;
        switch (any(5)) {
            case 0:
                home.submit(jc::lose{{which}, {"WorkerLostError", "", ""}, 1'000'000, false, home.now()},
                            durability::synced, [](auto&&) {});
                break;
            case 1:
                home.submit(failed(which, jc::fail::verdict::retry, static_cast<std::int64_t>(any(2)) * 300,
                                   home.now()),
                            durability::synced, [](auto&&) {});
                break;
            default:
                home.submit(succeed(which, "1", home.now()), durability::synced, [](auto&&) {});
        }
        if (any(3) == 0) leases_.erase(at);
    }

    // ---- The end

    void settle() {
        for (auto& row : cut_) row.fill(false);
        for (std::size_t i = 0; i < 3; ++i)
            if (!nodes_[i]->alive) revive(i);
        relink();
        const auto all_moved = [&] {
            for (const auto& each : nodes_)
                if (!each->pending.empty() || !each->answers.empty() || !each->out.empty() ||
                    (each->number != home_ && !each->mover->is_done()) || each->mover->chunks_kept() != 0)
                    return false;
            return true;
        };
        until(all_moved);
        EXPECT_TRUE(all_moved()) << "home " << home_;
        for (const auto& each : nodes_)
            if (each->number != home_) {
                EXPECT_EQ(each->mover->jobs_left(), 0U);
                EXPECT_TRUE(jobs_in(*each->bytes).empty()) << each->name();
            }
        finish(3000);
    }
    template <class Condition>
    void until(const Condition& holds, int steps = 200'000) {
        for (int i = 0; i < steps && !holds(); ++i) {
            if (i % 20 == 0) {
                time_ += 100;
                for (auto& each : nodes_)
                    if (each->alive) each->mover->tick();
            }
            go_on(*nodes_[any(3)], any(3));
        }
    }
    void finish(int rounds) {
        auto& home = *nodes_[home_];
        leases_.clear();
        home.book->tell_all();
        for (int i = 0; i < rounds && !testing::Test::HasFailure() && finished_.size() < known_.size(); ++i) {
            time_ += 100;
            for (const auto& each : std::exchange(leases_, {}))
                home.submit(succeed(each, "1", home.now()), durability::synced, [](auto&&) {});
            home.submit(jc::tick{home.now()}, durability::synced, [](auto&&) {});
            home.submit(jc::withdraw{1}, durability::buffered, [](auto&&) {});
            home.submit(offer(1, 5, {}, home.now()), durability::buffered, [](auto&&) {});
            while (!home.pending.empty()) round(home);
            home.answers.clear();
        }
    }

    std::set<std::string> jobs_in(const kv_view& from) const {
        std::set<std::string> ids;
        for (const auto& [key, value] : all_of(from))
            if (key.first == column::jobs) ids.insert(key.second);
        return ids;
    }

    void check() {
        std::map<std::string, int> in_books, anywhere;
        for (const auto& each : nodes_) {
            const auto all = all_of(*each->bytes);
            for (const auto& [key, value] : all) {
                if (key.first == column::jobs) ++in_books[key.second], ++anywhere[key.second];
                if (key.first != column::job_rows || key.second[0] != static_cast<char>(keys::row::chunk))
                    continue;
                byte_reader in(value);
                in.text16();
                in.number<std::uint64_t>();
                const auto chunk = decode_chunk(in.rest());
                ASSERT_TRUE(chunk);
                for (const auto& workflow : chunk->workflows)
                    for (const auto& job : workflow.jobs) ++anywhere[job.spec->id];
            }
            check_jobs(*each->bytes, [&](auto name, auto what) {
                ADD_FAILURE() << each->name() << ": " << name << ": " << what;
            }).value();
        }
        for (const auto& id : known_) {
            EXPECT_LE(in_books[id], 1) << id << " is in two books";
            EXPECT_GE(anywhere[id], 1) << id << " is nowhere";
        }
    }

    std::mt19937_64 dice_;
    std::vector<std::unique_ptr<node>> nodes_;
    std::array<std::array<bool, 3>, 3> cut_{}, told_{};
    std::array<bool, 3> fresh_{};
    std::size_t home_ = 0;
    std::int64_t time_ = 0;
    std::uint64_t made_ = 0, moved_ = 0;
    bool reclaimed_ = false;  // a job may be in two books until the one is given to the other
    std::set<std::string> known_, finished_;
    std::set<std::pair<std::string, std::uint64_t>> tokens_;
    std::vector<job_lease> leases_;
};

TEST(JobMover, LosesAndDoublesNoJobWhateverHappensBetweenTheNodes) {
    std::uint64_t first = 1, last = 20;
#ifdef MADANG_SANITIZED
    last = 2;
#endif
    if (const char* only = std::getenv("MADANG_JOB_MOVER_SEED")) first = last = std::stoull(only);
    if (const char* upto = std::getenv("MADANG_JOB_MOVER_LAST")) last = std::stoull(upto);
    std::uint64_t moved = 0;
    for (auto seed = first; seed <= last && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("MADANG_JOB_MOVER_SEED=" + std::to_string(seed));
        move_world world(seed);
        world.run(6000);
        moved += world.moved();
    }
    EXPECT_GT(moved, 100 * (last - first + 1));
}

TEST(JobMover, WhatARemovedNodeMayHaveIsGivenToTheNextHomeAndDoneOnce) {
    for (std::uint64_t seed = 1; seed <= 10 && !testing::Test::HasFailure(); ++seed)
        for (const bool with_the_chunk : {true, false}) {
            SCOPED_TRACE((with_the_chunk ? "taken, " : "on its way, ") + std::to_string(seed));
            move_world world(seed);
            world.lose_a_taker(with_the_chunk);
        }
}

}  // namespace
}  // namespace madang::test
