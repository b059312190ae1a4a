// Emulated transports: the client's commands come by POST /emulation, on any connection and thread, and find
// their session's inbox by an id that nobody can guess.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "actors/stream_calls.hpp"

namespace madang {

class loop;

// What came for one session and was not read yet, as masked frames. deliver: any thread; the rest on the
// session's loop.
class emulation_inbox : public std::enable_shared_from_this<emulation_inbox> {
  public:
    enum class outcome : std::uint8_t { delivered, full, closed };

    // Told, on the loop, that there is something to take; not after close().
    class owner {
      public:
        virtual void on_mail() = 0;

      protected:
        ~owner() = default;
    };

    // `bound`: of the bytes that wait. A message that alone exceeds it is taken when nothing else waits.
    emulation_inbox(loop& on, std::size_t bound) : loop_(on), bound_(bound) {}

    outcome deliver(std::string_view text);

    void open(owner& whose) noexcept { owner_ = &whose; }
    // Everything that waits, behind what `into` holds.
    void take(std::string& into);
    void close() noexcept;

  private:
    loop& loop_;
    const std::size_t bound_;
    owner* owner_ = nullptr;  // the loop's
    std::mutex mutex_;
    std::string frames_;
    bool told_ = false;  // on_mail is on its way
    bool closed_ = false;
};

// Inboxes by session id. Thread-safe; an entry is there as long as its ticket.
class emulation_registry {
  public:
    class ticket {
      public:
        ticket() noexcept = default;
        ticket(ticket&& other) noexcept = default;
        ticket& operator=(ticket&& other) noexcept;
        ~ticket() { leave(); }
        const std::shared_ptr<emulation_inbox>& inbox() const noexcept { return inbox_; }

      private:
        friend class emulation_registry;
        void leave() noexcept;
        std::shared_ptr<emulation_registry> registry_;
        std::shared_ptr<emulation_inbox> inbox_;
        std::string session_;
    };
    using outcome = session_mail_outcome;

    static std::shared_ptr<emulation_registry> make(std::size_t inbox_bytes);

    // For a session of that id (random: make_request_id) on that loop.
    static ticket enter(const std::shared_ptr<emulation_registry>& registry, loop& on, std::string session);
    outcome deliver(std::string_view session, std::string_view text);
    std::size_t sessions() const;

  private:
    explicit emulation_registry(std::size_t inbox_bytes) : inbox_bytes_(inbox_bytes) {}

    const std::size_t inbox_bytes_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<emulation_inbox>> inboxes_;
};

}  // namespace madang
