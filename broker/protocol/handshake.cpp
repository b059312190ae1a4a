#include "broker/protocol/handshake.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <new>

#include "broker/core/ascii.hpp"
#include "broker/core/trim.hpp"
#include "broker/protocol/field_syntax.hpp"

namespace madang {
namespace {

// Calls fn(element) for each element of a comma-separated list.
template <class Function>
void each_element(std::string_view list, Function fn) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        fn(trim(list.substr(0, comma)));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
}

// What the Upgrade and Connection fields ask for.
struct upgrade_fields {
    bool websocket = false;  // elements of Upgrade may carry "/version", which no WebSocket client adds
    bool upgrade = false;
    bool malformed = false;  // Connection is no list of tokens (RFC 9110 7.6.1)

    // False: it is another field.
    bool add(std::string_view name, std::string_view value) {
        if (equal_no_case(name, "upgrade")) {
            each_element(value,
                         [&](auto each) { websocket = websocket || equal_no_case(each, "websocket"); });
            return true;
        }
        if (!equal_no_case(name, "connection")) return false;
        each_element(value, [&](auto each) {
            upgrade = upgrade || equal_no_case(each, "upgrade");
            malformed = malformed || (!each.empty() && !is_token(each));
        });
        return true;
    }
};

// What a handshake's fields say, gathered in one pass over them.
struct handshake_fields {
    upgrade_fields asked;
    bool body = false;
    std::size_t versions = 0;
    std::size_t keys = 0;
    std::string_view version;
    std::string_view key;
    bool good_subprotocols = true;
    bool good_extensions = true;
    std::vector<std::string_view> subprotocols;
    std::string extensions;

    void add(std::string_view name, std::string_view value) {
        if (asked.add(name, value)) return;
        if (equal_no_case(name, "transfer-encoding") ||
            (equal_no_case(name, "content-length") && value != "0")) {
            body = true;
        } else if (equal_no_case(name, "sec-websocket-version")) {
            ++versions;
            version = value;
        } else if (equal_no_case(name, "sec-websocket-key")) {
            ++keys;
            key = value;
        } else if (equal_no_case(name, "sec-websocket-protocol")) {
            const auto tokens = parse_tokens(value);
            good_subprotocols = good_subprotocols && tokens && !tokens->empty();
            if (good_subprotocols) subprotocols.insert(subprotocols.end(), tokens->begin(), tokens->end());
        } else if (equal_no_case(name, "sec-websocket-extensions")) {
            good_extensions = good_extensions && parse_extensions(value);
            if (!extensions.empty()) extensions += ", ";
            extensions += value;
        }
    }
};

bool names_one_twice(std::vector<std::string_view> subprotocols) {
    std::sort(subprotocols.begin(), subprotocols.end());
    return std::adjacent_find(subprotocols.begin(), subprotocols.end()) != subprotocols.end();
}

// Base64 of 16 bytes: 22 digits and two pads.
bool valid_key(std::string_view key) noexcept {
    return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, [](char c) {
               return is_alphanumeric(c) || c == '+' || c == '/';
           });
}

ws_handshake refuse(unsigned status, std::string_view reason) {
    ws_handshake result;
    result.status = status;
    result.reason = reason;
    return result;
}

bool decided_by_the_handshake(std::string_view name) noexcept {
    for (std::string_view own :
         {"upgrade", "connection", "content-length", "transfer-encoding", "sec-websocket-accept",
          "sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-version"})
        if (equal_no_case(name, own)) return true;
    return false;
}

}  // namespace

bool asks_for_websocket(std::span<const name_value> headers) {
    upgrade_fields asked;
    for (const auto& [name, value] : headers) asked.add(name, value);
    return asked.websocket && asked.upgrade && !asked.malformed;
}

ws_handshake read_ws_handshake(const ws_request& request) {
    if (request.method != "GET") return refuse(405, "A WebSocket handshake is a GET request.");
    if (request.version < 11) return refuse(400, "A WebSocket handshake needs HTTP/1.1.");
    handshake_fields fields;
    for (const auto& [name, value] : request.headers) fields.add(name, value);
    if (!fields.asked.websocket) return refuse(400, "The Upgrade header must name websocket.");
    if (!fields.asked.upgrade || fields.asked.malformed)
        return refuse(400, "The Connection header must be a list of tokens that names Upgrade.");
    // Its bytes would be taken for frames.
    if (fields.body) return refuse(400, "A WebSocket handshake has no body.");
    if (fields.versions > 1) return refuse(400, "Sec-WebSocket-Version is repeated.");
    if (fields.version != "13") return refuse(426, "Only WebSocket version 13 is spoken here.");
    if (fields.keys != 1 || !valid_key(fields.key))
        return refuse(400, "Sec-WebSocket-Key must be there once, as 16 bytes in base64.");
    if (!fields.good_subprotocols) return refuse(400, "Sec-WebSocket-Protocol must be a list of tokens.");
    if (names_one_twice(fields.subprotocols))
        return refuse(400, "Sec-WebSocket-Protocol names a protocol twice.");
    if (!fields.good_extensions) return refuse(400, "Sec-WebSocket-Extensions is malformed.");

    ws_handshake result;
    result.accept = ws_accept_key(fields.key);
    result.subprotocols = std::move(fields.subprotocols);
    result.extensions = std::move(fields.extensions);
    return result;
}

std::string ws_accept_key(std::string_view key) {
    constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    // OpenSSL 3 looks the algorithm up anew in every SHA1(): that was 7 % of a handshake's instructions.
    struct hasher {
        EVP_MD* sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        ~hasher() {
            EVP_MD_CTX_free(context);
            EVP_MD_free(sha1);
        }
    };
    thread_local const hasher own;
    if (EVP_DigestInit_ex(own.context, own.sha1, nullptr) != 1 ||
        EVP_DigestUpdate(own.context, key.data(), key.size()) != 1 ||
        EVP_DigestUpdate(own.context, guid.data(), guid.size()) != 1 ||
        EVP_DigestFinal_ex(own.context, digest, nullptr) != 1)
        throw std::bad_alloc();
    unsigned char encoded[4 * (SHA_DIGEST_LENGTH + 2) / 3 + 1];
    const int size = EVP_EncodeBlock(encoded, digest, SHA_DIGEST_LENGTH);
    return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size)};
}

std::optional<std::string> ws_accept_response(std::string_view accept, std::string_view subprotocol,
                                              std::string_view extensions,
                                              std::span<const name_value> extra_headers) {
    if (!subprotocol.empty() && !is_token(subprotocol)) return std::nullopt;
    if (!is_field_value(accept) || !is_field_value(extensions)) return std::nullopt;
    std::string response;
    response.reserve(256);
    response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    const auto add = [&response](std::string_view name, std::string_view value) {
        response.append(name).append(": ").append(value).append("\r\n");
    };
    add("Sec-WebSocket-Accept", accept);
    if (!subprotocol.empty()) add("Sec-WebSocket-Protocol", subprotocol);
    if (!extensions.empty()) add("Sec-WebSocket-Extensions", extensions);
    for (const name_value& header : extra_headers) {
        if (!is_token(header.name) || !is_field_value(header.value) || decided_by_the_handshake(header.name))
            return std::nullopt;
        add(header.name, header.value);
    }
    response += "\r\n";
    return response;
}

}  // namespace madang
