// Short random texts that tell things apart. Not secrets: not for what must not be guessed.
#pragma once

#include <random>
#include <string>
#include <string_view>

namespace madang {

// Of a stream (position::epoch): 62^6 are 5e10.
inline std::string random_epoch() {
    thread_local std::mt19937_64 random{std::random_device{}()};
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    std::string result;
    for (int i = 0; i < 6; ++i) result += letters[random() % letters.size()];
    return result;
}

}  // namespace madang
