// The table "madang.streams/1" over fakes of the ports.
#include <gtest/gtest.h>

#include <deque>

#include "plugins/host/plugin_host.hpp"
#include "tests/unit/host/recording_ports.hpp"

namespace madang {
namespace {

// Keeps what it is asked; answers when told.
struct fake_streams final : stream_port {
    void publish(publish_request what, answer<position> done) override {
        published.push_back(std::move(what));
        positions.push_back(std::move(done));
    }
    void history(history_request what, answer<history_page> done) override {
        histories.push_back(std::move(what));
        pages.push_back(std::move(done));
    }
    void remove_history(std::string, answer<position>) override {}
    void presence(presence_request what, answer<presence_page> done) override {
        presences.push_back(std::move(what));
        done(presence_page{{{{"c1", "ann", "{}", ""}, 7}}, true});
    }
    void presence_stats(std::string, answer<presence_counts> done) override { done(presence_counts{3, 2}); }
    void last_seen(std::string, std::size_t limit, answer<std::vector<last_seen_entry>> done) override {
        done(std::vector<last_seen_entry>{{"bob", static_cast<std::int64_t>(limit)}});
    }
    void groups(std::string, std::size_t, answer<std::map<std::string, std::uint64_t>>) override {}
    void command(client_selector, client_command, answer<std::size_t>) override {}
    void figures(answer<std::vector<node_figures>>) override {}
    const namespace_table& namespaces() const noexcept override { return table; }

    namespace_table table;
    std::vector<publish_request> published;
    std::vector<history_request> histories;
    std::vector<presence_request> presences;
    std::vector<answer<position>> positions;
    std::vector<answer<history_page>> pages;
};

madang_host* me;
const madang_host_api* given;
madang_status declared;
std::string to_declare;
template <int N>
const madang_plugin_descriptor& plugin_n() {
    static const std::string id = "plugin" + std::to_string(N);
    static const madang_plugin_descriptor descriptor = {
        MADANG_ABI_MAGIC,
        sizeof descriptor,
        1,
        0,
        id.c_str(),
        "1",
        nullptr,
        [](madang_host* host, const madang_host_api* api) {
            me = host;
            given = api;
            const auto* streams =
                static_cast<const madang_streams*>(api->get_extension(host, MADANG_STREAMS));
            if (streams && !to_declare.empty())
                declared =
                    streams->declare_namespace(host, {"room", 4}, {to_declare.data(), to_declare.size()});
            static char instance;
            return reinterpret_cast<madang_plugin*>(&instance);
        },
        [](madang_plugin*) {},
        nullptr};
    return descriptor;
}

madang_str str(std::string_view text) { return {text.data(), text.size()}; }
std::string text(madang_str from) { return from.size ? std::string(from.data, from.size) : std::string(); }

// What an answer said, and how often its context was given back.
struct heard {
    std::vector<std::string> said;
    int dropped = 0;
    static heard& of(void* context) { return *static_cast<heard*>(context); }
    static void drop(void* context) { ++of(context).dropped; }
    static void publish(void* context, const madang_failure* failed, madang_position where) {
        of(context).said.push_back(failed ? std::to_string(failed->code)
                                          : text(where.epoch) + "/" + std::to_string(where.offset));
    }
    static void history(void* context, const madang_failure* failed, const madang_history_page* page) {
        if (failed)
            return of(context).said.push_back(std::to_string(failed->code) + " " + text(failed->message));
        std::string all = text(page->top.epoch) + "/" + std::to_string(page->top.offset);
        for (std::size_t i = 0; i < page->count; ++i) {
            const auto& each = page->publications[i];
            all += " " + text(given->payload_bytes(each.data)) + "@" + std::to_string(each.offset);
            if (each.has_info) all += " by " + text(each.info.user);
            for (std::size_t t = 0; t < each.tags_count; ++t)
                all += " " + text(each.tags[t].name) + "=" + text(each.tags[t].value);
        }
        of(context).said.push_back(all);
    }
    static void presence(void* context, const madang_failure*, const madang_presence_page* page) {
        of(context).said.push_back(text(page->clients[0].who.user) + " since " +
                                   std::to_string(page->clients[0].since_ms) + (page->more ? " more" : ""));
    }
    static void stats(void* context, const madang_failure*, const madang_presence_counts* counts) {
        of(context).said.push_back(std::to_string(counts->clients) + "/" + std::to_string(counts->users));
    }
    static void seen(void* context, const madang_failure*, const madang_last_seen* users, std::size_t count) {
        of(context).said.push_back(text(users[0].user) + " " + std::to_string(users[0].time_ms) + " of " +
                                   std::to_string(count));
    }
};

struct StreamFunctions : ::testing::Test {
    StreamFunctions() {
        to_declare.clear();
        std::string error;
        EXPECT_TRUE(host.add(plugin_n<1>(), "test", error)) << error;
        table = static_cast<const madang_streams*>(given->get_extension(me, MADANG_STREAMS));
        data = given->payload_new(me, str("{}"));
    }
    ~StreamFunctions() override { given->payload_release(data); }
    madang_status publish(madang_connection* for_whom = nullptr,
                          const madang_publish_options* options = nullptr) {
        return table->publish(me, for_whom, str("room:1"), data, options, heard::publish, &told, heard::drop);
    }

