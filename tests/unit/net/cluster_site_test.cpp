#include "broker/net/cluster_site.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "broker/core/base64.hpp"
#include "broker/net/api_site.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/fake_streams.hpp"
#include "tests/support/site_requests.hpp"

namespace madang {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct asked_node final : cluster_port {
    void drain(std::string node, bool clients, answer done) override {
        asked.push_back("drain " + node + (clients ? " clients" : ""));
        done(refuse);
    }
    void resume(std::string node, answer done) override {
        asked.push_back("resume " + node);
        done(refuse);
    }
    void remove(std::string node, bool force, answer done) override {
        asked.push_back("remove " + node + (force ? " force" : ""));
        done(refuse);
    }
    void adopt(std::string node, std::string word, told done) override {
        asked.push_back("adopt " + node + " " + word);
        done(refuse, "heard: " + word);
    }
    std::vector<std::string> asked;
    std::optional<cluster_refusal> refuse;
};

struct ClusterSite : ::testing::Test {
    std::pair<unsigned, json> send(std::string path, std::string body = "", std::string key = "k-root",
                                   std::string method = "POST") {
        const reloadable keys(
            *api_key_ring::parse(std::vector<std::string>{"root:manage:k-root", "watch:read:k-watch"}));
        api_site api(api_site::parts{
            .streams = streams, .keys = keys, .limits = {}, .version = "1.2.3", .cluster = site.get()});
        const auto got = testing::ask(api, loop,
                                      testing::request(std::move(method), std::move(path),
                                                       {{"x-api-key", std::move(key)}}, std::move(body)));
        return {got.status, got.body};
    }

    testing::fake_loop loop;
    testing::fake_streams streams;
    asked_node node;
    std::unique_ptr<cluster_site> site = std::make_unique<cluster_site>(&node);
};

TEST_F(ClusterSite, PassesOnWhatAnOperatorWants) {
    EXPECT_EQ(send("/api/cluster/drain").first, 200u);
    EXPECT_EQ(send("/api/cluster/drain", R"({"node":"b","clients":true})").first, 200u);
    EXPECT_EQ(send("/api/cluster/resume", R"({"node":"b"})").first, 200u);
    EXPECT_EQ(send("/api/cluster/remove", R"({"node":"c"})").first, 200u);
    const auto [status, body] = send("/api/cluster/remove", R"({"node":"c","force":true})");
    EXPECT_EQ(status, 200u);
    EXPECT_EQ(body, json::parse(R"({"result":{}})"));
    EXPECT_THAT(node.asked,
                ElementsAre("drain ", "drain b clients", "resume b", "remove c", "remove c force"));
}

TEST_F(ClusterSite, RefusesWhoMayNotAndWhatItDoesNotKnow) {
    EXPECT_EQ(send("/api/cluster/drain", "", "k-watch").first, 403u);
    EXPECT_EQ(send("/api/cluster/drain", "", "k-none").first, 401u);
    EXPECT_EQ(send("/api/cluster/drain", "", "k-root", "GET").first, 405u);
    EXPECT_EQ(send("/api/cluster/explode").first, 404u);
    EXPECT_EQ(send("/api/cluster/drain", "{").first, 400u);
    EXPECT_EQ(send("/api/cluster/drain", "[]").first, 400u);
    EXPECT_EQ(send("/api/cluster/drain", R"({"node":1})").first, 400u);
    EXPECT_EQ(send("/api/cluster/drain", R"({"clients":"yes"})").first, 400u);
    EXPECT_EQ(send("/api/cluster/remove").first, 400u);
    EXPECT_THAT(node.asked, IsEmpty());
}

TEST_F(ClusterSite, TellsWhyNotByStatusAndName) {
    node.refuse = cluster_refusal{409, "still_up", "c is up; stop it first"};
    auto [status, body] = send("/api/cluster/remove", R"({"node":"c"})");
    EXPECT_EQ(status, 409u);
    EXPECT_EQ(body["error"]["reason"], "still_up");
    EXPECT_EQ(body["error"]["message"], "c is up; stop it first");
    node.refuse = cluster_refusal{404, "unknown_node", "no node z is listed"};
    EXPECT_EQ(send("/api/cluster/remove", R"({"node":"z"})").first, 404u);
    site = std::make_unique<cluster_site>(nullptr);
    std::tie(status, body) = send("/api/cluster/drain");
    EXPECT_EQ(status, 501u);
    EXPECT_EQ(body["error"]["reason"], "no_cluster");
}

TEST_F(ClusterSite, PassesOnAnAdoptersWordAndItsAnswer) {
    const auto word = base64url_encode(std::string("\0\xff?", 3));
    const auto [status, body] = send("/api/cluster/adopt", json{{"node", "b"}, {"word", word}}.dump());
    EXPECT_EQ(status, 200u);
    EXPECT_THAT(node.asked, ElementsAre(std::string("adopt b \0\xff?", 11)));
    EXPECT_EQ(base64url_decode(body["result"]["word"].get<std::string>()), std::string("heard: \0\xff?", 10));
    node.refuse = cluster_refusal{503, "busy", "b cannot be reached"};
    const auto refused = send("/api/cluster/adopt", json{{"node", "b"}, {"word", word}}.dump());
    EXPECT_EQ(refused.first, 503u);
    EXPECT_EQ(refused.second["error"]["reason"], "busy");
}

TEST_F(ClusterSite, RefusesAnAdoptersWordThatIsNone) {
    for (const auto* each : {R"({"node":"b"})", R"({"word":"AA"})", R"({"node":"b","word":""})",
                             R"({"node":"b","word":"AA=="})", R"({"node":"b","word":7})"})
        EXPECT_EQ(send("/api/cluster/adopt", each).first, 400u) << each;
    EXPECT_EQ(send("/api/cluster/adopt", R"({"node":"b","word":"AA"})", "k-watch").first, 403u);
    EXPECT_THAT(node.asked, IsEmpty());
}

TEST_F(ClusterSite, StandsInTheDocument) {
    const auto paths = send("/api/openapi.json", "", "", "GET").second["paths"];
    for (const auto* each : {"drain", "resume", "remove", "adopt"})
        EXPECT_TRUE(paths.contains(std::string("/api/cluster/") + each)) << each;
    EXPECT_EQ(paths["/api/cluster/remove"]["post"]["requestBody"]["required"], true);
}

}  // namespace
}  // namespace madang
