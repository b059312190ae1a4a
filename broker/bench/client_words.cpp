#include "broker/bench/client_words.hpp"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "broker/bench/frames.hpp"

namespace madang::bench {

namespace {

[[noreturn]] void refused(std::string_view message) {
    throw std::runtime_error("the server said: " + std::string(message.substr(0, 200)));
}

}  // namespace

std::string client_hello(std::string_view group, const std::optional<client_position>& since) {
    const auto from =
        since ? fmt::format(R"(,"recover":true,"epoch":"{}","offset":{})", since->epoch, since->offset)
              : std::string();
    return fmt::format("{}\n{}", R"({"id":1,"connect":{}})",
                       fmt::format(R"({{"id":2,"subscribe":{{"channel":"{}"{}}}}})", group, from));
}

std::optional<client_position> read_subscribed(std::string_view message) {
    while (!message.empty()) {
        const auto line = message.substr(0, message.find('\n'));
        message.remove_prefix(std::min(line.size() + 1, message.size()));
        const auto reply = nlohmann::json::parse(line, nullptr, false);
        if (!reply.is_object() || reply.contains("error")) refused(line);
        if (const auto found = reply.find("subscribe"); found != reply.end())
            return client_position{found->value("epoch", ""), found->value("offset", std::uint64_t{0})};
    }
    return std::nullopt;
}

// Without parsing: ten thousand of them come at once, to a client that shares the server's cores.
bool read_recovered(std::string_view message, std::uint64_t count) {
    const auto at = message.find(R"("subscribe":{)");
    if (at == std::string_view::npos) {
        if (message.find(R"("error":{)") != std::string_view::npos) refused(message);
        return false;
    }
    auto rest = message.substr(at);
    if (rest.find(R"("recovered":true)") == std::string_view::npos) refused(rest);
    for (std::uint64_t wanted = 0; wanted < count; ++wanted) {
        const auto marker = rest.find('~');
        if (marker == std::string_view::npos || read_sequence(rest) != wanted) refused(message);
        rest.remove_prefix(marker + sequence_size);
    }
    if (rest.find('~') != std::string_view::npos) refused(message);
    return true;
}

}  // namespace madang::bench
