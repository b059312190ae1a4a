#include "tests/soak/workflows.hpp"

#include "tests/torture/api.hpp"

namespace madang::test {

using nlohmann::json;

namespace {

json step(const char* task, int ms, int fails = 0) {
    return {{"task", task}, {"kwargs", {{"ledger", "/dev/null"}, {"ms", ms}, {"fails", fails}}}};
}

}  // namespace

workflows::workflows(std::uint16_t internal_port, double per_second, std::uint64_t seed)
    : port_(internal_port), pace_(per_second), dice_(seed), lines_(32) {}

bool workflows::idle() const {
    return std::all_of(lines_.begin(), lines_.end(), [](const line& each) { return each.asked.empty(); });
}

std::vector<peer*> workflows::connections() {
    std::vector<peer*> all;
    for (auto& each : lines_)
        if (each.to) all.push_back(each.to.get());
    return all;
}

json workflows::next(std::size_t& results) {
    const auto ms = static_cast<int>(dice_() % 20);
    results = 0;
    switch (dice_() % 8) {
        case 0:
            return step("torture.inline", ms);
        case 1:
            return step("torture.step", ms, 1 + static_cast<int>(dice_() % 2));
        case 2: {
            auto later = step("torture.step", ms);
            later["countdown"] = static_cast<double>(dice_() % 1000) / 1000;
            return later;
        }
        case 3:
            results = 1;
            return {
                {"chain", {step("torture.step", ms), step("torture.inline", ms), step("torture.step", ms)}}};
        case 4: {
            results = 1;
            json header = json::array();
            for (int i = 0; i < 4; ++i)
                header.push_back(step("torture.step", ms, static_cast<int>(dice_() % 2)));
            return {{"chord", {{"header", std::move(header)}, {"body", step("torture.step", ms)}}}};
        }
        default:
            return step("torture.step", ms);
    }
}

void workflows::take_answer(line& from) {
    const auto answer = from.to->next_answer();
    if (!answer) return;
    const auto said = json::parse(answer->body, nullptr, false);
    const auto got = from.asked + " " + from.id + ": " + std::to_string(answer->status) + " " + answer->body;
    if (from.id.empty()) {
        require(answer->status == 202 && said.is_object() && said.contains("id"), "not enqueued: " + got);
        from.id = said["id"];
    } else {
        require(answer->status == 200 && said.is_object(), "an acknowledged job is not there: " + got);
        const auto state = said.value("state", std::string());
        if (state == "SUCCESS") {
            require(said["result"]["id"] == from.id && said["result"]["got"].size() == from.results,
                    "a job has another's result: " + got);
            ++ended_;
            from.asked.clear();
            from.id.clear();
            return;
        }
        require(state == "PENDING" || state == "RECEIVED" || state == "STARTED" || state == "RETRY",
                "a job failed: " + got);
    }
    from.to->request("/api/jobs/" + from.id + "?wait=30s", api_headers());
}

void workflows::run(steady::time_point now) {
    pace_.reach(now);
    for (auto& each : lines_) {
        if (each.to) {
            each.to->pump();
            if (!each.asked.empty()) take_answer(each);
            require(!each.to->ended || each.asked.empty(),
                    "a connection of the API was lost under " + each.asked);
            if (each.to->ended) each.to.reset();
        }
        if (!pace_.due() || !each.asked.empty()) continue;
        pace_.asked();
        if (!each.to) each.to = std::make_unique<peer>(port_, "127.0.0.3");
        each.asked = next(each.results).dump();
        each.to->request("/api/jobs", api_headers(), "POST", each.asked);
        each.to->pump();
    }
}

}  // namespace madang::test
