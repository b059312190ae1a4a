// What applies to groups by their namespace: what stands before the first ':' of a group's name.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core/result.hpp"

namespace madang {

// When a change counts as kept, and is acknowledged. Numbered as in the store's files.
enum class durability : std::uint8_t {
    buffered = 0,  // survives the process (kill -9), not a power cut
    synced = 1,    // survives a power cut
};

// Who may do something from the outside. Each includes the one before it, but for subscribers, which is about
// being subscribed and not about being known.
enum class audience : std::uint8_t { nobody, subscribers, users, everyone };

// Defaults: nothing is kept, nothing is told, clients may do nothing.
struct namespace_options {
    using ms = std::chrono::milliseconds;

    std::uint32_t history_size = 0;                    // publications kept per group; 0: no history
    ms history_ttl{0};                                 // and for how long; 0: no history
    ms history_meta_ttl{std::chrono::hours(24 * 30)};  // a silent stream keeps its epoch and offset so long
    durability history_durability = durability::buffered;
    bool recovery = false;      // subscriptions of clients can be recovered (implies positions)
    bool positioning = false;   // clients are told positions, and of gaps
    bool cache = false;         // recovery gives the latest publication only, whatever was missed
    bool presence = false;      // who is there is kept and can be asked for
    bool join_leave = false;    // and members are told
    bool crash_leaves = false;  // and consumers, of those whom a crash took (an event `presence.leave`)
    // An event sent to a group while a publication before it still waits for the disk: true waits behind it
    // (one order for all), false goes ahead.
    bool ordered = true;

    audience allow_subscribe = audience::nobody;  // subscribers: as nobody
    audience allow_publish = audience::nobody;
    audience allow_presence = audience::nobody;
    audience allow_history = audience::nobody;
    bool user_limited = false;     // "name#user1,user2" is for these users
    bool subscribe_proxy = false;  // the backend is asked (--proxy-subscribe)
    bool publish_proxy = false;

    bool keeps_history() const noexcept { return history_size != 0 && history_ttl.count() != 0; }
    friend bool operator==(const namespace_options&, const namespace_options&) = default;
};

// Options of a namespace that cannot become `asked` while the server runs, as streams rely on them: one that
// is kept stays kept, as durable as it was, and what waits behind a publication is not overtaken.
std::vector<std::string_view> needs_restart(const namespace_options& running, const namespace_options& asked);

// A value. The server's is a reloadable.
class namespace_table {
  public:
    // `json`: an object with members named as above ("history_ttl": "5m", "allow_publish": "subscribers").
    // Over what was set for that namespace before; `whose` begins the error's detail. "" is the namespace of
    // names without ':'.
    result<void> set(std::string_view name, std::string_view json, std::string_view whose);
    void put(std::string_view name, const namespace_options& options);  // in place of what was set

    // Of a group's name. Null: there is no such namespace (then nothing is kept and clients are refused,
    // 102).
    // "" exists always.
    const namespace_options* of_group(std::string_view group) const noexcept;
    bool any_history() const noexcept { return any_history_; }
    bool any_presence() const noexcept { return any_presence_; }
    const std::map<std::string, namespace_options, std::less<>>& all() const noexcept { return all_; }

  private:
    std::map<std::string, namespace_options, std::less<>> all_{{"", {}}};
    bool any_history_ = false;
    bool any_presence_ = false;
};

// docs/configuration.md's section on [namespace.NAME].
std::string namespaces_markdown();

}  // namespace madang
