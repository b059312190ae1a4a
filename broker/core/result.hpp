// A value, or the error that prevented it. g++ 12 has no std::expected; Boost's result is what comes nearest.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "broker/core/errors.hpp"

namespace madang {

template <class T>
using result = boost::system::result<T, error>;

// What value() of a failed result throws.
class failure : public std::runtime_error {
  public:
    explicit failure(error what) : std::runtime_error(what.text()), what_(std::move(what)) {}
    const error& why() const noexcept { return what_; }

  private:
    error what_;
};

// Found by Boost through argument-dependent look-up.
[[noreturn]] inline void throw_exception_from_error(const error& what, const boost::source_location&) {
    throw failure(what);
}

inline error fail(errc code, std::string detail = {}) { return {code, std::move(detail)}; }

}  // namespace madang
