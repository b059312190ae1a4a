#include "actors/job_adoption.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "actors/job_taker.hpp"
#include "tests/unit/storage/job_words.hpp"

namespace madang::test {
namespace {

// A node that takes jobs, and can be unlucky.
class node_there final : public adoption_peer, job_taker_host {
  public:
    explicit node_there(store& its) : store_(its) { taker_.serve(true); }

    int deaf = 0;        // it does not hear so many words
    int mute = 0;        // so many of its answers are lost
    int homeless = 0;    // so often nobody is the home
    int patience = 100;  // rests
    taken_chunk took_all;
    std::string home = "b", unknown;  // of the latter nobody hears
    std::set<std::string, std::less<>> removed;

    result<seen> look() override { return homeless-- > 0 ? seen{} : seen{home, removed}; }
    result<std::string> tell(const std::string& node, const std::string& word) override {
        if (node == unknown) return fail(errc::system_failure);
        EXPECT_EQ(node, home);
        if (deaf-- > 0) return fail(errc::system_failure);
        said_.clear();
        taker_.heard("adoption", *decode_job_move_word(word));
        while (!pending_.empty()) {
            auto [what, then] = std::move(pending_.front());
            pending_.pop_front();
            then(ask_job(store_, std::move(what), durability::synced));
        }
        const bool told = decode_job_move_word(said_)->what == job_move_word::kind::taken;
        if (told && mute-- > 0) return fail(errc::system_failure);
        return said_;
    }
    void moved(std::uint64_t given, std::uint64_t left) override {
        EXPECT_GT(given, given_.first);
        given_ = {given, left};
    }
    std::pair<std::uint64_t, std::uint64_t> given() const { return given_; }
    bool rest(std::chrono::milliseconds) override {
        clock.advance(std::chrono::seconds(1));
        return patience-- > 0;
    }

    manual_clock clock;

  private:
    void submit(job_request what, durability, std::function<void(job_answer&&)> then) override {
        pending_.emplace_back(std::move(what), std::move(then));
    }
    void send(const std::string&, std::string word) override { said_ = std::move(word); }
    void took(const std::string&, const taken_chunk& what) override { took_all.jobs += what.jobs; }
    job_time now() const override { return at(0); }

    store& store_;
    std::deque<std::pair<job_request, std::function<void(job_answer&&)>>> pending_;
    std::string said_;
    job_taker taker_{*this, 1 << 20};
    std::pair<std::uint64_t, std::uint64_t> given_;
};

class JobAdoption : public testing::Test {
  protected:
    std::unique_ptr<store> open() {
        return make_store(std::make_unique<memory_kv>(), {}, {4, 64 << 20, 8 << 20, 1000, 4 << 20}, clock_,
                          counts_)
            .value();
    }
    void fill(int jobs) {
        std::vector<job_spec> specs;
        for (int i = 0; i < jobs; ++i) specs.push_back(spec("j" + std::to_string(i)));
        ask_job(*dead_, enqueue(std::move(specs))).value();
    }
    std::uint64_t ready() {
        return job_as<std::vector<queue_view>>(ask_job(*living_, jq::queues{})).at(0).ready;
    }

    system_clock_source clock_;
    metrics counts_;
    std::unique_ptr<store> dead_ = open(), living_ = open();
    node_there there_{*living_};
};

TEST_F(JobAdoption, GivesAllThatIsThere) {
    fill(2500);
    const auto done = adopt_jobs(*dead_, there_, there_.clock).value();
    EXPECT_TRUE(done.all);
    EXPECT_EQ(done.jobs, 2500U);
    EXPECT_EQ(done.left, 0U);
    EXPECT_EQ(there_.given(), std::pair(std::uint64_t{2500}, std::uint64_t{0}));
    EXPECT_EQ(ready(), 2500U);
}

TEST_F(JobAdoption, GoesOnWhenTheNodeDoesNotHearOrItsAnswerIsLost) {
    fill(2500);
    there_.deaf = 2;
    there_.mute = 2;
    there_.homeless = 2;
    const auto done = adopt_jobs(*dead_, there_, there_.clock).value();
    EXPECT_TRUE(done.all);
    EXPECT_EQ(done.jobs, 2500U);
    EXPECT_EQ(there_.took_all.jobs, 2500U);
    EXPECT_EQ(ready(), 2500U);
}

TEST_F(JobAdoption, SaysWhatIsLeftWhenNobodyTakesIt) {
    fill(10);
    there_.deaf = 1000;
    there_.patience = 5;
    const auto done = adopt_jobs(*dead_, there_, there_.clock).value();
    EXPECT_FALSE(done.all);
    EXPECT_EQ(done.left, 10U);
    there_.deaf = 0;
    there_.patience = 5;
    EXPECT_TRUE(adopt_jobs(*dead_, there_, there_.clock).value().all);
    EXPECT_EQ(ready(), 10U);
}

// b took a chunk, its answer was lost, and it was gone for good; c is the home.
TEST_F(JobAdoption, AChunkOnItsWayToANodeThatIsRemovedIsGivenToAnother) {
    fill(10);
    there_.mute = 1000;
    there_.patience = 5;
    EXPECT_EQ(adopt_jobs(*dead_, there_, there_.clock).value().left, 10U);
    const auto next = open();
    node_there c(*next);
    c.home = "c";
    c.patience = 5;
    c.unknown = "b";
    EXPECT_EQ(adopt_jobs(*dead_, c, c.clock).value().left, 10U);  // only b can say
    c.removed = {"b"};
    c.patience = 5;
    const auto done = adopt_jobs(*dead_, c, c.clock).value();
    EXPECT_TRUE(done.all);
    EXPECT_EQ(c.took_all.jobs, 10U);
}

}  // namespace
}  // namespace madang::test
