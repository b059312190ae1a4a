#include "broker/core/scope.hpp"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

namespace madang {
namespace {

TEST(Scope, DefaultIsEmpty) {
    const scope none;
    EXPECT_EQ(none.get(scope_field::path), "");
    EXPECT_EQ(none.count(scope_list::headers), 0u);
    EXPECT_EQ(none.header("host"), "");
}

TEST(Scope, KeepsFieldsAndLists) {
    scope_builder build;
    build.set(scope_field::type, "websocket");
    build.set(scope_field::path, "/old");
    build.set(scope_field::path, "/ws/chat/마당/");
    build.set(scope_field::session_json, "{}");
    build.add(scope_list::headers, "Host", "Example");
    build.add(scope_list::headers, "X-EMPTY", "");
    build.add(scope_list::headers, "host", "second");
    build.add(scope_list::subprotocols, "Madang.V1", "");
    build.add(scope_list::url_args, "Room", "마당");
    EXPECT_EQ(build.get(scope_field::type), "websocket");
    const scope made = build.build();
    EXPECT_EQ(made.get(scope_field::type), "websocket");
    EXPECT_EQ(made.get(scope_field::path), "/ws/chat/마당/");
    EXPECT_EQ(made.get(scope_field::query_string), "");
    EXPECT_EQ(made.get(scope_field::session_json), "{}");
    ASSERT_EQ(made.count(scope_list::headers), 3u);
    EXPECT_EQ(made.header("host"), "Example");
    EXPECT_EQ(made.header("x-empty"), "");
    EXPECT_EQ(made.at(scope_list::headers, 2).value, "second");
    ASSERT_EQ(made.count(scope_list::subprotocols), 1u);
    EXPECT_EQ(made.at(scope_list::subprotocols, 0).name, "Madang.V1");
    ASSERT_EQ(made.count(scope_list::url_args), 1u);
    EXPECT_EQ(made.at(scope_list::url_args, 0).name, "Room");
    EXPECT_EQ(made.at(scope_list::url_args, 0).value, "마당");
}

TEST(Scope, CopyOutlivesTheOriginal) {
    scope copy;
    {
        scope_builder build;
        build.set(scope_field::request_id, "0123456789abcdef0123456789abcdef");
        const scope original = build.build();
        copy = original;
    }
    EXPECT_EQ(copy.get(scope_field::request_id), "0123456789abcdef0123456789abcdef");
}

TEST(Scope, TextAroundTheOffsetWidthSurvives) {
    for (const std::size_t size : {65533u, 65534u, 65535u, 65536u, 200000u}) {
        scope_builder build;
        build.set(scope_field::method, "G");
        build.set(scope_field::path, std::string(size - 1, 'p'));
        build.add(scope_list::headers, "a", "b");
        const scope made = build.build();
        EXPECT_EQ(made.get(scope_field::path).size(), size - 1);
        EXPECT_EQ(made.header("a"), "b");
        EXPECT_EQ(made.get(scope_field::method), "G");
    }
}

TEST(Scope, RefusesMoreEntriesThanItCanCount) {
    scope_builder build;
    for (int i = 0; i < 65536; ++i) build.add(scope_list::url_args, "", "");
    EXPECT_THROW(build.build(), std::length_error);
}

TEST(Scope, RandomContentsComeBack) {
    std::mt19937 random(20240601);
    const auto text = [&](std::size_t most) {
        std::string result(random() % (most + 1), '\0');
        for (char& c : result) c = static_cast<char>(random());
        return result;
    };
    for (int round = 0; round < 300; ++round) {
        scope_builder build;
        std::string fields[scope_field_count];
        for (std::size_t i = 0; i < scope_field_count; ++i) {
            build.set(static_cast<scope_field>(i), fields[i] = text(40));
        }
        std::vector<std::pair<std::string, std::string>> args;
        const auto entries = random() % 30;
        for (std::size_t i = 0; i < entries; ++i) {
            args.emplace_back(text(20), text(round % 10 == 0 ? 9000 : 50));
            build.add(scope_list::url_args, args.back().first, args.back().second);
            build.add(scope_list::subprotocols, args.back().first, "");
        }
        const scope made = build.build();
        for (std::size_t i = 0; i < scope_field_count; ++i)
            EXPECT_EQ(made.get(static_cast<scope_field>(i)), fields[i]);
        ASSERT_EQ(made.count(scope_list::url_args), args.size());
        for (std::size_t i = 0; i < args.size(); ++i) {
            EXPECT_EQ(made.at(scope_list::url_args, i).name, args[i].first);
            EXPECT_EQ(made.at(scope_list::url_args, i).value, args[i].second);
            EXPECT_EQ(made.at(scope_list::subprotocols, i).name, args[i].first);
        }
    }
}

}  // namespace
}  // namespace madang
