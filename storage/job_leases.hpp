// Which jobs are leased, in memory and as rows. A lease is written once, with the others of its round, as one
// row of several (a sheet); when none of them holds any more, the sheet goes. So a lease costs its job no
// row: its place in its queue stays until it is over, and what is over, or was leased since, says so itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/job_record.hpp"
#include "storage/kv.hpp"

namespace madang {

// Of what hashes as text and is asked for by views. Not noexcept: so the table keeps the hashes, which it
// would compute again for each neighbour that it passes.
struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct job_lease_entry {
    job_lease_record row;
    bool started = false;
    bool own_row = false;     // of format 2: a row of its own, and no place in its queue
    std::uint64_t sheet = 0;  // its number; 0: none yet
};

// The writer's thread. Throws `failure` when the disk does not answer.
class job_leases {
  public:
    using map = std::unordered_map<std::string, job_lease_entry, text_hash, std::equal_to<>>;

    explicit job_leases(const kv_view& committed) : committed_(committed) {}

    void load();  // what is committed, and nothing else
    job_lease_entry* find(std::string_view job) {
        const auto found = all_.find(job);
        return found == all_.end() ? nullptr : &found->second;
    }
    bool has(std::string_view job) const { return all_.contains(job); }
    const map& all() const noexcept { return all_; }

    // Tokens are given in rising order, after this one.
    void start_tokens_at(std::uint64_t after) noexcept { last_token_ = after; }
    std::uint64_t next_token() noexcept { return ++last_token_; }
    std::uint64_t last_token() const noexcept { return last_token_; }

    void give(const std::string& job, job_lease_record row);
    // One that another book gave. Its token is below those that are given from now on (seen).
    void take_over(const std::string& job, job_lease_record row);
    void seen(std::uint64_t token) noexcept { last_token_ = std::max(last_token_, token); }
    std::uint64_t end(std::string_view job);  // the token that it had

    void seal(kv_batch& into);

  private:
    static constexpr std::size_t sheet_size = 128;  // so few go on being stored for one that holds

    const kv_view& committed_;
    map all_;
    std::unordered_map<std::uint64_t, std::size_t> sheets_;  // how many hold
    std::vector<map::value_type*> given_;                    // in this round
    std::vector<std::uint64_t> ended_;                       // sheets
    std::uint64_t last_token_ = 0;
    bool took_over_ = false;  // in this round: the first token of a sheet may be another sheet's number
    std::string value_;       // reused
};

// As stored, each job's last one. Whether it holds: holds(lease, status).
job_leases::map stored_leases(const kv_view& from);
inline bool holds(const job_lease_entry& lease, const job_status& stored) noexcept {
    return stored.state == job_state::ready && stored.left < lease.row.token;
}

}  // namespace madang
