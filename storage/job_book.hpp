// The jobs' shard: what a command changes and what a query answers. No thread, no clock, no dice; the parts
// that it is put together from have the logic.
//
// A round is applied, sealed (ready jobs are given to workers then) and either committed (end_round) or never
// was (undo_round: all that is in memory is read again, and what workers offered is forgotten).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/job_command.hpp"
#include "storage/job_flow.hpp"
#include "storage/job_list.hpp"
#include "storage/job_moves.hpp"
#include "storage/job_offers.hpp"
#include "storage/job_sweeps.hpp"
#include "storage/job_table.hpp"

namespace madang {

bool is_change(const job_request& what) noexcept;  // of what is stored; offering and beginning are not
// Below the free-space mark what runs may end and nothing new begins: these are accepted then.
bool frees_space(const job_request& what) noexcept;
std::size_t size_of(const job_request& what) noexcept;  // roughly, in bytes

class job_book {
  public:
    static constexpr int token_bits = 40;  // of a start's own counting; above: its number
    struct limits {
        std::size_t cache_bytes = 24 << 20;
        job_flow::limits flow;
        std::size_t round_bytes = 4 << 20;  // beyond that nothing more is assigned
        // Number of a new book's first start. Books whose jobs are to come together begin at numbers far from
        // each other, so that their tokens differ; at most 2^21, which leaves as many starts.
        std::uint64_t first_start = 1;
    };
    // `committed` outlives the book.
    job_book(const kv_view& committed, const limits& most);

    // Tokens of this start are beyond those of all earlier ones. Its number is to be committed and synced
    // before the first lease is given: a power cut must not give it to the next start, too. A start needs no
    // room on the disk: what could not be kept then is in the write that has the first lease.
    result<void> start();
    void keep_start(kv_batch& into) const;
    void start_is_kept() { start_to_store_.clear(); }

    struct round {
        std::optional<error> refused;  // no change is possible, and why
        std::optional<error> full;     // only what frees space is
        bool undone = false;           // the commit failed: only queries are answered
    };
    struct applied {
        job_answer answer;
        // The answer is run(*later, what was committed before this round).
        std::optional<job_list_read> later;
    };
    applied apply(const job_request& what, const round& in);
    std::size_t round_bytes() const noexcept { return jobs_.round_bytes(); }
    void seal_round(kv_batch& into, const round& in);
    std::optional<job_effects> end_round();  // what is to be told, if anything
    void undo_round();

    void tell_all() noexcept;  // the next effects begin anew: somebody listens now
    std::int64_t elapsed_ms() noexcept { return jobs_.meta().elapsed_ms; }
    std::int64_t now_ms() const noexcept { return now_.wall_ms; }

  private:
    job_answer apply(const job_commands::enqueue& what);
    job_answer apply(const job_commands::offer& what);
    job_answer apply(const job_commands::withdraw& what);
    job_answer apply(const job_commands::started& what);
    job_answer apply(const job_commands::succeed& what);
    job_answer apply(const job_commands::fail& what);
    job_answer apply(const job_commands::lose& what);
    job_answer apply(const job_commands::checkpoint& what);
    job_answer apply(const job_commands::cancel& what);
    job_answer apply(const job_commands::pause& what);
    job_answer apply(const job_commands::purge& what);
    job_answer apply(const job_commands::requeue& what);
    job_answer apply(const job_commands::discard& what);
    job_answer apply(const job_commands::tick& what);
    job_answer apply(const job_commands::put_schedule& what);
    job_answer apply(const job_commands::remove_schedule& what);
    job_answer apply(const job_commands::skip_fire& what);
    job_answer apply(const job_commands::told& what);
    job_answer apply(const job_commands::look& what);
    job_answer apply(const job_commands::give& what);
    job_answer apply(const job_commands::take& what);
    job_answer apply(const job_commands::given& what);
    job_answer apply(const job_commands::forgo& what);
    job_answer apply(const job_commands::give_again& what);
    job_answer apply(const job_commands::take_back& what);
    job_answer apply(const job_queries::chunks& what);
    job_answer apply(const job_queries::chunk& what);
    job_answer apply(const job_queries::find& what);
    job_answer apply(const job_queries::list& what);
    job_answer apply(const job_queries::queues& what);
    job_answer apply(const job_queries::schedules& what);

    void load();
    void reload();  // or `broken_` says why not
    // The job that this lease is of; null: it is stale.
    job_entry* leased(const job_lease& which);
    void end_attempt(job_entry& job, const job_error& error);
    bool is_lost_too_often(job_entry& job, const job_commands::lose& how);
    bool is_lost_with_all(job_entry& job, const job_error& error);
    void load_news();
    void set_start(std::uint64_t number);
    void go_beyond_tokens();
    job_time next();

    const limits limits_;
    job_table jobs_;
    job_flow flow_;
    job_offers offers_;
    job_sweeps sweeps_;
    job_moves moves_;
    std::optional<error> broken_;  // memory could not be read again: nothing of it may be written or told

    job_time now_;  // the latest that a command said
    bool active_ = false;
    bool restarted_ = true;
    bool more_ = false;                                  // to assign, or due
    std::uint64_t news_told_to_ = 0, news_to_tell_ = 0;  // of what was there at the start
    std::uint64_t start_number_ = 0;
    std::string start_to_store_;
    bool keep_start_ = false;    // with this round
    bool start_stored_ = false;  // in this round
    job_time told_next_{-1, -1};
    std::int64_t stored_elapsed_ms_ = 0;
    job_effects effects_;
    std::optional<job_list_read> later_;
};

}  // namespace madang
