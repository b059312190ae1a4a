#include "broker/core/errors.hpp"

#include <iterator>

namespace madang {

namespace {

constexpr bool yes = true;
constexpr bool no = false;

constexpr error_row rows[] = {
#define MADANG_ROW(identifier, ...) {errc::identifier, #identifier, __VA_ARGS__},
    MADANG_ERRORS(MADANG_ROW)
#undef MADANG_ROW
};

}  // namespace

const error_row& describe(errc code) noexcept {
    const auto index = static_cast<std::size_t>(code);
    return rows[index < std::size(rows) ? index : 0];
}

std::string error::text() const {
    const auto& row = describe(code);
    std::string result(row.name);
    result.append(": ").append(row.sentence);
    if (!detail.empty()) result.append(" (").append(detail).append(")");
    return result;
}

}  // namespace madang
