#include "broker/net/admin_site.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "broker/core/log.hpp"
#include "broker/net/public_site.hpp"
#include "tests/support/fake_jobs.hpp"
#include "tests/support/fake_loop.hpp"
#include "tests/support/fake_streams.hpp"
#include "tests/support/site_requests.hpp"

namespace madang {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

struct AdminSite : ::testing::Test {
    AdminSite() { keys({"root:all:k-root", "shop:publish:k-shop", "watch:read:k-watch"}); }

    void keys(const std::vector<std::string>& entries) {
        ring.replace(*api_key_ring::parse(entries));
        api = std::make_unique<api_site>(api_site::parts{.streams = streams,
                                                         .keys = ring,
                                                         .limits = {},
                                                         .timeout = 5s,
                                                         .version = "1.2.3",
                                                         .jobs = &jobs_api});
        admin = std::make_unique<admin_site>(admin_site::parts{.keys = ring,
                                                               .api = *api,
                                                               .files = {},
                                                               .plugins = [] { return R"({"plugins":[]})"; },
                                                               .charts = [] { return R"({"times":[]})"; },
                                                               .log = &log});
        site = std::make_unique<internal_site>([] { return ""; }, [] { return ""; }, api.get(), nullptr,
                                               nullptr, admin.get());
    }
    struct answered {
        unsigned status = 0;
        json body;
        std::string cookie;  // as it was set
    };
    // From the page itself, unless `headers` have another origin.
    answered send(std::string method, std::string path, std::string body = "", header_list headers = {}) {
        if (std::none_of(headers.begin(), headers.end(),
                         [](const auto& each) { return each.first == "origin"; }))
            headers.emplace_back("origin", "http://yard.example");
        auto asked =
            testing::request(std::move(method), std::move(path), std::move(headers), std::move(body));
        asked.server_port = "8001";
        auto got = testing::ask(*site, loop, std::move(asked));
        if (got.waited) waiting = std::move(got.waited);
        return {got.status, got.body, testing::header(got, "Set-Cookie")};
    }
    struct signed_in {
        std::string cookie, token;
        header_list reading() const { return {{"cookie", cookie}}; }
        header_list changing() const { return {{"cookie", cookie}, {"x-csrf-token", token}}; }
    };
    signed_in sign_in(const std::string& key) {
        const auto got = send("POST", "/admin/session", R"({"key":")" + key + "\"}");
        EXPECT_EQ(got.status, 200u) << got.body;
        return {got.cookie.substr(0, got.cookie.find(';')), got.body.value("token", "")};
    }
    std::uint64_t refused(std::string_view reason) {
        return loop.metrics().value(labelled_counter::admin_refused, reason);
    }
    std::uint64_t actions(std::string_view action) {
        return loop.metrics().value(labelled_counter::admin_actions, action);
    }

