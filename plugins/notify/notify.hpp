#pragma once

#include <madang/group_name.hpp>
#include <madang/plugin.hpp>
#include <optional>
#include <string>

namespace notify {

// What is published or sent to the group user:<id> goes to every connection of that user, as it is. A visitor
// without a name whom a plugin gave the cookie madang_visitor is user:visitor-<cookie>.
class NotifyConsumer : public madang::Consumer {
  public:
    void connect() override {
        const auto group = own_group();
        if (!group) {
            close();  // before accept: 403
            return;
        }
        accept();
        group_add(*group, madang::Delivery::to_socket);
    }

  private:
    std::optional<std::string> own_group() const {
        if (const madang::User user = scope().user(); user.authenticated())
            return madang::group_name("user", user.id);
        // 128 random bits in hexadecimal: whoever has them is that visitor.
        const auto visitor = scope().cookie("madang_visitor");
        if (!visitor || visitor->size() != 32 ||
            visitor->find_first_not_of("0123456789abcdef") != visitor->npos)
            return std::nullopt;
        return "user:visitor-" + std::string(*visitor);
    }
};

}  // namespace notify
