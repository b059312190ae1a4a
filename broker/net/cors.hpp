// Cross-origin requests to views and files (the Fetch standard's CORS protocol). Without credentials: tokens
// travel in headers, so cookies of other origins are of no use here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/net/http_message.hpp"

namespace madang {

// Immutable; any thread.
class cors_policy {
  public:
    // Origins as browsers send them ("https://example.com"), or "*". None: no header is ever added.
    explicit cors_policy(std::vector<std::string> origins) : origins_(std::move(origins)) {}
    bool empty() const { return origins_.empty(); }
    // The answer to a preflight request; none when `request` is not one.
    std::optional<http_response> preflight(const http_request& request) const;
    void decorate(const http_request& request, http_response& response) const;

  private:
    bool any() const;
    bool allows(std::string_view origin) const;
    std::vector<std::string> origins_;
};

}  // namespace madang
