// The keys of the server API: who may ask, and for what.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/auth/secrets.hpp"
#include "broker/core/api_right.hpp"
#include "broker/core/result.hpp"

namespace madang {

struct api_key_holder {
    std::string name;  // 1-64 of [A-Za-z0-9._-]; may be logged, the key never is
    api_right rights = api_right::none;
    sha256_digest key{};  // not the key itself
};

// Immutable once made; any thread. Holds the keys' SHA-256, not the keys. The server's is a reloadable.
class api_key_ring {
  public:
    // Entries NAME:RIGHTS:KEY; RIGHTS are read, publish, manage, enqueue, all, joined by '+'; KEY is
    // printable ASCII without space and may hold ':'. invalid_option names an entry by its position and,
    // where it is one, its name; never a part of what may be the key.
    static result<api_key_ring> parse(std::span<const std::string> entries);

    // Takes the same time whichever key it is, and whether it is one.
    const api_key_holder* find(std::string_view key) const;
    // Who has that key by now, found in this ring or in one before it; null: nobody.
    const api_key_holder* find(const api_key_holder& before) const noexcept;
    bool empty() const noexcept { return entries_.empty(); }

  private:
    const api_key_holder* find(const sha256_digest& key) const noexcept;

    std::vector<api_key_holder> entries_;
};

// The key that a request carries: the header X-API-Key, else `Authorization: apikey KEY`, else the query's
// api_key. "" when there is none.
std::string api_key_of(std::string_view x_api_key, std::string_view authorization, std::string_view query);

}  // namespace madang
