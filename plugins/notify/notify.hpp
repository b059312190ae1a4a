#pragma once

#include <madang/group_name.hpp>
#include <madang/plugin.hpp>

namespace notify {

// What is published or sent to the group user:<id> goes to every connection of that user, as it is.
class NotifyConsumer : public madang::Consumer {
  public:
    void connect() override {
        const madang::User user = scope().user();
        const auto group = madang::group_name("user", user.id);
        if (!user.authenticated() || !group) {
            close();  // before accept: 403
            return;
        }
        accept();
        group_add(*group, madang::Delivery::to_socket);
    }
};

}  // namespace notify
