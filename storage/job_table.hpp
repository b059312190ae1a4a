// All jobs: each in its state and place, counted, with what of them is in memory. What a round changed is
// written at its end, as the difference to what is committed: a job that comes and goes within one round
// costs one write of each row.
#pragma once

#include <boost/intrusive/list.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "storage/due_line.hpp"
#include "storage/job_entry.hpp"
#include "storage/job_leases.hpp"
#include "storage/job_line.hpp"
#include "storage/job_rows.hpp"

namespace madang {

// The writer's thread. Throws `failure` when the disk does not answer: then the round has to be undone.
class job_table {
  public:
    job_table(const kv_view& committed, std::size_t cache_bytes);

    void load();  // what is committed, and nothing else

    // Null: there is none (any more), or its record is damaged (it is logged). Entries stay for the round.
    job_entry* find(std::string_view id, std::int64_t now_ms);
    job_entry& create(std::shared_ptr<const job_spec> spec, std::int64_t now_ms);  // waiting
    // The same, with its committed record at hand.
    job_entry* find(std::string_view id, std::string_view record, std::int64_t now_ms);
    // As another book had it; its state is one that a record has, its place is free. There is none of its id.
    void adopt(std::shared_ptr<const job_spec> spec, job_status status,
               const std::optional<job_lease_record>& lease);
    void give_away(job_entry& job);  // in any state: nothing is left of it
    void change(job_entry& job);     // its record differs now

    // From any state but over into this one; the record changes, but for leasing and going back.
    void wait_ready(job_entry& job, const job_time& since);  // at its sequence
    void renew_place(job_entry& job);  // a new sequence where its own would count as purged
    void schedule(job_entry& job, std::int64_t due_ms, bool by_wall);
    void park(job_entry& job);
    void lease(job_entry& job, job_lease_record row);
    void hand_back(job_entry& job);  // leased: to its place, as if nothing had been
    void finish(job_entry& job, job_state how, std::int64_t ends_ms);  // dead letters: forgotten by a tick
    void revive(job_entry& job);                                       // over: waiting
    void remove(job_entry& job);                                       // over: nothing is left of it

    job_lease_entry* leased(std::string_view job) { return leases_.find(job); }
    job_leases& leases() noexcept { return leases_; }

    struct queue {
        queue_counts counts;
        bool touched = false;
        bool paused = false;
        std::uint64_t purged = 0;            // sequences up to this one are revoked
        std::unique_ptr<job_line> lines[2];  // others', in-process workers'
    };
    queue& queue_of(std::string_view name);
    std::map<std::string, queue, std::less<>>& queues() noexcept { return queues_; }
    using named_queue = std::pair<const std::string, queue>;
    const std::unordered_set<named_queue*>& ready_queues() const noexcept { return ready_queues_; }
    job_line& line(queue& of, std::string_view name, bool in_process);
    // The first job of the line that is really there; null: none.
    job_entry* pop(queue& of, std::string_view name, bool in_process, std::int64_t now_ms);

    // Of a limit's key.
    std::uint32_t running(const std::string& key) const;
    job_entry* pop_parked(const std::string& key, std::int64_t now_ms);

    due_line& due_elapsed() noexcept { return due_elapsed_; }
    due_line& due_wall() noexcept { return due_wall_; }
    due_line& expiries() noexcept { return expiries_; }
    due_line& dead() noexcept { return dead_; }  // by when they are forgotten
    job_rows& rows() noexcept { return rows_; }
    const kv_view& committed() const noexcept { return committed_; }
    book_meta& meta() noexcept { return meta_; }

    std::size_t round_bytes() const noexcept { return round_bytes_ + rows_.bytes(); }
    void seal_round(kv_batch& into);
    void end_round();

  private:
    struct limit_state {
        std::uint32_t running = 0;
        std::unique_ptr<job_line> parked;
    };
    std::unique_ptr<job_entry> read(std::string_view id);
    std::unique_ptr<job_entry> entry_of(std::string_view id, std::string_view value);
    void read_ahead(const job_line& from);
    job_entry& keep(std::unique_ptr<job_entry> job);
    void make_way(std::string_view id);
    std::uint64_t free_number(std::uint64_t wanted);
    void touch(job_entry& job);
    void leave(job_entry& job);
    void enter(job_entry& job, job_state state);
    void count(const job_entry& job, job_state state, int change);
    void write(job_entry& job, kv_batch& into);
    void write_place(job_entry& job, kv_batch& into);
    void drop(job_entry& job);
    void evict();
    static keys::job_place place(const job_entry& job) { return {job.spec->priority, job.status.sequence}; }

    const kv_view& committed_;
    const std::size_t cache_bytes_;
    job_rows rows_;
    book_meta meta_, stored_meta_;

    std::unordered_map<std::string_view, std::unique_ptr<job_entry>, text_hash> jobs_;  // by its own id
    boost::intrusive::list<job_entry> used_;  // the one used last is in front
    std::size_t cached_bytes_ = 0;
    std::vector<job_entry*> touched_;
    std::vector<std::unique_ptr<job_entry>> gone_;  // in this round, and another has the id since
    std::unordered_set<std::uint64_t> numbers_;     // of this round's, below those that were given before it
    std::size_t round_bytes_ = 0;

    std::map<std::string, queue, std::less<>> queues_;
    std::size_t busy_queues_ = 0;  // when it was last looked for those that nobody needs
    std::vector<named_queue*> touched_queues_;
    std::unordered_set<named_queue*> ready_queues_;  // that have ready jobs
    job_leases leases_;
    std::unordered_map<std::string, limit_state> limits_;
    due_line due_elapsed_, due_wall_, expiries_, dead_;
    std::string value_;  // reused, both
    job_row row_;
};

}  // namespace madang
