// A worker of this node while another keeps the jobs: what it says goes there, and back. Its cookie, where it
// needs one, is checked here; the other node takes this one's word for it.
//
// At most worker_window bytes are under way in each direction: the socket is not read, and the other node
// sends no more, until they are handled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "actors/job_mail.hpp"
#include "actors/worker_socket_impl.hpp"

namespace madang {

inline constexpr std::size_t worker_window = 1024 * 1024;
inline constexpr std::size_t worker_piece = 256 * 1024;  // bytes of one parcel

// The jobs' loop's thread.
class job_relay final : public worker_wire::reader {
  public:
    struct parts {
        std::uint64_t stream;
        std::unique_ptr<worker_socket> wire;
        const std::string* cookie;  // null: it has proven that it may
        std::string node;           // this one's name
        std::function<void(const job_parcel&)> send;
        std::function<void()> arrived;  // its hello is on its way
        std::function<void()> over;     // the worker's connection ended: it is to be forgotten
    };
    explicit job_relay(parts with) : with_(std::move(with)) {}

    bool begin() { return with_.wire->begin(*this); }
    bool greeted() const noexcept { return greeted_; }
    void close() { with_.wire->close(); }

    // -- From the other node. False: it broke the protocol, or the socket is over.
    bool told(std::string_view bytes);
    void were_read(std::uint64_t bytes);

    // -- From the worker
    bool bytes_came(std::string_view bytes) override;
    void may_write() override;
    void ended() override { with_.over(); }

  private:
    bool greet();
    void say(std::string_view bytes);
    bool write();

    const parts with_;
    bool greeted_ = false;
    std::string first_;  // until hello is complete
    std::uint64_t under_way_ = 0;
    std::string out_;
    std::size_t written_ = 0;
};

}  // namespace madang
