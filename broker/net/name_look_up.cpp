#include "broker/net/name_look_up.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace madang {

struct name_look_up::channel {
    std::mutex mutex;
    executor run;  // empty once nobody listens
};

namespace {

std::string look_up(const std::string& address, std::vector<std::string>& places) {
    const auto colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) return "not HOST:PORT";
    const auto host = address.substr(0, colon), port = address.substr(colon + 1);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int why = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); why != 0)
        return ::gai_strerror(why);
    for (const auto* each = found; each; each = each->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) !=
            0)
            continue;
        const std::string number(text);
        places.push_back((each->ai_family == AF_INET6 ? "[" + number + "]" : number) + ":" + port);
    }
    ::freeaddrinfo(found);
    return {};
}

}  // namespace

name_look_up::name_look_up(executor run) : channel_(std::make_shared<channel>()) {
    channel_->run = std::move(run);
}

name_look_up::~name_look_up() {
    std::lock_guard lock(channel_->mutex);
    channel_->run = nullptr;
}

void name_look_up::begin(const std::string& address, answer then) {
    try {
        std::thread([channel = channel_, address, then] {
            std::vector<std::string> places;
            auto why = look_up(address, places);
            std::lock_guard lock(channel->mutex);
            if (channel->run)
                channel->run([then, places = std::move(places), why = std::move(why)] { then(places, why); });
        }).detach();
    } catch (const std::system_error& e) {
        channel_->run([then, why = std::string(e.what())] { then({}, why); });
    }
}

}  // namespace madang
