#include "broker/core/errors.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "broker/core/close_codes.hpp"
#include "broker/core/result.hpp"

namespace madang {
namespace {

constexpr errc all[] = {
#define MADANG_ROW(identifier, ...) errc::identifier,
    MADANG_ERRORS(MADANG_ROW)
#undef MADANG_ROW
};

TEST(Errors, EachRowDescribesItsOwnCode) {
    std::set<std::string_view> names;
    for (const errc code : all) {
        const auto& row = describe(code);
        EXPECT_EQ(row.code, code);
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_TRUE(row.sentence.ends_with('.')) << row.name;
        EXPECT_TRUE(row.http_status >= 400 && row.http_status <= 599) << row.name;
        EXPECT_TRUE(close_code::valid_on_wire(row.close_code) || code == errc::closed) << row.name;
    }
}

TEST(Errors, WireCodesAreUniqueAndInTheRangesThatClientsKnow) {
    std::set<int> seen;
    for (const errc code : all) {
        const int wire = describe(code).wire_code;
        if (wire == 0) continue;
        EXPECT_TRUE(seen.insert(wire).second) << wire;
        EXPECT_TRUE((wire >= 100 && wire <= 112) || (wire >= 400 && wire <= 1999)) << wire;
    }
}

TEST(Errors, ProtocolNumbersAreFrozen) {
    const std::pair<errc, int> golden[] = {
        {errc::internal, 100},
        {errc::unauthorized, 101},
        {errc::unknown_channel, 102},
        {errc::permission_denied, 103},
        {errc::method_not_found, 104},
        {errc::already_subscribed, 105},
        {errc::limit_exceeded, 106},
        {errc::bad_request, 107},
        {errc::not_available, 108},
        {errc::token_expired, 109},
        {errc::expired, 110},
        {errc::too_many_requests, 111},
        {errc::unrecoverable_position, 112},
    };
    for (const auto& [code, wire] : golden) EXPECT_EQ(describe(code).wire_code, wire);
    EXPECT_TRUE(describe(errc::internal).retryable);
    EXPECT_TRUE(describe(errc::too_many_requests).retryable);
    EXPECT_FALSE(describe(errc::permission_denied).retryable);
    EXPECT_EQ(describe(errc::too_large).close_code, close_code::too_large);
    EXPECT_EQ(describe(errc::slow_client).close_code, close_code::slow);
    EXPECT_EQ(describe(errc::draining).close_code, close_code::going_away);
}

TEST(Errors, UnknownNumberIsAnInternalError) {
    EXPECT_EQ(describe(static_cast<errc>(255)).code, errc::internal);
}

TEST(Errors, TextNamesTheThing) {
    EXPECT_EQ(fail(errc::too_large, "body").text(), "too_large: The message is larger than allowed. (body)");
    EXPECT_EQ(fail(errc::closed).text(), "closed: The connection is closed.");
}

TEST(Result, ThrowsItsErrorWhenTheValueIsMissing) {
    const result<int> good = 7;
    const result<int> bad = fail(errc::busy, "queue");
    EXPECT_EQ(good.value(), 7);
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error(), fail(errc::busy, "queue"));
    try {
        bad.value();
        FAIL() << "nothing was thrown";
    } catch (const failure& caught) {
        EXPECT_EQ(caught.why().code, errc::busy);
        EXPECT_NE(std::string(caught.what()).find("queue"), std::string::npos);
    }
}

TEST(CloseCodes, OnlySendableCodesAreValidOnTheWire) {
    for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 3008, 4999}) {
        EXPECT_TRUE(close_code::valid_on_wire(static_cast<std::uint16_t>(code))) << code;
    }
    for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}) {
        EXPECT_FALSE(close_code::valid_on_wire(static_cast<std::uint16_t>(code))) << code;
    }
}

TEST(CloseCodes, ReasonsAreShortPlainText) {
    for (int code = 0; code < 5000; ++code) {
        const auto reason = close_code::reason(static_cast<std::uint16_t>(code));
        EXPECT_TRUE(!reason.empty() && reason.size() <= 123 && reason.front() != '{') << code;
    }
    EXPECT_EQ(close_code::reason(3008), "slow");
}

}  // namespace
}  // namespace madang
