// A worker's connection that is a socket of this process.
#pragma once

#include "actors/asio_loop_impl.hpp"
#include "actors/worker_wire.hpp"

namespace madang {

class worker_socket final : public worker_wire, public descriptor_watcher {
  public:
    // Takes over the descriptor.
    worker_socket(asio_loop& on, int fd);
    ~worker_socket() override;

    bool begin(reader& to) override;
    std::optional<std::size_t> write(std::string_view bytes) override;
    void close() override;
    // Nothing is read while it is held: who writes there waits.
    void hold(bool held);

    void on_ready(readiness now) override;

  private:
    bool read();

    asio_loop& on_;
    int fd_;
    reader* to_ = nullptr;
    bool held_ = false, watching_writes_ = false;
};

}  // namespace madang
