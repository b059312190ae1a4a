#include "broker/cluster/link_frame.hpp"

#include <algorithm>
#include <cstring>

namespace madang {

namespace {

struct span_of_sizes {
    std::size_t least, most;
};

// Of a kind's bytes; nothing: there is no such kind, or not now.
std::optional<span_of_sizes> sizes(std::uint8_t kind, bool admitted) {
    switch (static_cast<link_frame_kind>(kind)) {
        case link_frame_kind::hello:
        case link_frame_kind::worker:
            if (admitted) return std::nullopt;
            return span_of_sizes{1, hello_bytes_limit};
        case link_frame_kind::welcome:
            if (admitted) return std::nullopt;
            return span_of_sizes{0, 0};
        case link_frame_kind::refused:
            return span_of_sizes{1, 64};
        case link_frame_kind::bye:
            return span_of_sizes{0, 0};
        default:
            break;
    }
    if (!admitted) return std::nullopt;
    switch (static_cast<link_frame_kind>(kind)) {
        case link_frame_kind::data:
            return span_of_sizes{1, link_data_limit};
        case link_frame_kind::credit:
            return span_of_sizes{4, 4};
        case link_frame_kind::beat:
            return span_of_sizes{1, beat_bytes_limit};
        case link_frame_kind::ping:
        case link_frame_kind::pong:
            return span_of_sizes{8, 8};
        default:
            return std::nullopt;
    }
}

constexpr std::size_t before_admission = link_frame_head + hello_bytes_limit;
constexpr std::size_t usual = 2 * (link_frame_head + link_data_limit);

}  // namespace

void write_frame_head(char* at, link_frame_kind kind, std::size_t bytes) noexcept {
    const auto length = static_cast<std::uint32_t>(bytes + 1);
    for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(length >> (24 - 8 * i));
    at[4] = static_cast<char>(kind);
}

void append_frame(std::string& out, link_frame_kind kind, std::string_view bytes) {
    char head[link_frame_head];
    write_frame_head(head, kind, bytes.size());
    out.append(head, sizeof head).append(bytes);
}

void append_frame_u32(std::string& out, link_frame_kind kind, std::uint32_t value) {
    char bytes[4];
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (24 - 8 * i));
    append_frame(out, kind, {bytes, sizeof bytes});
}

void append_frame_u64(std::string& out, link_frame_kind kind, std::uint64_t value) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
    append_frame(out, kind, {bytes, sizeof bytes});
}

std::uint64_t frame_number(std::string_view bytes) noexcept {
    std::uint64_t value = 0;
    for (const char each : bytes) value = value << 8 | static_cast<unsigned char>(each);
    return value;
}

link_decoder::space link_decoder::room() {
    const std::size_t size = std::max(admitted_ ? usual : before_admission, needed_);
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == 0) {
        if (buffer_.size() != size) buffer_ = std::vector<char>(size);  // a large beat's does not stay
    } else if (buffer_.size() < size) {
        std::vector<char> larger(size);
        std::memcpy(larger.data(), buffer_.data() + begin_, waiting());
        buffer_ = std::move(larger);
        end_ = waiting();
        begin_ = 0;
    } else if (begin_ > 0 && buffer_.size() - end_ < link_data_limit) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, waiting());
        end_ = waiting();
        begin_ = 0;
    }
    return {buffer_.data() + end_, buffer_.size() - end_};
}

result<std::optional<link_frame>> link_decoder::next() {
    needed_ = 0;
    if (end_ - begin_ < link_frame_head) return std::optional<link_frame>();
    const char* at = buffer_.data() + begin_;
    const auto length = static_cast<std::size_t>(frame_number({at, 4}));
    const auto allowed = sizes(static_cast<std::uint8_t>(at[4]), admitted_);
    if (!allowed) return fail(errc::protocol_error, "a frame of a kind that is not for now");
    if (length < allowed->least + 1 || length > allowed->most + 1)
        return fail(errc::protocol_error, "a frame of " + std::to_string(length) + " bytes");
    const std::size_t whole = link_frame_head - 1 + length;
    if (end_ - begin_ < whole) {
        needed_ = whole;
        return std::optional<link_frame>();
    }
    begin_ += whole;
    return std::optional(link_frame{static_cast<link_frame_kind>(at[4]), {at + link_frame_head, length - 1}});
}

}  // namespace madang
