// One attempt while its task's function runs: the madang_job of the ABI. For the sources of this folder.
#pragma once

#include <mutex>
#include <optional>
#include <utility>

#include "plugins/host/task_table.hpp"

namespace madang {

// Any thread.
class running_job {
  public:
    explicit running_job(attempt_port& port) noexcept : port_(port) {}
    running_job(const running_job&) = delete;
    running_job& operator=(const running_job&) = delete;

    static running_job& from(madang_job* job) noexcept { return *reinterpret_cast<running_job*>(job); }
    static const running_job& from(const madang_job* job) noexcept {
        return *reinterpret_cast<const running_job*>(job);
    }
    madang_job* handle() noexcept { return reinterpret_cast<madang_job*>(this); }

    attempt_port& port() const noexcept { return port_; }
    // False: it has ended already.
    bool end(attempt_end how) {
        const std::lock_guard lock(mutex_);
        if (end_) return false;
        end_ = std::move(how);
        return true;
    }
    std::optional<attempt_end> take_end() {
        const std::lock_guard lock(mutex_);
        return std::exchange(end_, std::nullopt);
    }

  private:
    attempt_port& port_;
    std::mutex mutex_;
    std::optional<attempt_end> end_;
};

}  // namespace madang
