// Work on many jobs at once (a queue purged, all dead letters requeued or discarded), some of them per round;
// it goes on after a restart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/job_flow.hpp"
#include "storage/job_table.hpp"

namespace madang {

class job_sweeps {
  public:
    static constexpr std::size_t per_round = 1000;

    job_sweeps(job_table& jobs, job_flow& flow) : jobs_(jobs), flow_(flow) {}

    void load();
    // How many jobs it will reach. Dead letters: those that there are now.
    std::uint64_t begin(sweep_record::work what, const std::string& queue, const job_time& now);
    bool pending() const noexcept { return !sweeps_.empty(); }
    // Once at each round's end, before anything is assigned; what began in this round goes on in the next,
    // when all that it is to reach is committed.
    void go_on(const job_time& now);

    // Whether it was one; not while another job has its unique key.
    bool requeue(job_entry& job, const job_time& now);

  private:
    struct sweep {
        sweep_record what;
        bool fresh = false;
        int phase = 0;
        std::string from;  // the key behind the last that was looked at
    };
    bool step(sweep& what, std::size_t& left, const job_time& now);
    void end(const sweep& what);
    static std::string key_of(const sweep_record& what);

    job_table& jobs_;
    job_flow& flow_;
    std::vector<sweep> sweeps_;
};

}  // namespace madang
