#include "broker/protocol/handshake.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <new>

#include "broker/protocol/field_syntax.hpp"

namespace madang {
namespace {

// Calls fn(value) for each field of that name.
template <class Fn>
void each(std::span<const name_value> headers, std::string_view name, Fn fn) {
    for (const name_value& header : headers)
        if (equal_no_case(header.name, name)) fn(header.value);
}

std::size_t count(std::span<const name_value> headers, std::string_view name) {
    std::size_t result = 0;
    each(headers, name, [&](std::string_view) { ++result; });
    return result;
}

std::string_view first(std::span<const name_value> headers, std::string_view name) {
    for (const name_value& header : headers)
        if (equal_no_case(header.name, name)) return header.value;
    return {};
}

// A comma-separated field names `token`. Upgrade's elements may carry "/version", which no WebSocket client
// adds.
bool lists(std::span<const name_value> headers, std::string_view name, std::string_view token) {
    bool found = false;
    each(headers, name, [&](std::string_view value) {
        while (!value.empty()) {
            const std::size_t comma = std::min(value.find(','), value.size());
            found = found || equal_no_case(trim(value.substr(0, comma)), token);
            value.remove_prefix(std::min(comma + 1, value.size()));
        }
    });
    return found;
}

// Base64 of 16 bytes: 22 digits and two pads.
bool valid_key(std::string_view key) noexcept {
    return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '+' || c == '/';
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
    return lists(headers, "upgrade", "websocket") && lists(headers, "connection", "upgrade");
}

ws_handshake read_ws_handshake(const ws_request& request) {
    const auto headers = request.headers;
    if (request.method != "GET") return refuse(405, "A WebSocket handshake is a GET request.");
    if (request.version < 11) return refuse(400, "A WebSocket handshake needs HTTP/1.1.");
    if (!lists(headers, "upgrade", "websocket"))
        return refuse(400, "The Upgrade header must name websocket.");
    if (!lists(headers, "connection", "upgrade"))
        return refuse(400, "The Connection header must name Upgrade.");
    // Its bytes would be taken for frames.
    if (count(headers, "transfer-encoding") > 0 ||
        (count(headers, "content-length") > 0 && first(headers, "content-length") != "0"))
        return refuse(400, "A WebSocket handshake has no body.");
    if (count(headers, "sec-websocket-version") > 1) return refuse(400, "Sec-WebSocket-Version is repeated.");
    if (first(headers, "sec-websocket-version") != "13")
        return refuse(426, "Only WebSocket version 13 is spoken here.");
    if (count(headers, "sec-websocket-key") != 1 || !valid_key(first(headers, "sec-websocket-key")))
        return refuse(400, "Sec-WebSocket-Key must be there once, as 16 bytes in base64.");

    ws_handshake result;
    bool good = true;
    each(headers, "sec-websocket-protocol", [&](std::string_view value) {
        const auto tokens = parse_tokens(value);
        good = good && tokens && !tokens->empty();
        if (good) result.subprotocols.insert(result.subprotocols.end(), tokens->begin(), tokens->end());
    });
    if (!good) return refuse(400, "Sec-WebSocket-Protocol must be a list of tokens.");
    std::vector<std::string_view> sorted = result.subprotocols;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
        return refuse(400, "Sec-WebSocket-Protocol names a protocol twice.");

    each(headers, "sec-websocket-extensions", [&](std::string_view value) {
        good = good && parse_extensions(value);
        if (!result.extensions.empty()) result.extensions += ", ";
        result.extensions += value;
    });
    if (!good) return refuse(400, "Sec-WebSocket-Extensions is malformed.");
    result.accept = ws_accept_key(first(headers, "sec-websocket-key"));
    return result;
}

std::string ws_accept_key(std::string_view key) {
    std::string text{key};
    text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
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
        EVP_DigestUpdate(own.context, text.data(), text.size()) != 1 ||
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
    std::string response =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
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
    return response += "\r\n";
}

}  // namespace madang
