#include "tests/torture/recovery/publisher.hpp"

#include <system_error>

#include "tests/torture/api.hpp"

namespace madang::test {

using nlohmann::json;

publisher::publisher(std::vector<std::string> groups, double per_second, ledger& all)
    : groups_(std::move(groups)), pace_(per_second), all_(all), lines_(16) {}

void publisher::aim(std::uint16_t internal_port) { port_ = internal_port; }

bool publisher::idle() const {
    return std::none_of(lines_.begin(), lines_.end(), [](const line& each) { return each.n.has_value(); });
}

std::vector<peer*> publisher::connections() {
    std::vector<peer*> all;
    for (auto& each : lines_)
        if (each.to) all.push_back(each.to.get());
    return all;
}

void publisher::take_answer(line& from) {
    const auto answer = from.to->next_answer();
    if (!answer) return;
    const auto n = *std::exchange(from.n, std::nullopt);
    const auto said = json::parse(answer->body, nullptr, false);
    if (answer->status != 200 || !said.is_object() || !said.contains("result")) {
        ++refused_;
        last_refusal_ = std::to_string(answer->status) + " " + answer->body;
        return;
    }
    const auto& at = said["result"];
    all_.acknowledged(from.group, at.value("epoch", std::string()), at.value("offset", std::uint64_t{0}), n);
}

void publisher::run(steady::time_point now) {
    pace_.reach(now);
    for (auto& each : lines_) {
        if (each.to) {
            each.to->pump();
            if (each.n) take_answer(each);
            if (each.to->ended) {
                if (each.n) ++unanswered_;
                each.n.reset();
                each.to.reset();
            }
        }
        if (!pace_.due() || each.n) continue;
        if (!each.to) {
            if (port_ == 0) continue;
            try {
                each.to = std::make_unique<peer>(port_, "127.0.0.2");
            } catch (const std::system_error&) {
                continue;  // nobody listens there just now
            }
        }
        pace_.asked();
        each.n = next_++;
        each.group = *each.n % groups_.size();
        each.to->request("/api/publish", api_headers(), "POST",
                         json{{"channel", groups_[each.group]}, {"data", {{"n", *each.n}}}}.dump());
        each.to->pump();
    }
}

}  // namespace madang::test
