#include "broker/core/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "broker/core/did_you_mean.hpp"
#include "broker/core/option_parse.hpp"
#include "broker/core/options_table.hpp"

namespace madang {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class configuration_test : public testing::Test {
  protected:
    void SetUp() override {
        std::string folder = testing::TempDir() + "/madang-XXXXXX";
        ASSERT_NE(mkdtemp(folder.data()), nullptr);
        folder_ = folder;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string file(std::string_view text) {
        const auto path = folder_ + "/madang.toml";
        std::ofstream(path) << text;
        return path;
    }
    result<configuration> load(std::vector<std::string> arguments, environment variables = {}) {
        CLI::App app;
        option_values values;
        add_option_flags(app, values);
        std::reverse(arguments.begin(), arguments.end());  // as parse() wants a vector
        try {
            app.parse(std::move(arguments));
        } catch (const CLI::Error& wrong) {
            return fail(errc::invalid_option, wrong.what());
        }
        return resolve_options(values, variables);
    }
    result<configuration> load_file(std::string_view text) { return load({"--config", file(text)}); }
    std::string refusal(std::vector<std::string> arguments, environment variables = {}) {
        const auto loaded = load(std::move(arguments), std::move(variables));
        return loaded ? "accepted" : loaded.error().detail;
    }
    std::string file_refusal(std::string_view text) { return refusal({"--config", file(text)}); }

    std::string folder_;
};

using Configuration = configuration_test;

TEST_F(Configuration, DefaultsAreThoseOfTheStruct) {
    const auto loaded = load({});
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_EQ(show_options(loaded->settings), show_options(options{}));
    EXPECT_TRUE(loaded->plugin_config_json.empty());
    EXPECT_TRUE(loaded->warnings.empty());
}

TEST_F(Configuration, TellsWhatAReloadTakesUpFromWhatNeedsARestart) {
    const auto running =
        load_file("loops = 1\nlog_level = \"info\"\n[namespace.news]\nhistory_size = 1\n[plugin.a]\nx = 1\n");
    const auto asked = load_file(
        "loops = 2\nlog_level = \"warn\"\napi_keys = [\"a:all:0123456789012345678901234567\"]\n"
        "tls_certificate = \"a\"\ntls_key = \"b\"\n[namespace.news]\nhistory_size = 2\n[schedule.b]\n");
    ASSERT_TRUE(running && asked);
    const auto change = change_of(*running, *asked);
    EXPECT_THAT(change.taken_up, testing::UnorderedElementsAre("log_level", "api_keys"));
    EXPECT_THAT(change.restart, testing::UnorderedElementsAre("loops", "tls_certificate", "tls_key",
                                                              "[plugin.a]", "[schedule.b]"));
    auto now = *running;
    take_up(now, *asked);
    EXPECT_THAT(change_of(now, *asked).taken_up, testing::IsEmpty());
    EXPECT_EQ(change_of(now, *asked).restart, change.restart);
    EXPECT_EQ(now.settings.loops, 1u);
    EXPECT_THAT(change_of(*running, *running).restart, testing::IsEmpty());
}

TEST_F(Configuration, WhatAReloadTakesUpIsSaidWhereverPeopleLook) {
    for (const auto& row : option_table()) {
        if (row.reload().empty()) continue;
        EXPECT_THAT(show_reload(), HasSubstr(row.key()));
        EXPECT_THAT(configuration_markdown(),
                    HasSubstr("- `" + row.key() + "`: " + std::string(row.reload()) + "\n"));
    }
    EXPECT_EQ(show_reload(),
              "on SIGHUP: api_keys, log_level, [namespace.NAME], and the files of tls_certificate, tls_key, "
              "cluster_certificate, cluster_key, cluster_ca\n");
}

TEST_F(Configuration, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
    const auto path = file("listen = \"10.0.0.1:1\"\nloops = 1\nws_ping_interval = \"1s\"\n");
    const auto loaded = load({"--config", path, "--listen", "10.0.0.3:3"},
                             {{"MADANG_LISTEN", "10.0.0.2:2"}, {"MADANG_LOOPS", "2"}});
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_EQ(loaded->settings.listen, "10.0.0.3:3");
    EXPECT_EQ(loaded->settings.loops, 2u);
    EXPECT_EQ(loaded->settings.ws_ping_interval, 1s);
    EXPECT_EQ(loaded->settings.ws_pong_timeout, 8s);
}

TEST_F(Configuration, FileMayBeNamedByTheEnvironment) {
    const auto path = file("loops = 3\n");
    EXPECT_EQ(load({}, {{"MADANG_CONFIG", path}})->settings.loops, 3u);
    EXPECT_THAT(refusal({}, {{"MADANG_CONFIG", "/nowhere.toml"}}), HasSubstr("/nowhere.toml cannot be read"));
    EXPECT_EQ(load({"--config", path}, {{"MADANG_CONFIG", "/nowhere.toml"}})->settings.loops, 3u);
}

TEST_F(Configuration, EveryKindOfValueIsRead) {
    const auto loaded = load_file(R"(
listen = "[::1]:0"
plugins = ["a.so", "b.so"]
trusted_proxies = ["10.0.0.0/8", "::1"]
cors_origins = "https://a.example, https://b.example"
bundled = false
sync_threads = 4
ws_outbox_bytes = "64k"
http_body_bytes = 2048
view_timeout = 1500
turn_time = "250us"
drain_timeout = "2m"
ws_outbox_policy = "drop-oldest"
log_format = "json"
log_level = "debug"
)");
    ASSERT_TRUE(loaded) << loaded.error();
    const auto& got = loaded->settings;
    EXPECT_EQ(got.listen, "[::1]:0");
    EXPECT_THAT(got.plugins, ElementsAre("a.so", "b.so"));
    EXPECT_THAT(got.trusted_proxies, ElementsAre("10.0.0.0/8", "::1"));
    EXPECT_THAT(got.cors_origins, ElementsAre("https://a.example", "https://b.example"));
    EXPECT_FALSE(got.bundled);
    EXPECT_EQ(got.sync_threads, 4u);
    EXPECT_EQ(got.ws_outbox_bytes, 65536u);
    EXPECT_EQ(got.http_body_bytes, 2048u);
    EXPECT_EQ(got.view_timeout, 1500ms);
    EXPECT_EQ(got.turn_time, 250us);
    EXPECT_EQ(got.drain_timeout, 2min);
    EXPECT_EQ(got.ws_outbox_policy, outbox_policy::drop_oldest);
    EXPECT_EQ(got.format, log_format::json);
    EXPECT_EQ(got.log_level, "debug");
}

TEST_F(Configuration, FlagsOfEveryKind) {
    const auto loaded = load({"--plugin", "a.so", "--plugin=b.so", "--trusted-proxy", "10.0.0.0/8,::1",
                              "--no-bundled", "--ws-deflate", "--ws-outbox-policy", "latest_only",
                              "--ws-outbox-bytes=16M", "--listen", "[::1]:0"});
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_THAT(loaded->settings.plugins, ElementsAre("a.so", "b.so"));
    EXPECT_THAT(loaded->settings.trusted_proxies, ElementsAre("10.0.0.0/8", "::1"));
    EXPECT_FALSE(loaded->settings.bundled);
    EXPECT_TRUE(loaded->settings.ws_deflate);
    EXPECT_EQ(loaded->settings.ws_outbox_policy, outbox_policy::latest_only);
    EXPECT_EQ(loaded->settings.ws_outbox_bytes, 16u << 20);
    EXPECT_TRUE(load({"--bundled"}, {{"MADANG_BUNDLED", "false"}})->settings.bundled);
    EXPECT_FALSE(load({"--bundled=false"})->settings.bundled);
}

TEST_F(Configuration, EnvironmentOfEveryKind) {
    const auto loaded =
        load({}, {{"MADANG_PLUGINS", "a.so, b.so,"}, {"MADANG_BUNDLED", "no"}, {"MADANG_TURN_TIME", "2000"}});
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_THAT(loaded->settings.plugins, ElementsAre("a.so", "b.so"));
    EXPECT_FALSE(loaded->settings.bundled);
    EXPECT_EQ(loaded->settings.turn_time, 2ms);
}

TEST_F(Configuration, PluginSectionsBecomeJson) {
    const auto loaded = load_file(R"(
loops = 1
[plugin.chat]
cooldown_ms = 500
words = ["a", "b"]
[plugin.chat.deep]
on = true
[plugin."my.plugin"]
text = "마당 \"x\""
)");
    ASSERT_TRUE(loaded) << loaded.error();
    ASSERT_EQ(loaded->plugin_config_json.size(), 2u);
    EXPECT_EQ(nlohmann::json::parse(loaded->plugin_config_json.at("chat")),
              nlohmann::json::parse(R"({"cooldown_ms":500,"words":["a","b"],"deep":{"on":true}})"));
    EXPECT_EQ(nlohmann::json::parse(loaded->plugin_config_json.at("my.plugin")).at("text"), "마당 \"x\"");
    EXPECT_THAT(file_refusal("plugin = 3\n"), HasSubstr("write [plugin.NAME] sections"));
    EXPECT_THAT(file_refusal("[plugin]\nchat = 3\n"),
                AllOf(HasSubstr("plugin.chat"), HasSubstr("[plugin.NAME]")));
}

TEST_F(Configuration, ScheduleSectionsBecomeJson) {
    const auto loaded = load_file(R"(
[schedule.nightly]
task = "reports.build"
cron = "30 2 * * *"
kwargs = { kind = "nightly" }
[schedule."a.b"]
task = "ping"
every = 30
)");
    ASSERT_TRUE(loaded) << loaded.error();
    ASSERT_EQ(loaded->schedule_json.size(), 2u);
    EXPECT_EQ(
        nlohmann::json::parse(loaded->schedule_json.at("nightly")),
        nlohmann::json::parse(R"({"task":"reports.build","cron":"30 2 * * *","kwargs":{"kind":"nightly"}})"));
    EXPECT_EQ(nlohmann::json::parse(loaded->schedule_json.at("a.b")).at("every"), 30);
    EXPECT_THAT(file_refusal("schedule = 3\n"), HasSubstr("write [schedule.NAME] sections"));
    EXPECT_THAT(file_refusal("[schedule]\nnightly = 3\n"),
                AllOf(HasSubstr("schedule.nightly"), HasSubstr("[schedule.NAME]")));
}

TEST_F(Configuration, RefusalsNameTheOptionThePlaceAndTheMend) {
    EXPECT_THAT(refusal({"--ws-outbox-bytes", "12q"}),
                AllOf(HasSubstr("--ws-outbox-bytes"), HasSubstr("\"12q\""), HasSubstr("64k, 16M")));
    EXPECT_THAT(refusal({}, {{"MADANG_WS_PONG_TIMEOUT", "soon"}}),
                AllOf(HasSubstr("MADANG_WS_PONG_TIMEOUT (environment)"), HasSubstr("500ms, 10s or 2m")));
    EXPECT_THAT(file_refusal("loops = 1\nsync_threads = 0\n"),
                AllOf(HasSubstr("sync_threads ("), HasSubstr("madang.toml:2)"), HasSubstr("1 to 1024")));
    EXPECT_THAT(
        file_refusal("lisen = \"127.0.0.1:1\"\n"),
        AllOf(HasSubstr("madang.toml:1"), HasSubstr("no such option"), HasSubstr("did you mean listen?")));
    EXPECT_THAT(file_refusal("[http]\nx = 1\n"), HasSubstr("http ("));
    EXPECT_THAT(file_refusal("loops = [1\n"), AllOf(HasSubstr("madang.toml:"), HasSubstr("not valid TOML")));
    EXPECT_THAT(file_refusal("loops = 1\nloops = 2\n"), HasSubstr("madang.toml:2"));
    EXPECT_THAT(refusal({"--config", "/nowhere.toml"}), HasSubstr("/nowhere.toml cannot be read"));
    EXPECT_THAT(refusal({"--config", folder_}), HasSubstr("is a folder"));
    EXPECT_THAT(refusal({"--lisen", "x"}), HasSubstr("--lisen"));
    EXPECT_THAT(refusal({"--loops", "1", "--loops", "2"}), HasSubstr("--loops"));
    EXPECT_THAT(refusal({"stray"}), HasSubstr("stray"));
    EXPECT_THAT(file_refusal("\nloops = 3.5\n"),
                AllOf(HasSubstr("loops ("), HasSubstr("madang.toml:2): 3.5 is a number with a fraction"),
                      HasSubstr("write a NUMBER, 0 to 1024")));
    EXPECT_THAT(file_refusal("listen = 80.5\n"), HasSubstr("write a ADDRESS:PORT"));
}

TEST_F(Configuration, SectionsAreFoundAgain) {
    const auto loaded = load_file("loops = 1\n\n[namespace.news]\npresence = true\n[namespace.\"\"]\n");
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_EQ(loaded->section("namespace", "news"), "[namespace.news] (" + folder_ + "/madang.toml:3)");
    EXPECT_EQ(loaded->section("namespace", ""), "[namespace.\"\"] (" + folder_ + "/madang.toml:5)");
    EXPECT_EQ(loaded->section("namespace", "none"), "[namespace.none]");
}

TEST_F(Configuration, NamesAndOriginsAreCheckedWhereTheyAreGiven) {
    for (const auto* bad :
         {"foo", "https://", "://a", "https://a/", "https://a b", "https://me@a", "https://a?"})
        EXPECT_THAT(refusal({"--cors-origin", bad}),
                    AllOf(HasSubstr("--cors-origin: \""), HasSubstr("https://example.com")))
            << bad;
    for (const auto* good :
         {"*", "null", "https://a", "http://127.0.0.1:8000", "http://[::1]:8000", "app://x"})
        EXPECT_TRUE(load({"--cors-origin", good})) << good;
    for (const auto* bad : {"a b", "a:b", "X-\xc3\xa9"})
        EXPECT_THAT(refusal({"--proxy-header", bad}), HasSubstr("--proxy-header: \"")) << bad;
    EXPECT_TRUE(load({"--proxy-header", "X-My_Header.1"}));
    EXPECT_TRUE(load({}, {{"MADANG_PROXY_HEADERS", ""}})) << "none";
    for (const auto* bad : {"a;b", "", "a=b", "a b"})
        EXPECT_THAT(refusal({"--django-session-cookie", bad}), HasSubstr("--django-session-cookie: \""))
            << bad;
    EXPECT_TRUE(load({"--django-session-cookie", "my_site.session"}));
}

TEST(DidYouMean, NamesTheNearestOrNone) {
    const std::vector<std::string> known = {"serve", "store", "pub"};
    EXPECT_EQ(did_you_mean("serv", known), "; did you mean serve?");
    EXPECT_EQ(did_you_mean("stor", known), "; did you mean store?");
    EXPECT_EQ(did_you_mean("stroe", known), "; did you mean store?");
    EXPECT_EQ(did_you_mean("frob", std::vector<std::string>{"job"}), "") << "two of four letters";
    EXPECT_EQ(did_you_mean("x", known), "");
    EXPECT_EQ(did_you_mean("", known), "");
    const std::vector<std::string> parts = {"history_durability", "history_size", "join_leave"};
    EXPECT_EQ(did_you_mean("durability", parts), "; did you mean history_durability?");
    EXPECT_EQ(did_you_mean("history", parts), "; did you mean history_size?") << "the shortest";
    EXPECT_EQ(did_you_mean("his", parts), "");
}

TEST_F(Configuration, RefusesValuesOfTheWrongKind) {
    for (const auto text : {"listen = 80",
                            "listen = [\"127.0.0.1:1\"]",
                            "plugins = [1]",
                            "loops = 1.5",
                            "loops = -1",
                            "loops = 4294967296",
                            "bundled = \"maybe\"",
                            "http_head_bytes = \"1T\"",
                            "view_timeout = \"1.5s\"",
                            "ws_outbox_policy = \"server_default\"",
                            "log_level = \"loud\"",
                            "log_format = \"xml\"",
                            "drain_timeout = 1979-05-27",
                            "view_timeout = \"20ms \"",
                            "trusted_proxies = [\"example.com\"]",
                            "worker_autoscale = \"x\"",
                            "worker_autoscale = \"2,8\"",
                            "worker_autoscale = \"8\"",
                            "worker_autoscale = \"8,0\"",
                            "worker_autoscale = \"1025,1\"",
                            "worker_autoscale = \"8,2,1\"",
                            "ws_ping_interval = \"1us\"",
                            "http_body_bytes = \"99999999999999999999G\""}) {
        EXPECT_NE(file_refusal(std::string(text) + "\n"), "accepted") << text;
    }
    EXPECT_NE(refusal({"--bundled=maybe"}), "accepted");
    EXPECT_NE(refusal({"--listen", ""}), "accepted");
    EXPECT_EQ(load({"--cluster-listen", ""})->settings.cluster_listen, "") << "which switches it off";
    EXPECT_THAT(refusal({"--worker-autoscale", "x"}),
                AllOf(HasSubstr("--worker-autoscale"), HasSubstr("MAX,MIN")));
    EXPECT_EQ(load({"--worker-autoscale", "8,2"})->settings.worker_autoscale, "8,2");
}

TEST_F(Configuration, SecretsAreNeverPrinted) {
    const std::string secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    const auto loaded = load({}, {{"MADANG_JWT_HMAC_SECRET", secret}});
    ASSERT_TRUE(loaded) << loaded.error();
    EXPECT_EQ(loaded->settings.jwt_hmac_secret, secret);
    EXPECT_THAT(show_options(loaded->settings),
                AllOf(Not(HasSubstr("hunter2")), HasSubstr("jwt_hmac_secret = (set)\n")));
    EXPECT_THAT(refusal({"--jwt-hmac-secret", secret, "--jwt-hmac-secret", secret}),
                Not(HasSubstr("hunter2")));
    EXPECT_THAT(file_refusal("jwt_hmac_secret = [\"" + secret + "\"]\n"),
                AllOf(HasSubstr("jwt_hmac_secret"), Not(HasSubstr("hunter2"))));
    EXPECT_THAT(file_refusal("jwt_hmac_secret = \"" + secret + "\n"),
                AllOf(HasSubstr("not valid TOML"), Not(HasSubstr("hunter2"))));
}

TEST_F(Configuration, WarnsOfWhatIsProbablyAMistake) {
    const auto loaded = load({"--jwt-hmac-secret", "short"}, {{"MADANG_LISTN", "x"},
                                                              {"MADANG_PORT_8000_TCP", "y"},
                                                              {"MADANG_API_KEY", "of madang pub"},
                                                              {"HOME", "/"}});
    ASSERT_TRUE(loaded) << loaded.error();
    ASSERT_EQ(loaded->warnings.size(), 3u);
    EXPECT_THAT(loaded->warnings[0],
                AllOf(HasSubstr("MADANG_LISTN"), HasSubstr("did you mean MADANG_LISTEN?")));
    EXPECT_THAT(loaded->warnings[1], HasSubstr("MADANG_PORT_8000_TCP"));
    EXPECT_THAT(loaded->warnings[2], AllOf(HasSubstr("32"), Not(HasSubstr("short "))));
}

TEST_F(Configuration, ChecksWhatMustHoldBetweenOptions) {
    EXPECT_THAT(refusal({"--tls-certificate", "c.pem"}), HasSubstr("tls-certificate is set without tls-key"));
    EXPECT_THAT(refusal({"--tls-key", "k.pem"}), HasSubstr("tls-key is set without tls-certificate"));
    EXPECT_THAT(refusal({"--listen", "127.0.0.1:8001"}), HasSubstr("listen and internal-listen"));
    EXPECT_TRUE(load({"--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"}));
    EXPECT_TRUE(load({"--tls-certificate", "c.pem", "--tls-key", "k.pem"}));
    EXPECT_THAT(refusal({"--ws-message-burst", "5"}), HasSubstr("ws-messages-per-second"));
    EXPECT_THAT(refusal({"--drain-timeout", "1s", "--drain-spread", "2s"}), HasSubstr("drain-spread"));
}

TEST_F(Configuration, FlagsWorkOnASubCommandAndHelpNamesThem) {
    CLI::App app;
    option_values values;
    auto* serve = app.add_subcommand("serve");
    add_option_flags(*serve, values);
    app.parse("serve --loops 2 --plugin a.so --no-bundled", false);
    EXPECT_EQ(resolve_options(values, {})->settings.loops, 2u);
    const auto help = serve->help();
    for (const auto& row : option_table()) EXPECT_THAT(help, HasSubstr(row.flag()));
}

TEST(OptionTable, NamesAreUniqueAndEveryFieldHasARow) {
    std::set<std::string> flags, keys, variables;
    for (const auto& row : option_table()) {
        EXPECT_TRUE(flags.insert(row.flag()).second) << row.name;
        EXPECT_TRUE(keys.insert(row.key()).second) << row.name;
        EXPECT_TRUE(variables.insert(row.environment_name()).second) << row.name;
        EXPECT_NE(row.key(), "plugin");
    }
    EXPECT_EQ(option_table().size(), 156u);  // one for each field of options
    EXPECT_TRUE(variables.contains("MADANG_JWT_HMAC_SECRET"));
}

TEST(OptionTable, DefaultsAreWithinTheirBounds) {
    for (const auto& row : option_table()) {
        options copy;
        const auto shown = show_option(options{}, row);
        if (shown.empty()) continue;
        const bool list = std::holds_alternative<std::vector<std::string> options::*>(row.place);
        const auto set = set_option(copy, row, list ? split_list(shown) : std::vector{shown});
        EXPECT_TRUE(set) << row.name << ": " << shown;
        EXPECT_EQ(show_option(copy, row), shown) << row.name;
    }
}

TEST(OptionTable, BoundsIncludeBothEndsAndNothingBeyond) {
    for (const auto& row : option_table()) {
        if (row.rules.most == 0) continue;
        options into;
        EXPECT_TRUE(set_option(into, row, std::vector{std::to_string(row.rules.least)})) << row.name;
        EXPECT_TRUE(set_option(into, row, std::vector{std::to_string(row.rules.most)})) << row.name;
        EXPECT_FALSE(set_option(into, row, std::vector{std::to_string(row.rules.most + 1)})) << row.name;
        if (row.rules.least > 0) {
            EXPECT_FALSE(set_option(into, row, std::vector{std::to_string(row.rules.least - 1)})) << row.name;
        }
    }
}

TEST(OptionTable, ThePageNamesEveryOption) {
    const auto page = configuration_markdown();
    for (const auto& row : option_table()) {
        EXPECT_THAT(page, AllOf(HasSubstr("`" + row.flag()), HasSubstr("`" + row.environment_name() + "`"),
                                HasSubstr("`" + row.key() + "`")));
    }
}

TEST(OptionText, Sizes) {
    EXPECT_EQ(parse_size("0"), 0u);
    EXPECT_EQ(parse_size("64k"), 65536u);
    EXPECT_EQ(parse_size("64K"), 65536u);
    EXPECT_EQ(parse_size("16M"), 16u << 20);
    EXPECT_EQ(parse_size("2GiB"), 2ull << 30);
    EXPECT_EQ(parse_size("5B"), 5u);
    for (const auto text :
         {"", "k", "-1", "+1", " 1", "1 k", "1kk", "1.5M", "1T", "17179869184G", "18446744073709551616"}) {
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
    }
    for (const std::uint64_t size : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 1ull << 20, 3ull << 30, ~0ull}) {
        EXPECT_EQ(parse_size(size_text(size)), size);
    }
    EXPECT_EQ(size_text(1536), "1536");
    EXPECT_EQ(size_text(1 << 20), "1M");
}

TEST(OptionText, Durations) {
    EXPECT_EQ(parse_duration("500ms", 1ms), 500'000u);
    EXPECT_EQ(parse_duration("10s", 1ms), 10'000'000u);
    EXPECT_EQ(parse_duration("2m", 1ms), 120'000'000u);
    EXPECT_EQ(parse_duration("1h", 1ms), 3'600'000'000u);
    EXPECT_EQ(parse_duration("7", 1ms), 7'000u);
    EXPECT_EQ(parse_duration("7", 1us), 7u);
    for (const auto text : {"", "s", "1.5s", "1 s", "1d", "-1s", "9999999999999999999h"}) {
        EXPECT_EQ(parse_duration(text, 1ms), std::nullopt) << text;
    }
    EXPECT_EQ(duration_text(75s), "75s");
    EXPECT_EQ(duration_text(120s), "2m");
    EXPECT_EQ(duration_text(1500us), "1500us");
    EXPECT_EQ(duration_text(0us), "0");
}

TEST(OptionText, Lists) {
    EXPECT_THAT(split_list(" a , b,,c d,"), ElementsAre("a", "b", "c d"));
    EXPECT_TRUE(split_list("").empty());
    EXPECT_TRUE(split_list(" ,").empty());
}

}  // namespace
}  // namespace madang
