// What other threads hand to the jobs' loop: gathered, with one actor message however much there is.
#pragma once

#include <caf/all.hpp>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/job_desk.hpp"

namespace madang {

// Any thread. Its bound is that of those who put: requests are counted in bytes until they are answered
// (job_service), threads and the store have what was offered to them.
class job_inbox {
  public:
    using call = std::function<void(job_desk&)>;
    struct contents {
        std::vector<call> calls;
        std::vector<link::from_worker> words;  // of the server's own threads
    };

    void open(caf::actor whom) {
        const std::lock_guard lock(mutex_);
        whom_ = std::move(whom);
    }
    void close() {
        caf::actor last;
        const std::lock_guard lock(mutex_);
        std::swap(last, whom_);
        contents_ = {};
    }
    // False: closed, nothing is done.
    bool put(call what) {
        return add([&] { contents_.calls.push_back(std::move(what)); });
    }
    void put(std::vector<link::from_worker>& words) {
        add([&] {
            for (auto& each : words) contents_.words.push_back(std::move(each));
        });
        words.clear();
    }
    // Swaps; `into` is empty.
    void take(contents& into) {
        const std::lock_guard lock(mutex_);
        woken_ = false;
        std::swap(into, contents_);
    }

  private:
    template <class Function>
    bool add(Function fn) {
        // Held while it is sent, too: after close() nothing touches the actor's loop, which may be gone.
        const std::lock_guard lock(mutex_);
        if (!whom_) return false;
        fn();
        if (!std::exchange(woken_, true)) caf::anon_send(whom_, caf::ok_atom::value);
        return true;
    }

    std::mutex mutex_;
    caf::actor whom_;
    contents contents_;
    bool woken_ = false;
};

}  // namespace madang
