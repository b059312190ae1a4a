#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <madang/testing.hpp>

namespace {

using namespace std::chrono_literals;
using madang::json;
using madang::testing::Failure;
using madang::testing::HttpCommunicator;
using madang::testing::HttpResponse;
using madang::testing::TestJob;
namespace fs = std::filesystem;

struct Report : ::testing::Test {
    Report() {
        char pattern[] = "/tmp/madang-report-XXXXXX";
        folder = ::mkdtemp(pattern);
        load(server);
    }
    ~Report() override { fs::remove_all(folder); }
    void load(madang::testing::Server& to, json config = json::object()) const {
        config["reports_dir"] = (folder / "made").string();
        config["days_per_page"] = 200;
        to.load_file(MADANG_TEST_PLUGIN, config);
        to.declare_namespace("user", {{"history_size", 100}, {"history_ttl", "1h"}});
    }
    HttpResponse ask(const json& what, std::string_view user = "42") {
        HttpCommunicator request(server, "POST", "/api/reports/");
        if (!user.empty()) request.user(user);
        return request.json_body(what).get_response();
    }
    json state(const std::string& id, std::string_view user = "42") {
        HttpCommunicator request(server, "GET", "/api/reports/" + id + "/");
        const auto answer = request.user(user).get_response();
        return answer.status == 200 ? answer.json_body() : json(answer.status);
    }
    HttpResponse get(const std::string& target) {
        return HttpCommunicator(server, "GET", target).get_response();
    }
    // What a person reads in it.
    std::string text_of(const std::string& pdf) const {
        const auto path = (folder / "read.pdf").string();
        std::ofstream(path, std::ios::binary) << pdf;
        FILE* tool = ::popen(("pdftotext -layout " + path + " - 2>&1").c_str(), "r");
        std::string text;
        char buffer[4096];
        for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, tool)) > 0;) text.append(buffer, n);
        EXPECT_EQ(::pclose(tool), 0) << text;
        return text;
    }

    fs::path folder;
    madang::testing::Server server;
};

TEST_F(Report, AnswersAtOnceAndIsMadeLater) {
    const auto answer = ask({{"title", "The yard"}, {"pages", 2}});
    ASSERT_EQ(answer.status, 202) << answer.body;
    const auto id = answer.json_body()["id"].get<std::string>();
    EXPECT_EQ(answer.json_body()["status_url"], "/api/reports/" + id + "/");
    EXPECT_EQ(state(id), json({{"id", id}, {"state", "PENDING"}, {"title", "The yard"}, {"pages", 2}}));
    server.advance(0ms);
    const auto done = state(id);
    EXPECT_EQ(done["state"], "SUCCESS");
    EXPECT_EQ(done["page"], 2);
    EXPECT_EQ(get(done["url"]).status, 200);
}