    testing::fake_loop loop;
    testing::fake_streams streams;
    testing::fake_jobs jobs;
    log_ring log{{.lines = 100, .bytes = 100'000}};
    std::optional<awaiting_reply> waiting;  // the last that was not answered at once
    jobs_site jobs_api{{.jobs = jobs, .page = 50, .wait = 20s, .timeout = 5s}};
    reloadable<api_key_ring> ring;
    std::unique_ptr<api_site> api;
    std::unique_ptr<admin_site> admin;
    std::unique_ptr<internal_site> site;
};

TEST_F(AdminSite, SignsInWithAKeyAndSaysWhatItMay) {
    EXPECT_EQ(send("GET", "/admin/session").body, json::parse(R"({"signed_in":false,"keys":true})"));
    const auto got = send("POST", "/admin/session", R"({"key":"k-watch"})");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.body["name"], "watch");
    EXPECT_EQ(got.body["rights"], json({"read"}));
    EXPECT_THAT(got.cookie,
                AllOf(HasSubstr("madang_admin_8001="), HasSubstr("; Path=/admin; HttpOnly; SameSite=Strict"),
                      Not(HasSubstr("Secure"))));
    const auto again =
        send("GET", "/admin/session", "", {{"cookie", got.cookie.substr(0, got.cookie.find(';'))}});
    EXPECT_EQ(again.body, got.body) << "a reload finds the same session and its token";
    EXPECT_EQ(actions("sign_in"), 1u);
}

TEST_F(AdminSite, TheCookieIsForTlsOnlyWhereTheBrowserSpeaksIt) {
    const auto got =
        send("POST", "/admin/session", R"({"key":"k-root"})", {{"origin", "https://yard.example"}});
    EXPECT_EQ(got.status, 200u);
    EXPECT_THAT(got.cookie, HasSubstr("; Secure"));
}

TEST_F(AdminSite, RefusesKeysThatAreNoneOrMayNotRead) {
    for (const auto* body : {R"({"key":"k-roo"})", R"({"key":""})", R"({"key":7})", "{}", "", "k-root", "[]"})
        EXPECT_EQ(send("POST", "/admin/session", body).status, 401u) << body;
    EXPECT_EQ(send("POST", "/admin/session", R"({"key":"k-shop"})").status, 403u);
    EXPECT_EQ(refused("key"), 7u);
    EXPECT_EQ(refused("right"), 1u);
    EXPECT_EQ(actions("sign_in"), 0u);
}

TEST_F(AdminSite, TriesAreLimitedWhoeverTries) {
    for (int i = 0; i < 10; ++i) EXPECT_EQ(send("POST", "/admin/session", R"({"key":"x"})").status, 401u);
    EXPECT_EQ(send("POST", "/admin/session", R"({"key":"x"})").status, 429u);
    EXPECT_EQ(send("POST", "/admin/session", R"({"key":"k-root"})").status, 429u) << "a good guess too";
    EXPECT_EQ(refused("limit"), 2u);
    loop.advance(1000ms);
    sign_in("k-root");
}

TEST_F(AdminSite, WithoutKeysSaysSo) {
    keys({});
    EXPECT_EQ(send("GET", "/admin/session").body, json::parse(R"({"signed_in":false,"keys":false})"));
    EXPECT_EQ(send("POST", "/admin/session", R"({"key":""})").status, 401u);
    EXPECT_EQ(send("POST", "/admin/api/info", "{}").status, 401u);
}

TEST_F(AdminSite, AsksTheApiWithTheKeysRights) {
    const auto watch = sign_in("k-watch");
    EXPECT_EQ(send("POST", "/admin/api/info", "{}", watch.changing()).status, 200u);
    EXPECT_EQ(send("GET", "/admin/api/queues", "", watch.reading()).body["queues"][0]["name"], "default");
    EXPECT_EQ(send("POST", "/admin/api/queues/default/pause", "", watch.changing()).status, 403u);
    EXPECT_TRUE(jobs.paused.empty());
    const auto root = sign_in("k-root");
    EXPECT_EQ(send("POST", "/admin/api/queues/default/pause", "", root.changing()).status, 200u);
    EXPECT_EQ(send("POST", "/admin/api/queues/default/resume", "", root.changing()).status, 200u);
    EXPECT_THAT(jobs.paused, ElementsAre(Pair("default", true), Pair("default", false)));
    EXPECT_EQ(send("POST", "/admin/api/jobs/a%20b/cancel", "{}", root.changing()).status, 200u);
    EXPECT_EQ(send("POST", "/admin/api/jobs/requeue", R"({"ids":["a","b"]})", root.changing()).status, 200u);
    EXPECT_THAT(jobs.requeued, ElementsAre(ElementsAre("a", "b")));
    EXPECT_EQ(actions("queue_pause"), 2u);
    EXPECT_EQ(actions("job_cancel"), 1u);
    EXPECT_EQ(actions("job_requeue"), 1u);
}

TEST_F(AdminSite, RefusesWhoIsNotSignedIn) {
    const auto root = sign_in("k-root");
    for (const auto* cookie : {"", "madang_admin_8001=", "madang_admin_8001=AAAA", "madang_admin=AAAA"}) {
        EXPECT_EQ(send("GET", "/admin/api/queues", "", {{"cookie", cookie}}).status, 401u) << cookie;
        EXPECT_EQ(
            send("POST", "/admin/api/info", "{}", {{"cookie", cookie}, {"x-csrf-token", root.token}}).status,
            401u);
    }
    EXPECT_EQ(send("POST", "/admin/api/info", "{}", {{"x-api-key", "k-root"}}).status, 401u)
        << "a key is for signing in only";
    EXPECT_EQ(refused("session"), 9u);
}

TEST_F(AdminSite, ASessionIsWorthWhatItsKeyIsByNow) {
    const auto root = sign_in("k-root"), watch = sign_in("k-watch");
    ring.replace(*api_key_ring::parse(std::vector<std::string>{"boss:read:k-root", "watch:read:k-other"}));
    EXPECT_EQ(send("GET", "/admin/session", "", root.reading()).body["name"], "boss");
    EXPECT_EQ(send("POST", "/admin/api/info", "{}", root.changing()).status, 200u);
    EXPECT_EQ(send("POST", "/admin/api/queues/default/pause", "", root.changing()).status, 403u);
    EXPECT_EQ(send("POST", "/admin/api/info", "{}", watch.changing()).status, 401u);
    ring.replace(*api_key_ring::parse(std::vector<std::string>{"boss:publish:k-root", "watch:read:k-watch"}));
    EXPECT_EQ(send("POST", "/admin/api/info", "{}", watch.changing()).status, 401u) << "it has ended";
    EXPECT_EQ(send("POST", "/admin/api/info", "{}", root.changing()).status, 401u);
}

TEST_F(AdminSite, RefusesChangesWithoutTheSessionsToken) {
    const auto root = sign_in("k-root"), other = sign_in("k-root");
    for (const auto& token : {std::string(), std::string("x"), other.token})
        EXPECT_EQ(send("POST", "/admin/api/queues/default/pause", "",
                       {{"cookie", root.cookie}, {"x-csrf-token", token}})
                      .status,
                  403u);
    EXPECT_EQ(send("DELETE", "/admin/session", "", root.reading()).status, 403u);
    EXPECT_TRUE(jobs.paused.empty());
    EXPECT_EQ(refused("token"), 4u);
}

TEST_F(AdminSite, RefusesPagesFromElsewhere) {
    const auto root = sign_in("k-root");
    for (const auto* origin :
         {"http://evil.example", "http://yard.example:8000", "null", "", "http://yard.example.evil"}) {
        auto headers = root.changing();
        headers.emplace_back("origin", origin);
        EXPECT_EQ(send("POST", "/admin/api/queues/default/pause", "", headers).status, 403u) << origin;
        EXPECT_EQ(send("POST", "/admin/session", R"({"key":"k-root"})", {{"origin", origin}}).status, 403u)
            << origin;
    }
    EXPECT_TRUE(jobs.paused.empty());
    EXPECT_EQ(refused("origin"), 10u);
}

TEST_F(AdminSite, SessionsEndByThemselvesAndBySigningOut) {
    const auto one = sign_in("k-root"), two = sign_in("k-root");
    loop.advance(29min);
    EXPECT_EQ(send("GET", "/admin/api/queues", "", two.reading()).status, 200u);
    loop.advance(2min);
    EXPECT_EQ(send("GET", "/admin/api/queues", "", one.reading()).status, 401u);
    EXPECT_EQ(send("GET", "/admin/session", "", one.reading()).body["signed_in"], false);
    const auto out = send("DELETE", "/admin/session", "", two.changing());
    EXPECT_EQ(out.status, 200u);
    EXPECT_THAT(out.cookie, HasSubstr("madang_admin_8001=; Path=/admin"));
    EXPECT_THAT(out.cookie, HasSubstr("Max-Age=0"));
    EXPECT_EQ(send("GET", "/admin/api/queues", "", two.reading()).status, 401u);
    EXPECT_EQ(actions("sign_out"), 1u);
}

TEST_F(AdminSite, LetsASessionAskNothingButWhatThePageAsks) {
    const auto root = sign_in("k-root");
    for (const auto* path :
         {"/admin/api/publish", "/admin/api/batch", "/admin/api", "/admin/api/", "/admin/api/disconnect",
          "/admin/api/jobs", "/admin/api/queues/default/purge", "/admin/api/jobs/a/b/cancel",
          "/admin/api/cluster/drain", "/admin/api/jobs//cancel"})
        EXPECT_EQ(send("POST", path, "{}", root.changing()).status, 404u) << path;
    EXPECT_EQ(send("DELETE", "/admin/api/schedules/x", "", root.changing()).status, 404u);
    EXPECT_EQ(send("GET", "/admin/api/cluster", "", root.reading()).status, 404u) << "it is in none";
    EXPECT_EQ(send("PUT", "/admin/session", "", root.changing()).status, 405u);
    EXPECT_TRUE(streams.published.empty());
}

TEST_F(AdminSite, TellsWhatTheServerApiDoesNotToWhoIsSignedIn) {
    log.add(1, format_log_line(log_format::text, log_level::info, "http.request", {{"request_id", "r9"}}));
    log.add(2, format_log_line(log_format::text, log_level::warn, "handler.slow", {{"request_id", "r8"}}));
    for (const auto* path : {"/admin/api/log", "/admin/api/plugins", "/admin/api/charts"}) {
        EXPECT_EQ(send("GET", path).status, 401u) << path;
        EXPECT_EQ(send("POST", path, "{}", sign_in("k-root").changing()).status, 404u) << path;
    }
    const auto watch = sign_in("k-watch");
    EXPECT_TRUE(send("GET", "/admin/api/plugins", "", watch.reading()).body.contains("plugins"));
    EXPECT_TRUE(send("GET", "/admin/api/charts", "", watch.reading()).body.contains("times"));
    const auto ask = [&](const std::string& query) {
        auto asked = testing::request("GET", "/admin/api/log", watch.reading(), "");
        asked.path = asked.raw_path;
        asked.query = query;
        asked.server_port = "8001";
        auto answer = site->handle(loop, asked, [](http_response) {});
        return json::parse(std::get<http_response>(answer).body);
    };
    const auto got = ask("");
    EXPECT_EQ(got["kept"], true);
    EXPECT_EQ(got["unwritten"], 0);
    EXPECT_EQ(got["lines"].size(), 2u);
    EXPECT_EQ(ask("level=warn")["lines"][0]["event"], "handler.slow");
    EXPECT_EQ(ask("text=r9&level=")["lines"][0]["event"], "http.request");
    EXPECT_EQ(ask("after=2")["lines"].size(), 0u);
    EXPECT_EQ(ask("after=x")["lines"].size(), 2u);
}

TEST_F(AdminSite, WithoutItsFolderThePageSaysSo) {
    auto asked = testing::request("GET", "/admin/", {}, "");
    const auto answer = site->handle(loop, asked, [](http_response) {});
    const auto& got = std::get<http_response>(answer);
    EXPECT_EQ(got.status, 404u);
    EXPECT_THAT(got.body, HasSubstr("the admin page is not installed"));
}

TEST_F(AdminSite, WhatNobodyWaitedForIsWrittenDownAsUnknownAndOnce) {
    const auto root = sign_in("k-root");
    std::vector<std::string> lines;
    const log_capture capture(log_format::json, log_level::warn,
                              [&](std::string_view line) { lines.emplace_back(line); });
    jobs.hold = true;
    EXPECT_EQ(send("POST", "/admin/api/queues/mail/pause", "", root.changing()).status, 0u)
        << "no answer yet";
    ASSERT_TRUE(waiting && waiting->given_up);
    waiting->given_up();
    ASSERT_EQ(lines.size(), 1u) << "whatever the level: it is an audit log";
    const auto told = json::parse(lines[0]);
    EXPECT_EQ(told["outcome"], "unknown");
    EXPECT_EQ(told["status"], 504);
    jobs.answer_held();
    EXPECT_EQ(lines.size(), 1u) << "the answer came too late";
}

TEST_F(AdminSite, ItsAuditIsWrittenAtEveryLevel) {
    for (const auto level :
         {log_level::debug, log_level::info, log_level::warn, log_level::error, log_level::off}) {
        std::vector<std::string> events;
        const log_capture capture(log_format::json, level, [&](std::string_view line) {
            if (const std::string event = json::parse(line)["event"]; event.starts_with("admin."))
                events.push_back(event);
        });
        send("POST", "/admin/session", R"({"key":"x"})");
        const auto root = sign_in("k-root");
        send("POST", "/admin/api/queues/mail/pause", "", root.changing());
        send("DELETE", "/admin/session", "", root.changing());
        EXPECT_EQ(events, (std::vector<std::string>{"admin.refused", "admin.signed_in", "admin.action",
                                                    "admin.signed_out"}));
        loop.advance(2000ms);  // further tries
    }
}

TEST_F(AdminSite, WritesDownWhoDidWhatToWhat) {
    std::vector<std::string> lines;
    const log_capture capture(log_format::json, log_level::info,
                              [&](std::string_view line) { lines.emplace_back(line); });
    const auto root = sign_in("k-root"), watch = sign_in("k-watch");
    lines.clear();
    send("GET", "/admin/api/queues", "", root.reading());
    EXPECT_TRUE(lines.empty()) << "reading leaves no line";
    send("POST", "/admin/api/queues/a%20b/pause", "", root.changing());
    send("POST", "/admin/api/jobs/discard", R"({"ids":["j1","j2"]})", root.changing());
    send("POST", "/admin/api/queues/mail/pause", "", watch.changing());
    std::vector<json> told;
    for (const auto& line : lines)
        if (auto parsed = json::parse(line); parsed["event"] == "admin.action")
            told.push_back(std::move(parsed));
    ASSERT_EQ(told.size(), 3u);
    EXPECT_EQ(told[1]["key"], "root");
    EXPECT_EQ(told[1]["action"], "job_discard");
    EXPECT_EQ(told[1]["target"], "j1,j2");
    EXPECT_EQ(told[1]["outcome"], "done");
    EXPECT_EQ(told[1]["request_id"], "r1");
    EXPECT_EQ(told[2]["key"], "watch");
    EXPECT_EQ(told[2]["target"], "mail");
    EXPECT_EQ(told[2]["outcome"], "refused");
    EXPECT_EQ(told[2]["status"], 403);
    for (const auto& line : lines)
        EXPECT_THAT(line, AllOf(Not(HasSubstr("k-root")), Not(HasSubstr(root.token))));
}

}  // namespace
}  // namespace madang
