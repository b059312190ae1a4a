#include "broker/net/jobs_site.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "broker/net/api_site.hpp"
#include "tests/support/fake_jobs.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/fake_streams.hpp"
#include "tests/support/site_requests.hpp"

namespace madang {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using testing::answered;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct JobsSite : ::testing::Test {
    JobsSite() {
        keys.replace(*api_key_ring::parse(
            std::vector<std::string>{"root:all:k-root", "shop:enqueue:k-shop", "watch:read:k-watch"}));
        api = std::make_unique<api_site>(api_site::parts{.streams = streams,
                                                         .keys = keys,
                                                         .limits = {},
                                                         .timeout = 5s,
                                                         .version = "1.2.3",
                                                         .jobs = &site});
        job_view one;
        one.spec.id = "a/b c";
        one.spec.task = "reports.build";
        one.spec.queue = "default";
        one.state = job_state::success;
        one.result = "42";
        jobs.known.push_back(one);
    }
    answered send(std::string method, std::string path, std::string body = "", std::string query = "",
                  std::string key = "k-root", header_list headers = {}) {
        if (!query.empty()) path += "?" + query;
        headers.emplace_back("x-api-key", std::move(key));
        return testing::ask(
            *api, loop,
            testing::request(std::move(method), std::move(path), std::move(headers), std::move(body)));
    }

