// Chunks of this book (job_chunk.hpp): cut out of it, kept until they are given, and put into it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/job_chunk.hpp"
#include "storage/job_command.hpp"
#include "storage/job_flow.hpp"
#include "storage/job_links.hpp"
#include "storage/job_table.hpp"

namespace madang {

// The writer's thread. Throws what job_table throws.
class job_moves {
  public:
    job_moves(job_table& jobs, job_flow& flow) : jobs_(jobs), flow_(flow), links_(jobs.committed()) {}

    // What jobs hang together, or are there, is not as it was: to be called for what changes that.
    void unsettle();
    void end_round();
    void undo_round();

    // Whether all is known; not in a round that changed something before.
    bool look(const job_time& now) { return !changed_ && links_.look(now.wall_ms); }
    result<given_chunk> give(const job_commands::give& what);
    result<taken_chunk> take(const job_commands::take& what);
    bool given(std::uint64_t number);
    bool forgo(const job_commands::forgo& what);
    result<kept_chunk> give_again(const job_commands::give_again& what);
    result<taken_chunk> take_back(const job_commands::take_back& what);
    std::vector<kept_chunk> chunks() const;
    result<kept_chunk> chunk(std::uint64_t number) const;

    // Leases that came in this round.
    std::vector<job_effects::held_lease>& held() noexcept { return held_; }

  private:
    struct here {
        std::uint64_t book = 0, number = 0;
    };
    here read_here() const;
    void keep_here(const here& what);
    void keep(const kept_chunk& what);

    void cut_others(job_chunk& into, std::size_t most_bytes);
    void cut_jobs(job_chunk& into, const job_commands::give& what);
    std::size_t cut(job_entry& job, moved_workflow& into);
    std::size_t cut_barrier(const std::string& id, moved_workflow& into);

    taken_chunk put(job_chunk&& what, std::uint64_t base, const job_time& now);
    void put_others(job_chunk& what, taken_chunk& into, const job_time& now);
    bool is_known(const moved_workflow& what, const job_time& now);
    void put(moved_job& job, const job_chunk_head& head, std::uint64_t base, const job_time& now);
    void put(moved_barrier& barrier);
    bool is_stale(const std::string& job, std::uint64_t token);

    job_table& jobs_;
    job_flow& flow_;
    job_links links_;
    bool changed_ = false;     // in this round
    bool others_cut_ = false;  // nothing else than jobs is in the book
    std::string from_;         // no job is before it
    std::uint64_t cut_jobs_ = 0;
    std::vector<job_effects::held_lease> held_;
    std::optional<job_leases::map> old_leases_;  // as stored, once somebody asked in this round
};

}  // namespace madang
