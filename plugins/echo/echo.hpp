#pragma once

#include <madang/plugin.hpp>

namespace echo {

class EchoConsumer : public madang::Consumer {
  public:
    // Text is answered with text, binary with binary: the very payload, not a copy.
    void receive(const madang::Message& message) override { send(message.payload(), message.frame()); }
};

}  // namespace echo