    testing::fake_loop loop;
    testing::fake_streams streams;
    reloadable<api_key_ring> keys;
    testing::fake_jobs jobs;
    jobs_site site{{.jobs = jobs, .page = 50, .wait = 20s, .timeout = 5s}};
    std::unique_ptr<api_site> api;
};

TEST_F(JobsSite, EnqueuesASignatureAsItWasWritten) {
    const auto got = send("POST", "/api/jobs", R"({"task":"a.b","args":[1.10]})", "durability=buffered",
                          "k-shop", {{"idempotency-key", "once"}});
    EXPECT_EQ(got.status, 202u);
    EXPECT_EQ(got.body["id"], "j1");
    ASSERT_EQ(jobs.enqueued_requests.size(), 1u);
    const auto& asked = jobs.enqueued_requests[0];
    EXPECT_THAT(asked.jobs, ElementsAre(R"({"task":"a.b","args":[1.10]})"));
    EXPECT_EQ(asked.idempotency_key, "once");
    EXPECT_EQ(asked.correlation_id, "r1");
    EXPECT_EQ(asked.how, durability::buffered);
}

TEST_F(JobsSite, EnqueuesSeveralTogether) {
    const auto got = send("POST", "/api/jobs", R"([{"task":"a"}, {"chain":[]}])");
    EXPECT_EQ(got.status, 202u);
    EXPECT_EQ(got.body["jobs"].size(), 2u);
    EXPECT_FALSE(got.body.contains("id"));
    EXPECT_THAT(jobs.enqueued_requests.at(0).jobs, ElementsAre(R"({"task":"a"})", R"({"chain":[]})"));
}

TEST_F(JobsSite, TellsWhatIsWrongByItsStatusAndText) {
    jobs.refuse = fail(errc::bad_request, "chain[1].kwargs.size: must be a number");
    auto got = send("POST", "/api/jobs", "{}");
    EXPECT_EQ(got.status, 400u);
    EXPECT_THAT(got.body["error"]["message"].get<std::string>(), HasSubstr("chain[1].kwargs.size"));
    jobs.refuse = fail(errc::unknown_task, "a.b");
    EXPECT_EQ(send("POST", "/api/jobs", "{}").status, 404u);
    jobs.refuse.reset();
    EXPECT_EQ(send("POST", "/api/jobs", "{\"task\":").status, 400u);
    EXPECT_EQ(send("POST", "/api/jobs", "{}", "durability=never").status, 400u);
}

TEST_F(JobsSite, AsksForRights) {
    EXPECT_EQ(send("POST", "/api/jobs", "{}", "", "k-watch").status, 403u);
    EXPECT_EQ(send("GET", "/api/jobs", "", "", "k-shop").status, 403u);
    EXPECT_EQ(send("GET", "/api/jobs", "", "", "k-watch").status, 200u);
    EXPECT_EQ(send("POST", "/api/queues/q/pause", "", "", "k-watch").status, 403u);
    EXPECT_EQ(send("GET", "/api/jobs", "", "", "k-none").status, 401u);
    EXPECT_TRUE(jobs.enqueued_requests.empty());
    EXPECT_TRUE(jobs.paused.empty());
}

TEST_F(JobsSite, RefusesWhatIsNoQueuesName) {
    for (const auto* verb : {"pause", "resume", "purge"})
        EXPECT_EQ(send("POST", std::string("/api/queues/%20/") + verb).status, 400u) << verb;
    EXPECT_TRUE(jobs.paused.empty());
}

TEST_F(JobsSite, FindsAJobWhoseIdIsEncoded) {
    const auto got = send("GET", "/api/jobs/a%2Fb%20c", "", "wait=90s");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.body["state"], "SUCCESS");
    EXPECT_EQ(got.body["result"], 42);
    EXPECT_THAT(jobs.looked_for, ElementsAre(Pair("a/b c", 20'000ms)));  // no longer than the option says
    EXPECT_EQ(got.waited->timeout, 25s);
    EXPECT_EQ(send("GET", "/api/jobs/nobody").status, 404u);
    EXPECT_EQ(send("GET", "/api/jobs/x", "", "wait=soon").status, 400u);
}

TEST_F(JobsSite, ListsByWhatIsAskedFor) {
    const auto got =
        send("GET", "/api/jobs", "", "state=running&queue=q&task=t&text=x&limit=900&after=z&dead=true");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.body["next"], "next");
    const auto& filter = jobs.filters.at(0);
    EXPECT_EQ(filter.state, job_state::leased);
    EXPECT_EQ(filter.queue, "q");
    EXPECT_EQ(filter.task, "t");
    EXPECT_EQ(filter.text, "x");
    EXPECT_EQ(filter.limit, 50u);
    EXPECT_EQ(filter.after, "z");
    EXPECT_TRUE(filter.dead);
    EXPECT_EQ(send("GET", "/api/jobs", "", "state=done").status, 400u);
    EXPECT_EQ(send("GET", "/api/jobs", "", "limit=0").status, 400u);
}

TEST_F(JobsSite, CancelsRequeuesAndDiscards) {
    EXPECT_EQ(send("POST", "/api/jobs/x1/cancel", R"({"reason":"enough"})").body["cancelled"], 1);
    EXPECT_EQ(send("POST", "/api/jobs/cancel", R"({"ids":["a","b"]})").body["cancelled"], 2);
    EXPECT_THAT(jobs.cancelled, ElementsAre(::testing::FieldsAre(ElementsAre("x1"), "enough"),
                                            ::testing::FieldsAre(ElementsAre("a", "b"), "")));
    EXPECT_EQ(send("POST", "/api/jobs/requeue", R"({"ids":"*"})").body["requeued"], 3);
    EXPECT_EQ(send("POST", "/api/jobs/discard", R"({"ids":["a"]})").body["discarded"], 4);
    EXPECT_THAT(jobs.requeued, ElementsAre(ElementsAre("*")));
    EXPECT_EQ(send("POST", "/api/jobs/cancel", R"({"ids":"*"})").status, 400u);  // everything is never meant
    EXPECT_EQ(send("POST", "/api/jobs/cancel", "{}").status, 400u);
    EXPECT_EQ(send("POST", "/api/jobs/discard", R"({"ids":[1]})").status, 400u);
}

TEST_F(JobsSite, PausesResumesAndPurgesQueues) {
    EXPECT_EQ(send("GET", "/api/queues").body["queues"][0]["ready"], 7);
    EXPECT_EQ(send("POST", "/api/queues/slow%2Dones/pause").body["paused"], true);
    EXPECT_EQ(send("POST", "/api/queues/q/resume").body["was_paused"], true);
    EXPECT_THAT(jobs.paused, ElementsAre(Pair("slow-ones", true), Pair("q", false)));
    EXPECT_EQ(send("POST", "/api/queues/q/purge").body["revoked"], 5);
}

TEST_F(JobsSite, KeepsSchedulesAndTellsTheirFires) {
    EXPECT_EQ(send("PUT", "/api/schedules/nightly", R"({"task":"a","cron":"0 4 * * *"})").status, 200u);
    EXPECT_THAT(jobs.put, ElementsAre(Pair("nightly", R"({"task":"a","cron":"0 4 * * *"})")));
    EXPECT_EQ(send("GET", "/api/schedules/nightly/next", "", "count=2").body["next"], json({1000, 2000}));
    EXPECT_EQ(send("POST", "/api/schedules/next", R"({"every":"1h"})").status, 200u);
    EXPECT_THAT(jobs.asked_next, ElementsAre(::testing::FieldsAre("nightly", "", 2u),
                                             ::testing::FieldsAre("", R"({"every":"1h"})", 5u)));
    EXPECT_EQ(send("DELETE", "/api/schedules/nightly").status, 200u);
    EXPECT_EQ(send("DELETE", "/api/schedules/other").status, 404u);
    EXPECT_EQ(send("GET", "/api/schedules/nightly/next", "", "count=0").status, 400u);
    EXPECT_EQ(send("GET", "/api/workers").body["workers"].size(), 1u);
    EXPECT_EQ(send("GET", "/api/tasks").body["tasks"].size(), 1u);
    EXPECT_EQ(send("GET", "/api/schedules").body["schedules"].size(), 1u);
}

TEST_F(JobsSite, NamesTheMethodsOfAnAddress) {
    const auto got = send("PATCH", "/api/jobs");
    EXPECT_EQ(got.status, 405u);
    EXPECT_THAT(got.headers, ::testing::Contains(Pair("Allow", "POST, GET")));
    EXPECT_EQ(send("GET", "/api/jobs/x/y/z").status, 404u);
    EXPECT_EQ(send("GET", "/api/jobs/").status, 404u);
}

TEST_F(JobsSite, StandsInTheOpenApiDocument) {
    const auto document = send("GET", "/api/openapi.json").body;
    for (const auto& each : jobs_site::operations()) {
        std::string method(each.method);
        for (auto& c : method) c = static_cast<char>(std::tolower(c));
        EXPECT_TRUE(document["paths"][std::string(each.path)].contains(method))
            << each.method << " " << each.path;
    }
    EXPECT_TRUE(document["paths"].contains("/api/publish"));
    EXPECT_TRUE(document["components"]["schemas"].contains("Job"));
    const auto& signature = document["components"]["schemas"]["Signature"]["properties"];
    for (const auto* each : {"task", "headers", "link", "link_error"}) EXPECT_TRUE(signature.contains(each));
    const std::function<void(const json&)> resolve = [&](const json& part) {
        for (const auto& [name, value] : part.items()) {
            if (name == "$ref")
                EXPECT_TRUE(document.contains(json::json_pointer(value.get<std::string>().substr(1))))
                    << value;
            else if (value.is_structured())
                resolve(value);
        }
    };
    resolve(document);
}

}  // namespace
}  // namespace madang
