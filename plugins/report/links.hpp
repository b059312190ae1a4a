// Where reports lie, and the signed addresses under which they are fetched.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace report {

using Clock = std::chrono::system_clock;

// HMAC-SHA256 in hexadecimal.
std::string sign(std::string_view key, std::string_view text);

// A folder of files named ID.pdf, and of the key of its links. Any thread, and any process of this user's.
class Store {
  public:
    // `secret`: the links' key; "": one is made at random and kept in the folder, mode 0600, so that the
    // server and its workers have the same.
    Store(std::filesystem::path folder, std::string secret)
        : folder_(std::move(folder)), key_(std::move(secret)) {}

    // Whole or not at all, also when the machine stops meanwhile. Throws std::system_error.
    void put(std::string_view id, std::string_view bytes);
    std::optional<std::string> get(std::string_view id) const;  // nothing: not there
    std::size_t remove_older(std::chrono::seconds age);         // how many there were

    // "/api/reports/ID/file?expires=UNIX&signature=HEX"
    std::string link(std::string_view id, Clock::time_point expires);
    // Whether it is one of ours and in time. Takes as long for a wrong signature as for a right one.
    bool admits(std::string_view id, std::string_view expires, std::string_view signature,
                Clock::time_point now);

    static bool valid_id(std::string_view id);  // safe as a file's name

  private:
    std::filesystem::path file(std::string_view id) const { return folder_ / (std::string(id) + ".pdf"); }
    std::string signature(std::string_view id, std::string_view expires);
    std::string key();
    void make_folder() const;

    std::filesystem::path folder_;
    std::mutex mutex_;  // guards what follows
    std::string key_;
};

}  // namespace report
