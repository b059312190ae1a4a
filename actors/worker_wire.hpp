// A worker's connection, as bytes: a socket of this process, or one of another node's (job_mesh).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace madang {

// The jobs' loop's thread.
class worker_wire {
  public:
    class reader {
      public:
        // False: they are no good, and ended() follows.
        virtual bool bytes_came(std::string_view bytes) = 0;
        virtual void may_write() = 0;  // again, or at first
        virtual void ended() = 0;      // closes it

      protected:
        ~reader() = default;
    };

    virtual ~worker_wire() = default;
    // From then on `to` is told; it outlives close(). False: the system refused.
    virtual bool begin(reader& to) = 0;
    // How many of them it took: less than all of them, and may_write() follows. Nothing: it is over.
    virtual std::optional<std::size_t> write(std::string_view bytes) = 0;
    virtual void close() = 0;  // nobody is told anything any more
};

}  // namespace madang
