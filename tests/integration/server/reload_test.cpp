// SIGHUP: what a running server takes up of its file, and what stays as it was.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/integration/server/harness/child.hpp"
#include "tests/integration/server/harness/peer.hpp"
#include "tests/support/notify_socket.hpp"
#include "tests/support/store_world.hpp"

namespace madang::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Reload : public testing::Test {
  protected:
    void start(const std::string& text) {
        write(text);
        node.emplace(std::vector<std::string>{"--no-bundled", "--config", file()},
                     command{.environment = {{"NOTIFY_SOCKET", manager_.name()}}});
        EXPECT_THAT(told(), HasSubstr("READY=1"));
    }
    // What the manager is told when it is done.
    std::string reload(const std::string& text) {
        write(text);
        node->process().signal(SIGHUP);
        EXPECT_THAT(told(), HasSubstr("RELOADING=1"));
        return told();
    }
    std::string file() const { return (folder_.path() / "madang.toml").string(); }
    bool logged(const std::string& text) const {
        return eventually([&] { return node->log().find(text) != std::string::npos; });
    }
    http_answer api(const std::string& method, const json& params, const std::string& key = "k1") const {
        return fetch(node->internal_port(), "/api/" + method, "X-API-Key: " + key + "\r\n", "POST",
                     params.dump());
    }
    int info(const std::string& key) const { return api("info", json::object(), key).status; }
    void publish(const std::string& text) const {
        EXPECT_EQ(api("publish", {{"channel", "news:a"}, {"data", text}}).status, 200);
    }
    // Says it and waits for what is to come; all of what came.
    static std::string ask(peer& who, const std::string& line, const std::string& until) {
        std::string all;
        who.text(line);
        EXPECT_TRUE(drive(who,
                          [&] {
                              for (auto& each : std::exchange(who.messages, {})) all += each.payload + "\n";
                              return all.find(until) != std::string::npos;
                          }))
            << line << " was answered: " << all;
        return all;
    }
    static std::string hears(peer& who, const std::string& what) {
        std::string all;
        EXPECT_TRUE(drive(who, [&] {
            for (auto& each : std::exchange(who.messages, {})) all += each.payload + "\n";
            return all.find(what) != std::string::npos;
        })) << all;
        return all;
    }

    std::optional<server> node;

  private:
    void write(const std::string& text) const { std::ofstream(file()) << text; }
    // The next that is not a sign of life.
    std::string told() {
        for (;;) {
            const auto text = manager_.next(60s);
            if (text != "WATCHDOG=1") return text.value_or("nothing");
        }
    }

    temporary_folder folder_;
    notify_socket manager_;
};

TEST_F(Reload, ANewKeyIsTakenAndTheOldOneRefused) {
    start("api_keys = [\"ops:all:k1\", \"eyes:read:k2\"]\n");
    EXPECT_EQ(info("k1"), 200);
    EXPECT_EQ(info("k3"), 401);
    EXPECT_THAT(reload("api_keys = [\"ops:all:k3\", \"eyes:publish:k2\"]\nloops = 5\n"),
                Not(HasSubstr("not reloaded")));
    EXPECT_EQ(info("k1"), 401);
    EXPECT_EQ(info("k2"), 403) << "its right is another";
    EXPECT_EQ(info("k3"), 200);
    EXPECT_TRUE(logged("config.reloaded"));
    EXPECT_THAT(node->log(), AllOf(HasSubstr("config.taken_up changed=api_keys"),
                                   HasSubstr("config.restart_needed changed=loops"), Not(HasSubstr("k3"))));
    reload("loops = 5\n");
    EXPECT_EQ(info("k3"), 401);
    EXPECT_EQ(node->stop(60s), 0);
}

