#include "broker/cluster/peer_hello.hpp"

#include <algorithm>
#include <concepts>

namespace madang {

namespace {

constexpr std::string_view magic = "MDLK", worker_magic = "MDWK";

template <std::unsigned_integral T>
void put(std::string& out, T value) {
    for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
        out += static_cast<char>(value >> shift & 0xff);
}
void put(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint16_t>(text.size()));
    out += text;
}

template <std::unsigned_integral T>
bool take(std::string_view& from, T& into) {
    if (from.size() < sizeof(T)) return false;
    into = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        into = static_cast<T>(into << 8 | static_cast<unsigned char>(from[i]));
    from.remove_prefix(sizeof(T));
    return true;
}
bool take(std::string_view& from, std::string& into, std::size_t limit) {
    std::uint16_t size = 0;
    if (!take(from, size) || size > limit || from.size() < size) return false;
    into = from.substr(0, size);
    from.remove_prefix(size);
    return true;
}

bool printable(std::string_view text) {
    return std::ranges::all_of(text, [](char each) { return each > ' ' && each < 0x7f; });
}

}  // namespace

std::string encode(const worker_hello& what) {
    std::string out(worker_magic);
    put(out, what.least);
    put(out, what.most);
    put(out, what.cluster);
    put(out, what.name);
    return out;
}

result<worker_hello> decode_worker_hello(std::string_view bytes) {
    const auto wrong = [](const char* field) { return fail(errc::bad_request, field); };
    if (bytes.size() > hello_bytes_limit || !bytes.starts_with(worker_magic)) return wrong("hello");
    bytes.remove_prefix(worker_magic.size());
    worker_hello it;
    if (!take(bytes, it.least) || !take(bytes, it.most) || it.least > it.most) return wrong("versions");
    if (!take(bytes, it.cluster, node_name_limit) || !printable(it.cluster)) return wrong("cluster");
    if (!take(bytes, it.name, node_name_limit) || !is_node_name(it.name)) return wrong("name");
    return it;
}

std::string encode(const peer_hello& what) {
    std::string out(magic);
    put(out, what.least);
    put(out, what.most);
    put(out, what.cluster);
    put(out, what.from.name);
    put(out, what.from.incarnation);
    put(out, what.address);
    put(out, what.shards);
    out += what.nonce;
    put(out, what.answers);
    return out;
}

result<peer_hello> decode_hello(std::string_view bytes) {
    const auto wrong = [](const char* field) { return fail(errc::bad_request, field); };
    if (bytes.size() > hello_bytes_limit || !bytes.starts_with(magic)) return wrong("hello");
    bytes.remove_prefix(magic.size());
    peer_hello it;
    if (!take(bytes, it.least) || !take(bytes, it.most) || it.least > it.most) return wrong("versions");
    if (!take(bytes, it.cluster, node_name_limit) || !printable(it.cluster)) return wrong("cluster");
    if (!take(bytes, it.from.name, node_name_limit) || !is_node_name(it.from.name)) return wrong("name");
    if (!take(bytes, it.from.incarnation)) return wrong("incarnation");
    if (!take(bytes, it.address, node_address_limit) || !printable(it.address)) return wrong("address");
    if (!take(bytes, it.shards)) return wrong("shards");
    if (bytes.size() < hello_nonce_bytes) return wrong("nonce");
    it.nonce = bytes.substr(0, hello_nonce_bytes);
    bytes.remove_prefix(hello_nonce_bytes);
    if (!take(bytes, it.answers, hello_nonce_bytes) ||
        (!it.answers.empty() && it.answers.size() != hello_nonce_bytes))
        return wrong("answers");
    return it;
}

}  // namespace madang
