#pragma once

#include <madang/plugin.hpp>
#include <string>

namespace notify {

// What is sent to the group user:<id> goes to every connection of that user, as it is.
class NotifyConsumer : public madang::Consumer {
  public:
    void connect() override {
        const madang::User user = scope().user();
        if (!user.authenticated()) {
            close();  // before accept: 403
            return;
        }
        accept();
        group_add("user:" + std::string(user.id), madang::Delivery::to_socket);
    }
};

}  // namespace notify
