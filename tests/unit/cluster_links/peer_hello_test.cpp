#include "broker/cluster/peer_hello.hpp"

#include <gtest/gtest.h>

#include "tests/support/hex.hpp"

namespace madang {
namespace {

peer_hello some_hello() {
    peer_hello it;
    it.cluster = "yard";
    it.from = {"node-1", 0x0102030405060708};
    it.address = "10.0.0.1:7000";
    it.shards = 64;
    it.nonce = "0123456789abcdef";
    it.answers = "fedcba9876543210";
    return it;
}

std::string refusal(std::string_view bytes) {
    const auto it = decode_hello(bytes);
    if (it) return "none";
    EXPECT_EQ(it.error().code, errc::bad_request);
    return it.error().detail;
}

TEST(PeerHello, HasTheseBytes) {
    EXPECT_EQ(test::hex(encode(some_hello())),
              "4d444c4b"                        // MDLK
              "00010001"                        // versions
              "000479617264"                    // cluster
              "00066e6f64652d31"                // name
              "0102030405060708"                // incarnation
              "000d31302e302e302e313a37303030"  // address
              "00000040"                        // shards
              "30313233343536373839616263646566"
              "001066656463626139383736353433323130");
}

TEST(PeerHello, ComesBackAsItWas) {
    auto it = some_hello();
    EXPECT_EQ(*decode_hello(encode(it)), it);
    it.answers.clear();
    it.address.clear();
    EXPECT_EQ(*decode_hello(encode(it)), it);
}

TEST(PeerHello, OfALaterVersionMayHaveMoreAtItsEnd) {
    auto it = some_hello();
    it.most = 7;
    EXPECT_EQ(*decode_hello(encode(it) + "what version 7 knows"), it);
}

TEST(PeerHello, IsRefusedWhereItIsCutOff) {
    const auto bytes = encode(some_hello());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(decode_hello(std::string_view(bytes).substr(0, size))) << size;
}

TEST(PeerHello, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(refusal("GET / HTTP/1.1"), "hello");
    EXPECT_EQ(refusal(encode(some_hello()) + std::string(hello_bytes_limit, 'x')), "hello");
    const auto with = [](auto change) {
        auto it = some_hello();
        change(it);
        return refusal(encode(it));
    };
    EXPECT_EQ(with([](auto& it) { it.least = 2; }), "versions");
    EXPECT_EQ(with([](auto& it) { it.cluster = "a\nb"; }), "cluster");
    EXPECT_EQ(with([](auto& it) { it.cluster.assign(65, 'a'); }), "cluster");
    EXPECT_EQ(with([](auto& it) { it.from.name = ""; }), "name");
    EXPECT_EQ(with([](auto& it) { it.from.name = "a b"; }), "name");
    EXPECT_EQ(with([](auto& it) { it.from.name.assign(65, 'a'); }), "name");
    EXPECT_EQ(with([](auto& it) { it.address = "\x1b[2J"; }), "address");
    EXPECT_EQ(with([](auto& it) { it.answers = "short"; }), "answers");
}

TEST(PeerHello, NodesNamesAreOfFewCharacters) {
    EXPECT_TRUE(is_node_name("Node_1.example-2"));
    EXPECT_FALSE(is_node_name(""));
    EXPECT_FALSE(is_node_name("a/b"));
    EXPECT_FALSE(is_node_name("n\xc3\xb6"));
    EXPECT_TRUE(is_node_name(std::string(64, 'a')));
    EXPECT_FALSE(is_node_name(std::string(65, 'a')));
}

worker_hello some_worker() { return {.cluster = "yard", .name = "w-1"}; }

TEST(WorkerHello, HasTheseBytes) {
    EXPECT_EQ(test::hex(encode(some_worker())),
              "4d44574b"  // MDWK
              "00010001"  // versions
              "000479617264"
              "0003772d31");
    EXPECT_EQ(decode_worker_hello(encode(some_worker())).value(), some_worker());
    EXPECT_EQ(decode_worker_hello(encode(some_worker()) + "of a later version").value(), some_worker());
}

TEST(WorkerHello, IsNoNodesAndNothingCutOff) {
    EXPECT_FALSE(decode_hello(encode(some_worker())));
    EXPECT_FALSE(decode_worker_hello(encode(some_hello())));
    const auto whole = encode(some_worker());
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(decode_worker_hello(std::string_view(whole).substr(0, size))) << size;
}

TEST(WorkerHello, NamesTheFieldThatIsWrong) {
    const auto field = [](worker_hello what) {
        const auto got = decode_worker_hello(encode(what));
        return got ? std::string("none") : got.error().detail;
    };
    auto it = some_worker();
    it.least = 2;
    EXPECT_EQ(field(it), "versions");
    it = some_worker();
    it.cluster = "two words";
    EXPECT_EQ(field(it), "cluster");
    it = some_worker();
    it.name = "";
    EXPECT_EQ(field(it), "name");
    it.name = std::string(65, 'x');
    EXPECT_EQ(field(it), "name");
    EXPECT_EQ(decode_worker_hello(encode(some_worker()) + std::string(hello_bytes_limit, 'x')).error().detail,
              "hello");
}

}  // namespace
}  // namespace madang