TEST_F(Reload, ANamespacesRulesHoldForWhatComesAfter) {
    const std::string keys =
                          "api_keys = [\"ops:all:k1\"]\n[namespace.news]\nallow_subscribe = \"everyone\"\n",
                      publish_right = "allow_publish = \"everyone\"\n",
                      history =
                          "history_size = 5\nhistory_ttl = \"10m\"\nrecovery = true\n"
                          "allow_history = \"everyone\"\n";
    const auto says = [](int id, const std::string& command) {
        return "{\"id\":" + std::to_string(id) + "," + command + "}";
    };
    const std::string subscribe = R"("subscribe":{"channel":"news:a"})",
                      speak = R"("publish":{"channel":"news:a","data":"mine"})",
                      look = R"("history":{"channel":"news:a","limit":10})";
    start(keys + publish_right);
    peer early(node->port()), later(node->port());
    early.upgrade("/connection/websocket");
    ask(early, says(1, R"("connect":{})"), R"("id":1)");
    EXPECT_THAT(ask(early, says(2, subscribe), R"("id":2)"), Not(HasSubstr("recoverable")));
    EXPECT_THAT(ask(early, says(3, speak), R"("id":3)"), HasSubstr(R"("publish":{})"));
    EXPECT_THAT(ask(early, says(4, look), R"("id":4)"), HasSubstr(R"("code":108)"));

    EXPECT_THAT(reload(keys + history + "[namespace.new]\nallow_subscribe = \"everyone\"\n"),
                Not(HasSubstr("not reloaded")));
    EXPECT_TRUE(logged("config.taken_up changed=\"[namespace.new], [namespace.news]\""));
    publish("kept");
    hears(early, "\"kept\"");  // who was there still is
    EXPECT_THAT(ask(early, says(5, speak), R"("id":5)"), HasSubstr(R"("code":103)"));
    EXPECT_THAT(ask(early, says(6, look), R"("id":6)"),
                AllOf(HasSubstr("\"kept\""), Not(HasSubstr("\"mine\""))));
    EXPECT_THAT(ask(early, says(7, R"("subscribe":{"channel":"new:a"})"), R"("id":7)"),
                HasSubstr("\"subscribe\""));
    later.upgrade("/connection/websocket");
    ask(later, says(1, R"("connect":{})"), R"("id":1)");
    EXPECT_THAT(ask(later, says(2, subscribe), R"("id":2)"), HasSubstr(R"("recoverable":true)"));

    // What streams rely on stays, and with it the section.
    reload(keys + publish_right + "ordered = false\n");
    EXPECT_TRUE(
        logged("config.restart_needed changed=\"[namespace.new], [namespace.news] history_size, "
               "[namespace.news] ordered\""));
    EXPECT_THAT(ask(later, says(3, look), R"("id":3)"), HasSubstr("\"kept\""));
    EXPECT_THAT(ask(later, says(4, speak), R"("id":4)"), HasSubstr(R"("code":103)"));
    EXPECT_EQ(node->stop(60s), 0);
}

TEST_F(Reload, AFileThatIsWrongChangesNothing) {
    const std::string good = "api_keys = [\"ops:all:k1\"]\nlog_level = \"info\"\n",
                      other = "log_level = \"error\"\napi_keys = [\"ops:all:k2\"";
    start(good);
    const std::pair<std::string, std::string> wrong[] = {
        {other + ", \"eyes:fly:k3\"]\n", "api-key, entry 2 (eyes): its RIGHTS"},
        {other + "]\n[namespace.news]\npresense = true\n", "there is no option presense"},
        {other + "]\n[namespace.news]\njoin_leave = true\n", "join_leave needs presence"},
        {other + "]\n[namespace.news]\npublish_proxy = true\n", "no --proxy-publish is given"},
        {other + "]\nloop = 1\n", "did you mean loops?"},
        {other + "\n", "not valid TOML"},
    };
    int failed = 0;
    for (const auto& [text, why] : wrong) {
        EXPECT_THAT(reload(text), AllOf(HasSubstr("; not reloaded: "), HasSubstr(why)));
        EXPECT_EQ(info("k1"), 200) << text;
        EXPECT_EQ(info("k2"), 401) << text;
        EXPECT_EQ(node->metrics()["madang_reloads_total{outcome=\"failed\"}"], ++failed);
    }
    EXPECT_THAT(reload(good), Not(HasSubstr("not reloaded")));
    EXPECT_TRUE(logged("config.reloaded")) << "also that: the level is as it was";
    EXPECT_THAT(node->log(), Not(HasSubstr("config.taken_up")));
    EXPECT_EQ(node->stop(60s), 0);
}

}  // namespace
}  // namespace madang::test
