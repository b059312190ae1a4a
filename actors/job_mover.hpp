// The giver's side of moving jobs: a node with jobs in its book that is not the jobs' home gives them to it,
// chunk after chunk (storage/job_chunk.hpp). No actors, no sockets, no clock.
//
// One chunk is under way at a time; the next is cut no sooner than the last one took, so that the home's own
// jobs have half of its store. A chunk whose taker is not heard of any more stays with it in doubt, and the
// others go on to the next home; when the taker is back it says whether it has it. One that an operator
// removed will not: then the chunk is this book's again, and if its disk turns up after all, jobs are known
// by their ids.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "actors/job_move_word.hpp"
#include "storage/job_command.hpp"

namespace madang {

class job_mover_host {
  public:
    // `then` later (never from within), on this thread, with its answer; never, if the store is gone.
    virtual void submit(job_request what, durability how, std::function<void(job_answer&&)> then) = 0;
    virtual void send(const std::string& node, std::string word) = 0;
    // What take_back gave: schedules to be loaded again.
    virtual void took_back(const taken_chunk& what) = 0;
    virtual job_time now() const = 0;
    virtual std::uint64_t dice() = 0;  // uniform

  protected:
    ~job_mover_host() = default;
};

// One thread.
class job_mover {
  public:
    struct settings {
        std::size_t chunk_jobs = 1000;
        std::size_t chunk_bytes = 1 << 20;
        std::size_t piece_bytes = 128 << 10;
        std::int64_t retry_ms = 1000;         // without an answer: the same again
        std::int64_t look_again_ms = 10'000;  // whether an empty book still is
    };
    // `host` outlives it.
    job_mover(job_mover_host& host, std::string own_name, const settings& how);

    void start();  // once: chunks of earlier processes are looked for
    // Who serves jobs; "": nobody, or nobody knows. Own name: this node. Before another node is named, this
    // one has stopped to serve: nothing but the mover changes the book any more.
    void home_is(const std::string& node);
    void linked(const std::string& node);
    void unlinked(const std::string& node);
    void removed(const std::string& node);  // it is gone for good, with its disk; until it is linked()
    void heard(const std::string& node, const job_move_word& what);  // of the taker's kinds
    void tick();                                                     // when wait() is over

    std::chrono::milliseconds wait() const;  // until the next tick; at most a minute
    // Nothing is in the book and no chunk in doubt, by the store's word, since somebody else is the home.
    bool is_done() const noexcept;
    std::uint64_t jobs_left() const noexcept;  // in the book (as far as known) and in chunks
    std::uint64_t jobs_moved() const noexcept { return moved_; }
    std::size_t chunks_kept() const noexcept { return kept_.size(); }  // for tests
    std::set<std::string> takers() const;  // with whom it has to do: the home, and those of kept chunks

  private:
    struct chunk {
        job_transfer name;
        std::string to;
        std::uint64_t jobs = 0;
        std::shared_ptr<const std::string> bytes;  // once read
        bool unsent = false;                       // nobody else can have it
        std::int64_t rests_until_ms = 0;           // elapsed
    };
    enum class phase : std::uint8_t { none, store, sending, asking };

    void go_on();
    bool settle(chunk& what);
    void read_chunks();
    void read(std::uint64_t number);
    void send_from(std::uint64_t at);
    void ask();
    void look();
    void give();
    void given();
    void put_elsewhere(bool renamed);
    void again(std::uint64_t number, bool renamed);
    void take_back(std::uint64_t number);
    void submit(job_request what, durability how, std::function<void(job_answer&&)> then);
    chunk& keep(const kept_chunk& what);
    void rest(std::int64_t ms);
    void leave_current();
    std::int64_t now_ms() const { return host_.now().elapsed_ms; }
    bool is_home() const noexcept { return home_ == own_; }

    job_mover_host& host_;
    const std::string own_;
    const settings settings_;
    std::string home_;
    std::set<std::string, std::less<>> links_, removed_;
    bool started_ = false, known_ = false;  // what chunks there are
    bool ready_ = false;                    // to be given from
    bool empty_ = false;                    // the book
    bool look_again_ = false;               // whether it still is
    std::map<std::uint64_t, chunk> kept_;   // by number; those for one node go in this order
    phase phase_ = phase::none;
    std::uint64_t current_ = 0;        // sending, asking: which
    std::uint64_t sent_ = 0;           // of its bytes
    std::int64_t began_ms_ = 0;        // elapsed: when the current one was cut, or tried again
    std::int64_t said_ms_ = 0;         // when something was sent
    std::int64_t rests_until_ms_ = 0;  // no chunk is cut before
    std::uint64_t left_ = 0, moved_ = 0;
};

}  // namespace madang
