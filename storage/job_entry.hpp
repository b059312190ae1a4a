// One job in memory, beside what of it is on the disk.
#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/job_record.hpp"

namespace madang {

// job_view::history has the last ones.
inline constexpr std::size_t most_remembered = 10;
inline void remember(std::vector<job_attempt>& history, job_attempt what) {
    history.push_back(std::move(what));
    if (history.size() > most_remembered) history.erase(history.begin());
}

// In the list of those that were used, while it is in memory.
struct job_entry : boost::intrusive::list_base_hook<> {
    std::shared_ptr<const job_spec> spec;
    job_status status;

    // What its rows say that are committed, as far as it takes to know them.
    struct rows {
        bool record = false;
        bool over = false;  // the record's, and the order's row with it
        bool dead = false;
        bool expiry = false;
        // Alive: its place's row, `leased` only where a lease of format 2 is it; over: none.
        job_state place = job_state::waiting;
        bool by_wall = false;
        std::int64_t due_ms = 0, since_ms = 0;
        std::uint64_t sequence = 0;
    };
    rows stored;

    bool touched = false;  // in this round
    bool changed = false;  // its record
    bool removed = false;
    bool cold = false;  // not asked for soon
    std::size_t bytes = 0;

    const std::string& id() const noexcept { return spec->id; }
    bool is_over() const noexcept { return madang::is_over(status.state); }
    bool is_dead_letter() const noexcept { return madang::is_dead_letter(status) && !removed; }
};

}  // namespace madang
