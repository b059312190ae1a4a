#include "broker/auth/bearer.hpp"

#include <algorithm>

#include "broker/core/lower_case.hpp"
#include "broker/core/percent.hpp"
#include "broker/core/trim.hpp"

namespace madang {

namespace {

constexpr std::string_view token_prefix = "madang.token.";
constexpr std::string_view pair_name = "bearer";

// The index of the pair's token: what follows "bearer".
std::size_t pair_token(std::span<const std::string_view> offered) noexcept {
    const auto name = std::find(offered.begin(), offered.end(), pair_name);
    const auto index = static_cast<std::size_t>(name - offered.begin()) + 1;
    return index < offered.size() ? index : offered.size();
}

}  // namespace

found_token token_from_authorization(std::string_view header_value) {
    header_value = trim(header_value);
    const auto space = header_value.find(' ');
    if (lower_case(header_value.substr(0, space)) != "bearer") return {};
    const auto token =
        space == std::string_view::npos ? std::string_view() : trim(header_value.substr(space));
    return {token_source::authorization, std::string(token)};
}

found_token token_from_query(std::string_view query_string) {
    auto token = query_value(query_string, "token");
    if (!token) return {};
    return {token_source::query, std::move(*token)};
}

found_token token_from_subprotocols(std::span<const std::string_view> offered) {
    for (const auto each : offered) {
        if (each.starts_with(token_prefix)) {
            return {token_source::subprotocol, std::string(each.substr(token_prefix.size()))};
        }
    }
    const auto index = pair_token(offered);
    if (index == offered.size()) return {};
    return {token_source::subprotocol, std::string(offered[index])};
}

found_token find_token(std::string_view authorization, std::string_view query_string,
                       std::span<const std::string_view> offered_subprotocols) {
    auto found = token_from_authorization(authorization);
    if (found.source == token_source::none) found = token_from_query(query_string);
    if (found.source == token_source::none) found = token_from_subprotocols(offered_subprotocols);
    return found;
}

std::vector<std::string_view> without_tokens(std::span<const std::string_view> offered) {
    std::vector<std::string_view> result;
    const auto token = pair_token(offered);
    for (std::size_t i = 0; i < offered.size(); ++i) {
        if (i != token && !offered[i].starts_with(token_prefix)) result.push_back(offered[i]);
    }
    return result;
}

std::string_view default_subprotocol(std::span<const std::string_view> offered) noexcept {
    return pair_token(offered) == offered.size() ? std::string_view() : pair_name;
}

std::vector<std::string_view> split_subprotocols(std::string_view header) {
    std::vector<std::string_view> result;
    while (!header.empty()) {
        const auto comma = header.find(',');
        const auto piece = trim(header.substr(0, comma));
        if (!piece.empty()) result.push_back(piece);
        header.remove_prefix(comma == std::string_view::npos ? header.size() : comma + 1);
    }
    return result;
}

}  // namespace madang
