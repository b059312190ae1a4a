#pragma once

#include <madang/json.hpp>

namespace ping {

class PingConsumer : public madang::JsonConsumer {
  public:
    void connect() override {
        accept();
        send_json({{"hello", "world"}});
    }
    void receive_json(const madang::json& content) override {
        if (content.is_object() && content.contains("ping")) {
            send_json({{"pong", content["ping"]}});
        } else {
            send_json({{"error", "expected {\"ping\": …}"}});
        }
    }
};

}  // namespace ping
