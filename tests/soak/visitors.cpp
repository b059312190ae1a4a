#include "tests/soak/visitors.hpp"

namespace madang::test {

visitors::visitors(std::uint16_t port, std::uint64_t seed) : port_(port), dice_(seed) {
    for (std::size_t i = 0; i < residents; ++i) {
        residents_.push_back(std::make_unique<peer>(port_));
        residents_.back()->upgrade("/ws/chat/room" + std::to_string(i % rooms) + "/");
    }
}

std::vector<peer*> visitors::connections() {
    std::vector<peer*> all;
    for (auto& each : residents_) all.push_back(each.get());
    for (auto& each : guests_) all.push_back(each.who.get());
    return all;
}

void visitors::round() {
    for (auto& each : residents_) {
        require(each->alive() && !each->closed && !each->malformed, "a resident lost its connection");
        heard_ += each->messages.size();
        each->messages.clear();
    }
    residents_[dice_() % residents]->text("{\"message\":\"" + std::string(dice_() % 800, 'a') + "\"}");
    std::erase_if(guests_, [](auto& each) { return !each.who->alive() || steady::now() > each.until; });
    while (guests_.size() < guests)
        guests_.push_back({arrive(), steady::now() + milliseconds(dice_() % 1000)});
    // Some leave in the rudest way.
    if (dice_() % 3 == 0) guests_[dice_() % guests_.size()].who->reset();
}

std::unique_ptr<peer> visitors::arrive() {
    auto next = std::make_unique<peer>(port_);
    switch (dice_() % 8) {
        case 0:
            next->request("/healthz");
            break;
        case 1:
            next->raw("GET /\x01 HTTP/9.9\r\n\r\n");
            break;
        case 2:
            next->raw("GET /half HTTP/1.1\r\nHos");
            break;
        case 3:
            next->upgrade("/ws/throw/receive/std/");
            next->text("throw");
            break;
        case 4:
            next->upgrade("/fan2/");
            next->reading = false;
            for (int i = 0; i < 50; ++i) next->text(std::string(2000, 'x'));
            break;
        case 5:
            next->upgrade("/ws/echo/");
            next->frame(2, std::string(dice_() % 200'000, 'b'));
            break;
        case 6:
            next->upgrade("/ws/echo/");
            next->raw("\xff\xff nonsense");
            break;
        default:
            next->upgrade("/ws/chat/room" + std::to_string(dice_() % rooms) + "/");
            next->text("{\"message\":\"passing by\"}");
    }
    return next;
}

}  // namespace madang::test
