// Members of groups that are connected to the node which owns their group, as it told this node, which has
// members too. When it dies nobody else can tell those of them. No actors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/peer_mail.hpp"

namespace madang {

// One thread.
class resident_list {
  public:
    struct owner {
        std::size_t peer = 0;
        std::uint64_t incarnation = 0;
        friend bool operator==(const owner&, const owner&) = default;
    };
    // To be told to this node's members of the group.
    struct news {
        std::string group;
        event::kind what = event::kind::leave;
        client_info who;
    };

    // Those who left while nothing could be heard of it, and those who are back with their node, which was
    // cut off and not dead: both by a list of all.
    std::vector<news> came(const owner& from, peer_parcels::residents&& what);
    // This node has no members of the group any more.
    void emptied(const std::string& group) { groups_.erase(group); }

    // `gone`: it does not live, and its members leave. `other`: another process has its name. `moved`: the
    // group is not its any more; its members tell the next owner of themselves.
    enum class fate : std::uint8_t { owner, moved, gone, other };
    std::vector<news> owners_changed(
        const std::function<fate(const std::string& group, const owner& who)>& fate_of);

    std::size_t size() const noexcept { return groups_.size(); }  // for tests

  private:
    struct residents {
        owner of;
        bool gone = false;  // and they are told to have left
        std::map<std::string, client_info> clients;
    };
    std::unordered_map<std::string, std::vector<residents>> groups_;  // of each of its owners
};

}  // namespace madang
