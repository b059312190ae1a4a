#include "broker/protocol/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include "broker/protocol/field_syntax.hpp"

namespace madang {
namespace {

constexpr std::string_view tail{"\x00\x00\xff\xff", 4};
constexpr std::uint8_t least_bits = deflate_least_window_bits;
constexpr std::uint8_t most_bits = deflate_most_window_bits;

Bytef* octets(const char* data) noexcept { return reinterpret_cast<Bytef*>(const_cast<char*>(data)); }
Bytef* octets(char* data) noexcept { return reinterpret_cast<Bytef*>(data); }

// zlib counts input in uInt; no message comes near it (sizes are limited to far less), but the type should
// not decide that.
constexpr std::size_t step_limit = 1U << 30;

class compressor {
  public:
    explicit compressor(std::uint8_t window_bits) {
        // zlib refuses a raw window of 256 bytes. With Z_RLE it never looks back more than one byte, so that
        // what it writes for 512 can be read with any window.
        const bool tiny = window_bits == least_bits;
        if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, tiny ? -9 : -int{window_bits}, 8,
                         tiny ? Z_RLE : Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::bad_alloc{};
    }
    compressor(const compressor&) = delete;
    compressor& operator=(const compressor&) = delete;
    ~compressor() { deflateEnd(&stream_); }

    std::string run(std::string_view message) {
        if (message.empty()) return std::string(1, '\0');  // RFC 7692 7.2.3.6
        deflateReset(&stream_);
        std::string out(deflateBound(&stream_, message.size()) + 16, '\0');
        std::size_t written = 0;
        do {
            const std::size_t step = std::min(message.size(), step_limit);
            stream_.next_in = octets(message.data());
            stream_.avail_in = static_cast<uInt>(step);
            message.remove_prefix(step);
            do {
                if (written == out.size()) out.resize(out.size() + out.size() / 2);
                const std::size_t room = std::min(out.size() - written, step_limit);
                stream_.next_out = octets(out.data() + written);
                stream_.avail_out = static_cast<uInt>(room);
                deflate(&stream_, message.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
                written += room - stream_.avail_out;
            } while (stream_.avail_out == 0);
        } while (!message.empty());
        out.resize(written - tail.size());
        return out;
    }

  private:
    z_stream stream_{};
};

class inflater {
  public:
    inflater() {
        if (inflateInit2(&stream_, -int{most_bits}) != Z_OK) throw std::bad_alloc{};
    }
    inflater(const inflater&) = delete;
    inflater& operator=(const inflater&) = delete;
    ~inflater() { inflateEnd(&stream_); }

    inflate_result run(std::string_view compressed, std::size_t limit, std::string& message) {
        inflateReset(&stream_);
        message.clear();
        for (std::string_view part = compressed; !part.empty();) {
            const std::string_view step = part.substr(0, step_limit);
            part.remove_prefix(step.size());
            if (const auto result = feed(step, limit, message); result != inflate_result::done) return result;
        }
        const inflate_result result = feed(tail, limit, message);
        if (result != inflate_result::done) return result;
        // zlib.h on data_type: 128, between two blocks, with no bits left over. Else the message was cut
        // within a block, and the tail was taken for data.
        return stream_.data_type == 128 ? result : inflate_result::corrupt;
    }

  private:
    inflate_result feed(std::string_view part, std::size_t limit, std::string& message) {
        char out[16 * 1024];
        stream_.next_in = octets(part.data());
        stream_.avail_in = static_cast<uInt>(part.size());
        do {
            stream_.next_out = octets(out);
            stream_.avail_out = sizeof out;
            const int status = inflate(&stream_, Z_SYNC_FLUSH);
            const std::size_t got = sizeof out - stream_.avail_out;
            if (got > limit - message.size()) return inflate_result::too_big;
            message.append(out, got);
            if (status == Z_STREAM_END) {
                // Blocks may follow a final one (RFC 7692 7.2.3.4); the window stays.
                inflateResetKeep(&stream_);
            } else if (status == Z_MEM_ERROR) {
                throw std::bad_alloc{};
            } else if (status != Z_OK && status != Z_BUF_ERROR) {
                return inflate_result::corrupt;
            }
        } while (stream_.avail_in > 0 || stream_.avail_out == 0);
        return inflate_result::done;
    }

    z_stream stream_{};
};

compressor& compressor_for(std::uint8_t window_bits) {
    thread_local std::unique_ptr<compressor> compressors[most_bits - least_bits + 1];
    auto& slot = compressors[window_bits - least_bits];
    if (!slot) slot = std::make_unique<compressor>(window_bits);
    return *slot;
}

// 8-15 without leading zeros (RFC 7692 7.1.2.1), else 0.
std::uint8_t window_bits(std::string_view value) noexcept {
    if (value.size() == 1 && (value[0] == '8' || value[0] == '9'))
        return static_cast<std::uint8_t>(value[0] - '0');
    if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5')
        return static_cast<std::uint8_t>(10 + value[1] - '0');
    return 0;
}

std::optional<deflate_parameters> accept(const extension_offer& offer) {
    bool server_takeover_named = false;
    bool client_takeover_named = false;
    bool client_bits_named = false;
    std::uint8_t server_bits = 0;
    for (const extension_parameter& parameter : offer.parameters) {
        if (parameter.name == "server_no_context_takeover") {
            if (std::exchange(server_takeover_named, true) || parameter.value) return std::nullopt;
        } else if (parameter.name == "client_no_context_takeover") {
            if (std::exchange(client_takeover_named, true) || parameter.value) return std::nullopt;
        } else if (parameter.name == "server_max_window_bits") {
            if (server_bits != 0 || !parameter.value) return std::nullopt;
            server_bits = window_bits(*parameter.value);
            if (server_bits == 0) return std::nullopt;
        } else if (parameter.name == "client_max_window_bits") {
            // With or without a value: we inflate any window.
            if (std::exchange(client_bits_named, true)) return std::nullopt;
            if (parameter.value && window_bits(*parameter.value) == 0) return std::nullopt;
        } else {
            return std::nullopt;
        }
    }
    deflate_parameters result;
    result.response = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    if (server_bits != 0) {
        result.server_max_window_bits = server_bits;
        result.response += "; server_max_window_bits=" + std::to_string(int{server_bits});
    }
    return result;
}

}  // namespace

std::optional<deflate_parameters> negotiate_deflate(std::string_view offers) {
    const auto parsed = parse_extensions(offers);
    if (!parsed) return std::nullopt;
    for (const extension_offer& offer : *parsed) {
        if (offer.name != "permessage-deflate") continue;
        if (auto accepted = accept(offer)) return accepted;
    }
    return std::nullopt;
}

std::string deflate_message(std::uint8_t window_bits, std::string_view message) {
    return compressor_for(window_bits).run(message);
}

inflate_result inflate_message(std::string_view compressed, std::size_t limit, std::string& message) {
    thread_local inflater shared;
    return shared.run(compressed, limit, message);
}

}  // namespace madang
