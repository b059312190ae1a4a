// Requests about jobs that the node which keeps them is to answer. No actors, no sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/job_mail.hpp"

namespace madang {

// One thread.
class job_away {
  public:
    // `code` 0: the answer's body; otherwise an error's wire code, and its detail.
    using tell = std::function<void(std::uint32_t code, std::string body)>;

    explicit job_away(std::size_t most = 16'384) : most_(most) {}

    // What is to be sent; nothing: too many are under way, and `done` was told so.
    std::optional<job_parcels::call> ask(job_verb what, std::string body, tell done);
    void came(job_parcels::answer&& what);
    // Nobody will answer what was asked until now: all are told `busy`.
    void lost();
    std::size_t waiting() const noexcept { return waiting_.size(); }

  private:
    const std::size_t most_;
    std::uint64_t last_ = 0;
    std::unordered_map<std::uint64_t, tell> waiting_;  // by ticket
};

}  // namespace madang