    recording_layer layer;
    fake_streams streams;
    namespace_table namespaces;
    std::deque<std::function<void()>> pool;
    bool pool_full = false;
    plugin_host host{{.layer = layer,
                      .log = {},
                      .config_json = {},
                      .extension = {},
                      .streams = &streams,
                      .namespaces = &namespaces,
                      .pool =
                          [this](std::function<void()> fn) {
                              if (pool_full) return false;
                              pool.push_back(std::move(fn));
                              return true;
                          },
                      .failed = [this](const plugin& who) { failed.push_back(who.id); }}};
    std::vector<std::string> failed;  // plugins, by a handler
    recording_connection port;
    madang_connection* connection = to_abi(static_cast<connection_port*>(&port));
    const madang_streams* table = nullptr;
    madang_payload* data = nullptr;
    heard told;
};

TEST_F(StreamFunctions, TableIsFilledToItsEnd) {
    ASSERT_TRUE(table);
    EXPECT_EQ(table->struct_size, sizeof(madang_streams));
    const void* slots[(sizeof(madang_streams) - offsetof(madang_streams, declare_namespace)) / sizeof(void*)];
    std::memcpy(slots, &table->declare_namespace, sizeof slots);
    for (const auto* slot : slots) EXPECT_TRUE(slot);
}

TEST_F(StreamFunctions, AServerWithoutStreamsHasNoTable) {
    plugin_host bare{{.layer = layer, .log = {}, .config_json = {}, .extension = {}}};
    std::string error;
    ASSERT_TRUE(bare.add(plugin_n<2>(), "test", error));
    EXPECT_FALSE(given->get_extension(me, MADANG_STREAMS));
}

TEST_F(StreamFunctions, PublishPassesOnWhatItWasGiven) {
    const madang_client_info info{str("c"), str("ann"), str("{}"), {nullptr, 0}};
    const madang_pair one_tag{str("k"), str("v")};
    const madang_publish_options options{sizeof options, 1, str("key"), &info, &one_tag, 1};
    EXPECT_EQ(publish(nullptr, &options), MADANG_OK);
    ASSERT_EQ(streams.published.size(), 1u);
    const auto& what = streams.published[0];
    EXPECT_EQ(what.group, "room:1");
    EXPECT_EQ(to_abi(what.data.get()), data) << "not copied";
    EXPECT_TRUE(what.skip_history);
    EXPECT_EQ(what.idempotency_key, "key");
    ASSERT_TRUE(what.extra);
    EXPECT_EQ(what.extra->info->user, "ann");
    EXPECT_EQ(what.extra->tags, (std::vector<madang::tag>{{"k", "v"}}));
}

TEST_F(StreamFunctions, AnAnswerComesOnceAndItsContextIsGivenBack) {
    ASSERT_EQ(publish(), MADANG_OK);
    streams.positions[0](position{"e", 5});
    EXPECT_EQ(told.said, (std::vector<std::string>{"e/5"}));
    EXPECT_EQ(told.dropped, 0);
    streams.positions.clear();
    EXPECT_EQ(told.dropped, 1);
}

TEST_F(StreamFunctions, AnAnswerThatNeverComesGivesItsContextBackToo) {
    ASSERT_EQ(publish(), MADANG_OK);
    streams.positions.clear();
    EXPECT_TRUE(told.said.empty());
    EXPECT_EQ(told.dropped, 1);
}

TEST_F(StreamFunctions, NobodyNeedsToAsk) {
    EXPECT_EQ(table->publish(me, nullptr, str("room:1"), data, nullptr, nullptr, nullptr, nullptr),
              MADANG_OK);
    EXPECT_FALSE(streams.positions[0]);
}

TEST_F(StreamFunctions, ErrorsAreTheClientProtocolsNumbers) {
    ASSERT_EQ(publish(), MADANG_OK);
    streams.positions[0](fail(errc::storage_full));
    ASSERT_EQ(table->history(me, nullptr, str("room:1"), nullptr, heard::history, &told, nullptr), MADANG_OK);
    EXPECT_EQ(streams.histories[0].limit, 0u) << "the position only";
    streams.pages[0](fail(errc::not_available, "history"));
    EXPECT_EQ(told.said[0], "530");
    EXPECT_TRUE(told.said[1].starts_with("108 ")) << told.said[1];
}

TEST_F(StreamFunctions, ForAConnectionTheAnswerIsPosted) {
    ASSERT_EQ(publish(connection), MADANG_OK);
    streams.positions[0](position{"e", 1});
    streams.positions.clear();
    EXPECT_TRUE(told.said.empty());
    ASSERT_EQ(port.posted.size(), 1u);
    port.posted[0]();
    EXPECT_EQ(told.said, (std::vector<std::string>{"e/1"}));
    port.posted.clear();
    EXPECT_EQ(told.dropped, 1);
}

TEST_F(StreamFunctions, APostThatIsDroppedGivesTheContextBack) {
    ASSERT_EQ(publish(connection), MADANG_OK);
    streams.positions[0](position{"e", 1});
    streams.positions.clear();
    port.posted.clear();  // the consumer is gone
    EXPECT_TRUE(told.said.empty());
    EXPECT_EQ(told.dropped, 1);
}

TEST_F(StreamFunctions, HistoryGoesBothWaysWhole) {
    const madang_position since{str("e"), 3};
    const madang_history_query query{sizeof query, 1, 10, &since};
    ASSERT_EQ(table->history(me, nullptr, str("room:1"), &query, heard::history, &told, nullptr), MADANG_OK);
    const auto& asked = streams.histories[0];
    EXPECT_EQ(asked.limit, 10u);
    EXPECT_TRUE(asked.reverse);
    EXPECT_EQ(asked.since, (position{"e", 3}));
    auto extra = std::make_shared<publication_extra>();
    extra->info = std::make_shared<client_info>(client_info{"c", "ann", "", ""});
    extra->tags = {{"k", "v"}, {"l", "w"}};
    streams.pages[0](
        history_page{{"e", 9}, {{payload::copy_of("1"), 8, 0, extra}, {payload::copy_of("2"), 9, 0, {}}}});
    EXPECT_EQ(told.said, (std::vector<std::string>{"e/9 1@8 by ann k=v l=w 2@9"}));
}

TEST_F(StreamFunctions, PresenceAndLastSeenGoBothWaysWhole) {
    const madang_presence_query query{sizeof query, 5, str("c0")};
    EXPECT_EQ(table->presence(me, nullptr, str("room:1"), &query, heard::presence, &told, nullptr),
              MADANG_OK);
    EXPECT_EQ(streams.presences[0].limit, 5u);
    EXPECT_EQ(streams.presences[0].after, "c0");
    EXPECT_EQ(table->presence(me, nullptr, str("room:1"), nullptr, heard::presence, &told, nullptr),
              MADANG_OK);
    EXPECT_EQ(streams.presences[1].limit, 1000u);
    EXPECT_EQ(table->presence_stats(me, nullptr, str("room:1"), heard::stats, &told, nullptr), MADANG_OK);
    EXPECT_EQ(table->last_seen(me, nullptr, str("room:1"), 4, heard::seen, &told, nullptr), MADANG_OK);
    EXPECT_EQ(told.said,
              (std::vector<std::string>{"ann since 7 more", "ann since 7 more", "3/2", "bob 4 of 1"}));
}

TEST_F(StreamFunctions, ArgumentsAreCheckedAndNothingIsKept) {
    EXPECT_EQ(table->publish(me, nullptr, str("no space"), data, nullptr, heard::publish, &told, heard::drop),
              MADANG_INVALID);
    EXPECT_EQ(table->publish(me, nullptr, str("g"), nullptr, nullptr, heard::publish, &told, heard::drop),
              MADANG_INVALID);
    const madang_publish_options no_tags{sizeof no_tags, 0, {nullptr, 0}, nullptr, nullptr, 1};
    EXPECT_EQ(publish(nullptr, &no_tags), MADANG_INVALID);
    EXPECT_EQ(table->history(me, nullptr, str("g"), nullptr, nullptr, &told, heard::drop), MADANG_INVALID);
    EXPECT_EQ(table->presence_stats(me, nullptr, {nullptr, 3}, heard::stats, &told, heard::drop),
              MADANG_INVALID);
    EXPECT_EQ(told.dropped, 0);
    EXPECT_TRUE(streams.published.empty());
}

TEST_F(StreamFunctions, ThePublicationAtHandIsToldWithinItsEvent) {
    madang_publication what{};
    what.struct_size = sizeof what;
    EXPECT_EQ(table->publication(connection, &what), MADANG_INVALID);
    auto extra = std::make_shared<publication_extra>();
    extra->tags = {{"k", "v"}};
    port.current = publication{payload::copy_of("x"), 4, 99, extra};
    ASSERT_EQ(table->publication(connection, &what), MADANG_OK);
    EXPECT_EQ(what.offset, 4u);
    EXPECT_EQ(what.time_ms, 99);
    EXPECT_EQ(what.has_info, 0);
    EXPECT_EQ(text(what.tags[0].value), "v");
    madang_publication old{};
    old.struct_size = offsetof(madang_publication, offset);
    ASSERT_EQ(table->publication(connection, &old), MADANG_OK);
    EXPECT_EQ(old.offset, 0u) << "beyond what the caller has";
}

TEST_F(StreamFunctions, NamespacesAreDeclaredDuringInitByOnePluginEach) {
    std::string error;
    to_declare = R"({"history_size": 5, "history_ttl": "1h"})";
    ASSERT_TRUE(host.add(plugin_n<2>(), "test", error));
    EXPECT_EQ(declared, MADANG_OK);
    EXPECT_EQ(namespaces.of_group("room:1")->history_size, 5u);
    ASSERT_TRUE(host.add(plugin_n<3>(), "test", error));
    EXPECT_EQ(declared, MADANG_INVALID);
    EXPECT_EQ(table->declare_namespace(me, str("late"), str("{}")), MADANG_INVALID);
    to_declare.clear();
}

TEST_F(StreamFunctions, AWrongNamespaceIsRefused) {
    std::string error;
    to_declare = R"({"history_size": 5})";
    ASSERT_TRUE(host.add(plugin_n<4>(), "test", error));
    EXPECT_EQ(declared, MADANG_INVALID);
    to_declare.clear();
}

// -- rpc

struct RpcTable : StreamFunctions {
    RpcTable() { owner.id = "owner"; }
    // What the caller is answered.
    std::vector<std::string> answers;
    bool call(std::string_view method, std::string_view with = "1") {
        return rpc.call(who, method, with, [this](verdict<rpc_answer> what) {
            const auto& row = describe(what.no.code);
            answers.push_back(what.yes ? "yes " + what.yes->data
                                       : std::to_string(what.wire_code ? what.wire_code : row.wire_code) +
                                             " " + what.message + (row.retryable ? " again" : ""));
        });
    }
    plugin owner;
    rpc_table& rpc = host.rpc();
    known_client who{{"c1", "ann", R"({"n":1})", ""}, "sse", "", nullptr, {}};
    std::vector<madang_rpc*> kept;
    madang_status add(std::string_view method, madang_rpc_handler handler, madang_kind kind = MADANG_ASYNC) {
        return rpc.add(owner, method, kind, handler, this);
    }
};

TEST_F(RpcTable, HandlersSeeWhoCallsWhat) {
    ASSERT_EQ(
        add("m",
            [](void* self, madang_rpc* call) {
                const auto& streams = *static_cast<RpcTable*>(self)->table;
                std::string all = "[";
                for (int field = MADANG_RPC_METHOD; field <= MADANG_RPC_TRANSPORT; ++field)
                    all += "\"" +
                           std::to_string(streams.rpc_get(call, static_cast<madang_rpc_field>(field)).size) +
                           "\"" + (field == MADANG_RPC_TRANSPORT ? "]" : ",\n");
                EXPECT_EQ(streams.rpc_get(call, static_cast<madang_rpc_field>(7)).size, 0u);
                EXPECT_FALSE(streams.rpc_scope(call));
                return streams.rpc_reply(call, str(all));
            }),
        MADANG_OK);
    EXPECT_TRUE(call("m", "12345"));
    EXPECT_EQ(answers, (std::vector<std::string>{R"(yes ["1", "5", "2", "3", "7", "3"])"})) << "on one line";
}

TEST_F(RpcTable, UnknownMethodsAreNotAnswered) {
    EXPECT_FALSE(call("nobody"));
    EXPECT_TRUE(answers.empty());
}

TEST_F(RpcTable, ErrorsKeepTheirNumbers) {
    add("own", [](void* self, madang_rpc* c) {
        return static_cast<RpcTable*>(self)->table->rpc_fail(c, 1999, str("mine"));
    });
    add("known", [](void* self, madang_rpc* c) {
        return static_cast<RpcTable*>(self)->table->rpc_fail(c, 103, str(""));
    });
    add("wrong", [](void* self, madang_rpc* c) {
        return static_cast<RpcTable*>(self)->table->rpc_fail(c, 7, str(""));
    });
    add("garbage", [](void* self, madang_rpc* c) {
        EXPECT_EQ(static_cast<RpcTable*>(self)->table->rpc_reply(c, str("{")), MADANG_INVALID);
        return MADANG_OK;
    });
    for (const auto* method : {"own", "known", "wrong", "garbage"}) EXPECT_TRUE(call(method));
    EXPECT_EQ(answers, (std::vector<std::string>{"1999 mine", "103 ", "100  again", "100  again"}));
}

TEST_F(RpcTable, AHandlerThatFailsAnswersForItself) {
    add("fails", [](void*, madang_rpc*) { return MADANG_FAILED; });
    add("throws", [](void*, madang_rpc*) -> madang_status { throw std::runtime_error("no"); });
    call("fails");
    call("throws");
    EXPECT_EQ(answers, (std::vector<std::string>{"100  again", "100  again"}));
    EXPECT_EQ(failed, (std::vector<std::string>{"owner", "owner"}));
}

TEST_F(RpcTable, AnswersMayComeLater) {
    add("later", [](void* self, madang_rpc* c) {
        static_cast<RpcTable*>(self)->kept.push_back(c);
        return MADANG_OK;
    });
    call("later");
    EXPECT_TRUE(answers.empty());
    EXPECT_EQ(table->rpc_reply(kept[0], str("")), MADANG_OK);
    EXPECT_EQ(answers, (std::vector<std::string>{"yes "}));
}

TEST_F(RpcTable, SyncHandlersRunInThePoolAndAFullPoolIsTold) {
    add(
        "sync",
        [](void* self, madang_rpc* c) { return static_cast<RpcTable*>(self)->table->rpc_reply(c, str("2")); },
        MADANG_SYNC);
    EXPECT_TRUE(call("sync"));
    EXPECT_TRUE(answers.empty());
    pool.front()();
    EXPECT_EQ(answers, (std::vector<std::string>{"yes 2"}));
    pool_full = true;
    EXPECT_TRUE(call("sync"));
    EXPECT_EQ(answers.back(), "111  again");
}

TEST_F(RpcTable, MethodsAreTakenOnceAndGoWithTheirPlugin) {
    const madang_rpc_handler handler = [](void*, madang_rpc*) { return MADANG_OK; };
    EXPECT_EQ(add("m", handler), MADANG_OK);
    EXPECT_EQ(add("m", handler), MADANG_INVALID);
    EXPECT_EQ(add("", handler), MADANG_INVALID);
    EXPECT_EQ(add("n", nullptr), MADANG_INVALID);
    EXPECT_EQ(table->register_rpc(me, str("late"), MADANG_ASYNC, handler, nullptr), MADANG_INVALID);
    rpc.remove(owner);
    EXPECT_FALSE(call("m"));
}

TEST_F(RpcTable, MessagesGoToEverybody) {
    const madang_rpc_handler handler = [](void* self, madang_rpc* c) {
        auto& test = *static_cast<RpcTable*>(self);
        test.answers.push_back(text(test.table->rpc_get(c, MADANG_RPC_DATA)));
        EXPECT_EQ(test.table->rpc_reply(c, str("1")), MADANG_INVALID) << "nobody asked";
        return MADANG_OK;
    };
    rpc.add_message(owner, MADANG_ASYNC, handler, this);
    rpc.add_message(owner, MADANG_ASYNC, handler, this);
    rpc.message(who, "7");
    EXPECT_EQ(answers, (std::vector<std::string>{"7", "7"}));
}

}  // namespace
}  // namespace madang
