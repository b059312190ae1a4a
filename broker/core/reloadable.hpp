// A value that a reload replaces while any thread looks at it.
#pragma once

#include <atomic>
#include <list>
#include <utility>

namespace madang {

// now(): any thread, without a lock; what it gave stays as it was, and there, as long as *this. replace():
// one thread at a time; whoever asks behind it gets the new one. What was replaced is kept, since nobody
// knows who still looks at it: for small values that people change now and then.
template <class T>
class reloadable {
  public:
    reloadable() : reloadable(T()) {}
    explicit reloadable(T first) { replace(std::move(first)); }

    const T& now() const noexcept { return *now_.load(std::memory_order_acquire); }
    void replace(T next) { now_.store(&all_.emplace_back(std::move(next)), std::memory_order_release); }

  private:
    std::list<T> all_;
    std::atomic<const T*> now_{nullptr};
};

}  // namespace madang
