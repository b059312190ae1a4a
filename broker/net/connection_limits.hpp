// How many connections there may be, in total and from one address.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace madang {

class connection_limits;

// Holds one connection's place; gives it back when destroyed. Movable; any thread.
class connection_slot {
  public:
    connection_slot() noexcept = default;
    connection_slot(connection_slot&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)), address_(std::exchange(other.address_, nullptr)) {}
    connection_slot& operator=(connection_slot&& other) noexcept {
        std::swap(limits_, other.limits_);
        std::swap(address_, other.address_);
        return *this;
    }
    ~connection_slot();
    explicit operator bool() const noexcept { return limits_ != nullptr; }

  private:
    friend class connection_limits;
    using counted_address = std::pair<const std::string, std::uint32_t>;
    connection_limits* limits_ = nullptr;
    counted_address* address_ = nullptr;
};

// Thread-safe. Outlives its slots.
class connection_limits {
  public:
    enum class verdict : std::uint8_t { admitted, full, address_full };

    // 0: unlimited.
    connection_limits(std::uint32_t total, std::uint32_t per_address)
        : total_(total), per_address_(per_address) {}
    connection_limits(const connection_limits&) = delete;
    connection_limits& operator=(const connection_limits&) = delete;

    // Takes a place for a connection from `address`; an empty address counts in the total only (a trusted
    // proxy's).
    verdict admit(std::string_view address, connection_slot& slot);
    // Counts the slot's connection for `address` from now on: known only once a trusted proxy named its
    // client.
    verdict assign(connection_slot& slot, std::string_view address);
    std::uint32_t connections() const;
    std::uint32_t total() const noexcept { return total_; }

  private:
    friend class connection_slot;
    verdict count(std::string_view address, connection_slot& slot);
    void uncount(connection_slot& slot);
    void release(connection_slot& slot);

    const std::uint32_t total_;
    const std::uint32_t per_address_;
    mutable std::mutex mutex_;
    std::uint32_t connections_ = 0;
    std::unordered_map<std::string, std::uint32_t> addresses_;  // nodes are stable: slots point into it
};

// What the process's open-file limit leaves for connections, after files of its own.
std::uint32_t connections_by_file_limit();

}  // namespace madang