TEST_F(Report, IsAPdfThatSaysWhatWasAsked) {
    server.eager_jobs();
    const auto id = ask({{"title", "Am Hof gez\xc3\xa4hlt"}, {"pages", 3}}).json_body()["id"];
    const auto file = get(state(id)["url"]);
    ASSERT_EQ(file.status, 200);
    EXPECT_EQ(file.header("content-type"), "application/pdf");
    EXPECT_TRUE(file.header("content-disposition").starts_with("attachment; filename=\"report-"));
    EXPECT_EQ(file.header("x-content-type-options"), "nosniff");
    EXPECT_NE(file.header("cache-control").find("no-store"), std::string::npos);
    EXPECT_TRUE(file.body.starts_with("%PDF-"));
    const auto text = text_of(file.body);
    EXPECT_NE(text.find("Am Hof gez\xc3\xa4hlt"), std::string::npos) << text;
    for (const char* page : {"Page 1 of 3", "Page 2 of 3", "Page 3 of 3"})
        EXPECT_NE(text.find(page), std::string::npos) << text;
    EXPECT_NE(text.find("Busiest hour"), std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\f'), 3);
}

TEST_F(Report, ATitleBeyondLatin1IsWrittenInTheFontThatIsNamed) {
    const auto made = [&](const json& config) {
        madang::testing::Server each;
        load(each, config);
        each.eager_jobs();
        HttpCommunicator order(each, "POST", "/api/reports/");
        order.user("42").json_body({{"title", "\ub9c8\ub2f9"}, {"pages", 1}});
        const std::string id = order.get_response().json_body()["id"];
        const std::string url = each.job(id).result["url"];
        return HttpCommunicator(each, "GET", url).get_response().body;
    };
    // pdftotext cannot read libharu's ToUnicode maps: the file itself says what is embedded.
    const auto named = made({{"font", "/usr/share/fonts/truetype/nanum/NanumGothicBold.ttf"}});
    EXPECT_NE(named.find("+NanumGothicBold"), std::string::npos);
    EXPECT_NE(named.find("<FEFFB9C8B2F9>"), std::string::npos);
    const auto none = made({{"font", ""}});
    EXPECT_EQ(none.find("/FontFile2"), std::string::npos);
    EXPECT_NE(text_of(none).find("??"), std::string::npos);
}

TEST_F(Report, TellsTheUsersWindowsEachPageAndTheEnd) {
    const auto id = ask({{"title", "News"}, {"pages", 2}}).json_body()["id"];
    server.advance(0ms);
    const auto told = server.history("user:42");
    ASSERT_EQ(told.size(), 4u);
    EXPECT_EQ(told[0]["progress"], json({{"page", 1}, {"pages", 2}}));
    EXPECT_EQ(told[1]["progress"]["page"], 2);
    EXPECT_EQ(told[2]["event"], "pdf_ready");
    EXPECT_EQ(told[2]["id"], id);
    EXPECT_EQ(get(told[2]["url"]).status, 200);
    EXPECT_EQ(told[3]["state"], "SUCCESS");
    EXPECT_EQ(get(told[3]["result"]["url"]).status, 200);
}

TEST_F(Report, AStoppedAttemptGoesOnWithTheNextPage) {
    bool stopped = false;
    server.on_progress([&](const TestJob& job) {
        if (job.progress.size() == 3 && !std::exchange(stopped, true)) server.reach_soft_limit(job.id);
    });
    const std::string id = ask({{"title", "Long"}, {"pages", 5}}).json_body()["id"];
    server.advance(0ms);
    EXPECT_EQ(state(id)["state"], "RETRY");
    EXPECT_EQ(server.job(id).error_type, "SoftTimeLimitExceeded");
    EXPECT_FALSE(fs::exists(folder / "made" / (id + ".pdf")));
    server.advance(5s);
    const auto done = server.job(id);
    EXPECT_EQ(done.result["resumed_at"], 3);
    std::vector<int> pages;
    for (const auto& each : done.progress) pages.push_back(each["page"]);
    EXPECT_EQ(pages, (std::vector<int>{1, 2, 3, 4, 5}));
    // and it is the same report as one that nobody stopped
    const auto file = get(state(id)["url"]).body;
    const auto whole = ask({{"title", "Long"}, {"pages", 5}}).json_body()["id"];
    server.advance(0ms);
    EXPECT_EQ(text_of(get(state(whole)["url"]).body), text_of(file));
}

TEST_F(Report, ACancelledReportLeavesNothing) {
    server.on_progress([&](const TestJob& job) { server.cancel_job(job.id); });
    const std::string id = ask({{"title", "No"}, {"pages", 5}}).json_body()["id"];
    server.advance(0ms);
    EXPECT_EQ(state(id)["state"], "REVOKED");
    EXPECT_FALSE(fs::exists(folder / "made" / (id + ".pdf")));
}

TEST_F(Report, ALinkThatWasChangedOpensNothing) {
    server.eager_jobs();
    const std::string id = ask({{"title", "a"}, {"pages", 1}}).json_body()["id"];
    const std::string other = ask({{"title", "b"}, {"pages", 1}}).json_body()["id"];
    const std::string good = state(id)["url"];
    ASSERT_EQ(get(good).status, 200);
    std::string changed = good;
    changed.back() = changed.back() == '0' ? '1' : '0';
    EXPECT_EQ(get(changed).status, 403);
    EXPECT_EQ(get(good.substr(0, good.size() - 1)).status, 403);
    EXPECT_EQ(get(good.substr(0, good.find('?'))).status, 403);
    std::string later = good;
    later.insert(later.find("expires=") + 8, "9");
    EXPECT_EQ(get(later).status, 403);
    std::string another = good;
    another.replace(another.find(id), id.size(), other);
    EXPECT_EQ(get(another).status, 403);
    EXPECT_EQ(get("/api/reports/..links/file?expires=9999999999&signature=00").status, 403);
}

TEST_F(Report, ALinkExpires) {
    madang::testing::Server brief;
    load(brief, {{"url_lifetime_s", 0}});
    brief.eager_jobs();
    const auto asked =
        HttpCommunicator(brief, "POST", "/api/reports/").user("42").json_body({{"title", "a"}, {"pages", 1}});
    const std::string id = HttpCommunicator(asked).get_response().json_body()["id"];
    const std::string url = brief.job(id).result["url"];
    EXPECT_EQ(HttpCommunicator(brief, "GET", url).get_response().status, 403);
}

TEST_F(Report, AnotherProcessOfTheSameFolderKnowsItsLinks) {
    server.eager_jobs();
    const std::string id = ask({{"title", "a"}, {"pages", 1}}).json_body()["id"];
    madang::testing::Server again;
    load(again);
    EXPECT_EQ(HttpCommunicator(again, "GET", state(id)["url"].get<std::string>()).get_response().status, 200);
    EXPECT_EQ(fs::status(folder / "made" / "links.key").permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
    madang::testing::Server stranger;
    load(stranger, {{"url_secret", std::string(32, 's')}});
    EXPECT_EQ(HttpCommunicator(stranger, "GET", state(id)["url"].get<std::string>()).get_response().status,
              403);
}

TEST_F(Report, IsItsOwnersAlone) {
    const auto id = ask({{"title", "mine"}, {"pages", 1}}, "42").json_body()["id"];
    EXPECT_EQ(state(id, "43"), 404);
    EXPECT_EQ(get("/api/reports/" + id.get<std::string>() + "/").status, 404);
    EXPECT_EQ(state("nobody"), 404);
    EXPECT_EQ(state(server.enqueue(madang::signature("reports.tidy").notify_user("42"))), 404);
}

TEST_F(Report, AVisitorWithoutANameIsKnownByACookie) {
    const auto answer = ask({{"title", "guest"}, {"pages", 1}}, "");
    ASSERT_EQ(answer.status, 202);
    const std::string id = answer.json_body()["id"];
    const std::string cookie = answer.header("set-cookie");
    ASSERT_TRUE(cookie.starts_with("madang_visitor=")) << cookie;
    EXPECT_NE(cookie.find("HttpOnly; SameSite=Lax"), std::string::npos);
    const auto visitor = cookie.substr(15, 32);
    server.advance(0ms);
    EXPECT_FALSE(server.history("user:visitor-" + visitor).empty());
    const auto with = [&](const std::string& method, const std::string& path, const std::string& value) {
        return HttpCommunicator(server, method, path)
            .cookie("madang_visitor", value)
            .json_body({{"title", "again"}})
            .get_response();
    };
    EXPECT_EQ(with("GET", "/api/reports/" + id + "/", visitor).json_body()["state"], "SUCCESS");
    EXPECT_EQ(with("GET", "/api/reports/" + id + "/", std::string(32, 'a')).status, 404);
    const auto again = with("POST", "/api/reports/", visitor);
    EXPECT_EQ(again.status, 202);
    EXPECT_EQ(again.header("set-cookie"), "");
    EXPECT_NE(with("POST", "/api/reports/", "forged; or not").header("set-cookie"), "");
}

TEST_F(Report, RefusesWhatItCannotMake) {
    const auto error = [&](const json& what) {
        const auto answer = ask(what);
        EXPECT_EQ(answer.status, 400) << what;
        return answer.json_body()["error"].get<std::string>();
    };
    EXPECT_EQ(error({{"pages", 3}}), "title: takes a text");
    EXPECT_EQ(error({{"title", ""}}), "title: takes 1-120 bytes on one line");
    EXPECT_EQ(error({{"title", "a\nb"}}), "title: takes 1-120 bytes on one line");
    EXPECT_EQ(error({{"title", std::string(121, 'x')}}), "title: takes 1-120 bytes on one line");
    EXPECT_EQ(error({{"title", "a"}, {"pages", 0}}), "pages: takes a number from 1 to 60");
    EXPECT_EQ(error({{"title", "a"}, {"pages", 61}}), "pages: takes a number from 1 to 60");
    EXPECT_EQ(error({{"title", "a"}, {"pages", "3"}}), "pages: takes a number from 1 to 60");
    EXPECT_EQ(error({{"title", "a"}, {"size", 3}}), "size: there is no such member");
    EXPECT_EQ(error(json::array()), "takes an object");
    EXPECT_EQ(HttpCommunicator(server, "POST", "/api/reports/").user("42").body("{").get_response().status,
              400);
    EXPECT_TRUE(server.jobs().empty());
}

TEST_F(Report, OldReportsAreRemoved) {
    server.eager_jobs();
    const std::string id = ask({{"title", "old"}, {"pages", 1}}).json_body()["id"];
    const std::string fresh = ask({{"title", "new"}, {"pages", 1}}).json_body()["id"];
    const auto url = state(id)["url"];
    const auto path = folder / "made" / (id + ".pdf");
    fs::last_write_time(path, fs::last_write_time(path) - 25h);
    server.fire_schedule("reports.tidy");
    EXPECT_FALSE(fs::exists(path));
    EXPECT_TRUE(fs::exists(folder / "made" / (fresh + ".pdf")));
    EXPECT_EQ(get(url).status, 404);
}

TEST_F(Report, AFolderThatCannotBeWrittenIsAFailedJob) {
    std::ofstream(folder / "made") << "a file, where the folder should be";
    const std::string id = ask({{"title", "a"}, {"pages", 1}}).json_body()["id"];
    server.advance(1min);
    EXPECT_EQ(state(id)["state"], "FAILURE");
    EXPECT_EQ(server.job(id).retries, 3);
}

TEST_F(Report, AWrongConfigurationIsRefused) {
    madang::testing::Server other;
    EXPECT_THROW(other.load_file(MADANG_TEST_PLUGIN, {{"reports_dirr", "/tmp"}}), Failure);
    EXPECT_THROW(other.load_file(MADANG_TEST_PLUGIN, {{"url_secret", "short"}}), Failure);
    EXPECT_THROW(other.load_file(MADANG_TEST_PLUGIN, {{"max_pages", 0}}), Failure);
}

}  // namespace
