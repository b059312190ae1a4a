// What moves jobs to the node that keeps them (job_mover.hpp) and takes those that come (job_taker.hpp), on
// the jobs' loop: between the store and the mesh.
#pragma once

#include <chrono>
#include <random>
#include <string>

#include "actors/job_mesh_impl.hpp"
#include "actors/job_mover.hpp"
#include "actors/job_taker.hpp"

namespace madang {

// The jobs' loop's thread.
class job_carrier final : public job_move_port, private job_mover_host, private job_taker_host {
  public:
    // `own`: this node's name.
    job_carrier(job_room& around, const std::string& own);

    void tick();
    std::chrono::milliseconds wait() const;
    // Nothing is here that another node is to have.
    bool is_done() const noexcept { return mover_.is_done(); }
    std::uint64_t left() const noexcept { return mover_.jobs_left(); }
    std::uint64_t moved() const noexcept { return mover_.jobs_moved(); }

    // -- job_move_port
    void home_is(const std::string& node) override;
    void linked(const std::string& node) override;
    void unlinked(const std::string& node) override;
    void heard(const std::string& node, std::string&& bytes) override;
    void adopt(std::string_view word, adopter_answer done) override;
    void removed(const std::string& node) override { mover_.removed(node); }

  private:
    void submit(job_request what, durability how, std::function<void(job_answer&&)> then) override;
    void send(const std::string& node, std::string word) override;
    void took(const std::string& from, const taken_chunk& what) override;
    void took_back(const taken_chunk& what) override;
    job_time now() const override;
    std::uint64_t dice() override { return random_(); }

    job_room& room_;
    const std::string own_;
    std::mt19937_64 random_{std::random_device{}()};
    job_mover mover_;
    job_taker taker_;
    adopter_here adopter_;
};

}  // namespace madang
