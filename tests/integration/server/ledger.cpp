// A plugin with a background consumer that keeps a sum, and one that tells it from a connection; its rpc
// method fails.
#include <stdexcept>

#include <madang/json.hpp>

namespace {

class Ledger : public madang::SyncBackground {
  public:
    static void setup(madang::Class<Ledger>& c) { c.on<&Ledger::add>("add"); }
    void start() override { log(madang::Level::info, "ledger_opened", "0"); }
    void stop() override { log(madang::Level::info, "ledger_closed", std::to_string(sum_)); }

  private:
    void add(const madang::json& content) {
        sum_ += content.at("amount").get<int>();  // what else is told it throws
        layer().group_send("sums", "sum", madang::json{{"sum", sum_}}.dump());
    }
    int sum_ = 0;
};

class Teller : public madang::JsonConsumer {
  public:
    void connect() override {
        accept();
        group_add("sums", madang::Delivery::to_socket);
    }
    void receive_json(const madang::json& content) override {
        if (!layer().send("ledger", "add", content.dump())) send_json("busy");
    }
};

}  // namespace

MADANG_PLUGIN(.id = "ledger", .version = "1.0.0") {
    plugin.background<Ledger>("ledger");
    plugin.websocket<Teller>("/ws/teller/");
    plugin.on_rpc("ledger.audit", [](const madang::RpcCall&, const madang::RpcReply&) {
        throw std::runtime_error("the auditor is away");
    });
}
