// What workers take, and the giving: ready jobs become leases.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/job_command.hpp"
#include "storage/job_flow.hpp"
#include "storage/job_table.hpp"

namespace madang {

// The writer's thread. Not durable. Throws what job_table throws.
class job_offers {
  public:
    job_offers(job_table& jobs, job_flow& flow) : jobs_(jobs), flow_(flow) {}

    void add(const job_commands::offer& what);
    void withdraw(std::uint64_t worker_id);
    void forget() { offers_.clear(); }

    // Workers take turns, one job each, until there are no more jobs or no more offers. Nothing is given of
    // a batch of more than `most_bytes`, and what cannot begin now is put aside for a bounded number of jobs:
    // false when there is more to do for one of the two.
    bool assign(const job_time& now, std::size_t most_bytes, std::vector<job_assignment>& given);

  private:
    struct offer {
        std::string worker;
        std::uint64_t worker_id = 0;
        std::vector<std::string> queues;
        bool in_process = false;
        std::uint32_t jobs = 0;
    };
    job_entry* next_for(const offer& worker, const job_time& now, std::size_t& put_aside);
    // A heap of the queues that have ready jobs, by their first ones, for one round: it is not looked at all
    // of them again for each job. What it says may be too early (others were popped), never too late.
    struct head {
        keys::job_place place;
        job_table::named_queue* queue = nullptr;
    };
    struct heads {
        bool known = false;
        std::vector<head> heap;
    };
    heads& heads_of(bool in_process);
    job_entry* first_of_all(bool in_process, const job_time& now);
    bool may_begin(job_entry& job, const job_table::queue& queue, const job_time& now);
    void end(job_entry& job, job_error why, const job_time& now);
    std::int64_t rate_due(const job_entry& job, const job_time& now);

    job_table& jobs_;
    job_flow& flow_;
    std::vector<offer> offers_;
    std::array<heads, 2> heads_;  // others', in-process workers'
    std::size_t turn_ = 0;
};

}  // namespace madang
