#include "tests/torture/recovery/subscriber.hpp"

#include <nlohmann/json.hpp>
#include <system_error>

namespace madang::test {

using nlohmann::json;

namespace {

// The server pings every 500 ms: a second without anything is a dead connection, and some for a busy machine.
constexpr auto silence = 3s;

}  // namespace

subscriber::subscriber(std::size_t group, std::string name, std::string from, ledger& all,
                       subscriber_figures& counts, std::uint64_t seed)
    : group_(group),
      name_(std::move(name)),
      from_(std::move(from)),
      all_(all),
      counts_(counts),
      dice_(seed),
      again_(steady::now()) {}

void subscriber::fail(const std::string& why) const {
    throw std::runtime_error("a subscriber of " + name_ + " at " + epoch_ + ":" + std::to_string(offset_) +
                             ": " + why);
}

void subscriber::lose(steady::time_point now) {
    peer_.reset();
    live_ = greeted_ = false;
    again_ = now + milliseconds(50 + dice_() % 250);
}

void subscriber::tick(steady::time_point now) {
    if (!peer_ && port_ != 0 && now >= again_) {
        try {
            peer_ = std::make_unique<peer>(port_, from_);
            peer_->upgrade("/connection/websocket");
            peer_->pump();
            heard_ = now;
        } catch (const std::system_error&) {
            lose(now);  // nobody listens there just now
        }
    }
    if (peer_ && now - heard_ > silence) {
        ++counts_.given_up;
        lose(now);
    }
}

void subscriber::pump(steady::time_point now) {
    if (!peer_) return;
    const auto before = peer_->received;
    peer_->pump();
    if (peer_->received != before) heard_ = now;
    if (peer_->answer && peer_->answer->status != 101)
        fail("the handshake was answered with " + std::to_string(peer_->answer->status));
    if (peer_->malformed) fail("what came is no frame");
    if (peer_->open() && !greeted_) {
        greeted_ = true;
        ++counts_.connections;
        peer_->text(R"({"id":1,"connect":{}})");
        id_ = 1;
        subscribe();
    }
    while (peer_ && !peer_->messages.empty()) {
        const auto text = std::move(peer_->messages.front().payload);
        peer_->messages.pop_front();
        for (std::size_t at = 0; at < text.size();) {
            const auto end = std::min(text.find('\n', at), text.size());
            line(std::string_view(text).substr(at, end - at));
            at = end + 1;
        }
    }
    if (peer_->closed) {
        const auto code = *peer_->closed;
        if ((code >= 3500 && code < 4000) || code >= 4500 || code == 1002 || code == 1007 || code == 1009)
            fail("it was sent away for good: " + std::to_string(code) + " " + peer_->reason);
    }
    if (peer_->closed || peer_->ended) return lose(now);
    peer_->pump();
}

void subscriber::subscribe() {
    recovering_ = !epoch_.empty();
    json command{{"id", ++id_}, {"subscribe", {{"channel", name_}}}};
    if (recovering_) command["subscribe"].update({{"recover", true}, {"epoch", epoch_}, {"offset", offset_}});
    peer_->text(command.dump());
}

void subscriber::line(std::string_view text) {
    if (text == "{}") return peer_->text("{}");
    const auto said = json::parse(text, nullptr, false);
    if (!said.is_object()) fail("what came is not JSON: " + std::string(text));
    if (const auto error = said.find("error"); error != said.end()) {
        // The store is busy, say: the connection is given up and tried again.
        if (!error->value("temporary", false)) fail("refused: " + error->dump());
        peer_->hang_up();
        peer_->ended = true;
        return;
    }
    if (const auto result = said.find("subscribe"); result != said.end()) return subscribed(*result);
    const auto push = said.find("push");
    if (push == said.end()) return;
    if (const auto pub = push->find("pub"); pub != push->end()) {
        if (!live_) fail("a publication before the subscription's answer: " + std::string(text));
        publication(*pub);
    } else if (const auto end = push->find("unsubscribe"); end != push->end()) {
        if (end->value("code", 0) < 2500) fail("it was unsubscribed: " + end->dump());
        live_ = false;
        subscribe();
    }
}

void subscriber::subscribed(const json& result) {
    const auto epoch = result.value("epoch", std::string());
    const auto offset = result.value("offset", std::uint64_t{0});
    const bool recovered = result.value("recovered", false);
    if (epoch.empty() || !result.value("recoverable", false)) fail("no position: " + result.dump());
    if (result.value("was_recovering", false) != recovering_)
        fail("was_recovering is wrong: " + result.dump());
    live_ = true;
    const auto publications = result.find("publications");
    if (recovering_ && recovered) {
        ++counts_.recovered;
        if (epoch != epoch_ || offset != offset_) fail("it recovered from elsewhere: " + result.dump());
        if (publications != result.end()) {
            counts_.from_recovery += publications->size();
            for (const auto& each : *publications) publication(each);
        }
        return;
    }
    if (recovered || (publications != result.end() && !publications->empty()))
        fail("publications without a recovery: " + result.dump());
    if (recovering_) ++counts_.unrecovered;
    epoch_ = epoch;
    offset_ = offset;
}

void subscriber::publication(const json& what) {
    const auto offset = what.value("offset", std::uint64_t{0});
    if (offset != offset_ + 1) fail("publication " + what.dump() + " is not the next");
    offset_ = offset;
    ++counts_.publications;
    all_.note(group_, epoch_, offset, what.at("data").at("n").get<std::uint64_t>());
}

}  // namespace madang::test
