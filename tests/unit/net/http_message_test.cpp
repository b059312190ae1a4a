#include "broker/net/http_message.hpp"

#include <gtest/gtest.h>

namespace madang {
namespace {

TEST(HttpDate, IsTheOneOfTheStandardsExample) {
    EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
}

TEST(HttpDate, RefusesOtherForms) {
    for (auto text : {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
                      "Sun, 06 Nov 1994 08:49:37 GMT trailing"})
        EXPECT_FALSE(parse_http_date(text)) << text;
}

TEST(ResponseHead, HasALengthExceptWhereTheStandardForbidsIt) {
    http_response response;
    EXPECT_NE(response_head(response, 5, "id", true).find("\r\nContent-Length: 5\r\n"), std::string::npos);
    for (unsigned status : {204u, 304u}) {
        response.status = status;
        EXPECT_EQ(response_head(response, 0, "id", true).find("Content-Length"), std::string::npos);
    }
}

TEST(HttpRequest, JoinsRepeatedHeadersInOrder) {
    http_request request;
    request.headers = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
    EXPECT_EQ(request.joined("a"), "1, 3");
    EXPECT_EQ(request.header("a"), "1");
    EXPECT_EQ(request.header("c"), "");
}

TEST(ErrorResponse, IsJsonWhateverTheMessageHolds) {
    auto response = error_response(404, "a \"quote\" and \xff", "req-1");
    EXPECT_EQ(response.body.find('\xff'), std::string::npos);
    EXPECT_NE(response.body.find("\"request_id\":\"req-1\""), std::string::npos);
}

}  // namespace
}  // namespace madang
