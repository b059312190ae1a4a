// Clients come and go in every way there is, while groups are being sent to: no member stays behind, nothing
// leaks.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "tests/torture/torture.hpp"

namespace madang::test {
namespace {

constexpr std::size_t at_a_time = 200;

enum class leaving { clean, reset, half_close, hang_up, mid_handshake, mid_frame, before_answer, count };

struct visitor {
    std::unique_ptr<peer> client;
    leaving how{};
    std::uint64_t stays = 0;  // messages it waits for
    bool left = false;
};

visitor arrive(const server& node, dice_box& dice) {
    visitor next{std::make_unique<peer>(node.port()),
                 static_cast<leaving>(dice() % static_cast<unsigned>(leaving::count)), 1 + dice() % 5};
    const auto path = "/ws/chat/room" + std::to_string(dice() % 20) + "/";
    if (next.how == leaving::mid_handshake)
        next.client->raw("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpg");
    else
        next.client->upgrade(path);
    return next;
}

// True when it is gone.
bool step(visitor& who) {
    auto& client = *who.client;
    if (!client.alive()) return true;
    switch (who.how) {
        case leaving::before_answer:
        case leaving::mid_handshake:
            if (client.unsent()) return false;
            client.hang_up();
            return true;
        default:
            break;
    }
    if (client.received < who.stays) return false;
    switch (who.how) {
        case leaving::clean:
            if (!who.left) client.frame(8, std::string_view("\x03\xe8", 2));
            break;
        case leaving::half_close:
            if (!who.left) client.finish();
            break;
        case leaving::mid_frame:
            if (!who.left) {
                client.raw(std::string_view("\x81\xfe\x10\x00mask{\"mess", 14));
                who.left = true;
                return false;
            }
            if (!client.unsent()) client.reset();
            return !client.alive();
        case leaving::reset:
            client.reset();
            return true;
        default:
            client.hang_up();
            return true;
    }
    who.left = true;
    return false;  // until the server has closed too
}

void churn(std::uint64_t seed, std::size_t visits) {
    dice_box dice(seed);
    server node({"--log-level", "warn"});
    std::vector<std::unique_ptr<peer>> residents;
    for (int i = 0; i < 20; ++i) {
        residents.push_back(std::make_unique<peer>(node.port()));
        residents.back()->upgrade("/ws/chat/room" + std::to_string(i) + "/");
    }
    std::vector<bool> speaks(residents.size());
    std::vector<visitor> visitors;
    std::size_t arrived = 0;
    auto last_progress = steady::now();
    while (arrived < visits || !visitors.empty()) {
        while (arrived < visits && visitors.size() < at_a_time) {
            visitors.push_back(arrive(node, dice));
            ++arrived;
        }
        // Every room is sent to all the time: a resident says the next thing as soon as it has heard its
        // last, and no sooner. One more for each notice would be more and more, until nobody gets in or away.
        for (std::size_t i = 0; i < residents.size(); ++i) {
            auto& each = *residents[i];
            require(each.alive() && !each.malformed, "a resident lost its connection");
            const auto heard = std::exchange(each.messages, {});
            const bool its_own = std::any_of(heard.begin(), heard.end(), [](const auto& message) {
                return message.payload.find("on we go") != std::string::npos;
            });
            if (its_own || (each.open() && !speaks[i])) {
                each.text("{\"message\":\"on we go\"}");
                speaks[i] = true;
            }
        }
        std::vector<peer*> all;
        for (auto& each : residents) all.push_back(each.get());
        for (auto& each : visitors) all.push_back(each.client.get());
        drive(all, [] { return true; });
        const auto gone = std::erase_if(visitors, [](visitor& who) { return step(who); });
        if (gone) last_progress = steady::now();
        if (steady::now() - last_progress > 60s) {
            std::string who;
            for (auto& each : visitors)
                who += " " + std::to_string(static_cast<int>(each.how)) + "/" +
                       std::to_string(each.client->received);
            require(false, "visitors do not get away:" + who);
        }
    }
    const auto during = node.metrics();
    require(during["madang_publications_total"] > static_cast<double>(visits) / 10, "too little was said");
    require_equal(during["madang_groups"], 20, "groups with their residents");
    residents.clear();
    require_empty(node);
    require_alive(node);
    require_empty(node);
    require_clean_end(node);  // under AddressSanitizer: without a leak
    std::printf("%zu visits, %.0f publications, %.0f deliveries\n", visits,
                during["madang_publications_total"], during["madang_deliveries_total"]);
}

}  // namespace
}  // namespace madang::test

int main(int argc, char** argv) {
    using namespace madang::test;
    return torture(argc, argv, [](std::uint64_t seed, bool brief) {
        churn(seed, 10'000);
        const std::string checked = MADANG_SOURCES "/build/asan/madang";
        if (brief || std::getenv("MADANG_SERVER") || !std::filesystem::exists(checked)) return;
        std::printf("again with AddressSanitizer: %s\n", checked.c_str());
        setenv("MADANG_SERVER", checked.c_str(), 1);
        setenv("LSAN_OPTIONS", "suppressions=" MADANG_SOURCES "/cmake/suppressions/lsan.supp", 1);
        setenv("UBSAN_OPTIONS",
               "halt_on_error=1:suppressions=" MADANG_SOURCES "/cmake/suppressions/ubsan.supp", 1);
        setenv("ASAN_OPTIONS", "suppressions=" MADANG_SOURCES "/cmake/suppressions/asan.supp", 1);
        churn(seed, 10'000);
    });
}
