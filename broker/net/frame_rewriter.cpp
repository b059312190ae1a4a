#include "broker/net/frame_rewriter.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "broker/core/close_codes.hpp"
#include "broker/protocol/client_push.hpp"
#include "broker/protocol/ws_encoder.hpp"

namespace madang {
namespace {

constexpr std::string_view prefix = R"({"push":)";
static_assert(prefix.size() == push_prefix);
constexpr std::size_t status_bytes = 12;  // "HTTP/1.1 101"

std::size_t header_size(std::uint8_t second) {
    const auto size = second & 0x7f;
    return size < 126 ? 2 : size == 126 ? 4 : 10;
}

// The protocol has numbers of its own for what RFC 6455's say of the server.
std::uint16_t protocol_code(std::uint16_t code) {
    switch (code) {
        case close_code::none:
        case close_code::normal:
            return close_code::connection_closed;
        case close_code::going_away:
            return close_code::shutdown;
        case close_code::internal:
            return close_code::server_error;
        default:
            return code;
    }
}

}  // namespace

void frame_rewriter::feed(std::string_view in, std::string& out) {
    if (at_ == at::status) in.remove_prefix(take_status(in, out));
    if (at_ == at::head) in.remove_prefix(take_head(in, out));
    if (at_ == at::refusal) {
        out += in;
        return;
    }
    const auto body = out.size();
    fragment_ = body;
    while (!in.empty() && at_ != at::ended) {
        switch (at_) {
            case at::header:
                in.remove_prefix(take_header(in, out));
                break;
            case at::control:
                in.remove_prefix(take_control(in, out));
                break;
            default: {
                const auto part =
                    in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
                text(part, out);
                left_ -= part.size();
                in.remove_prefix(part.size());
                if (left_ == 0) end_frame(out);
            }
        }
    }
    if (format_.to == shape::websocket && line_ != line::none) put_fragment(false, out);
    if (!format_.chunked) return;
    if (out.size() > body) {
        char size[20];
        const auto end = std::to_chars(size, size + 18, out.size() - body, 16).ptr;
        end[0] = '\r';
        end[1] = '\n';
        out.insert(body, size, static_cast<std::size_t>(end + 2 - size));
        out += "\r\n";
    }
    if (at_ == at::ended) {
        out += "0\r\n\r\n";
        format_.chunked = false;  // once
    }
}

// The answer's first line tells whether the handshake was accepted.
std::size_t frame_rewriter::take_status(std::string_view in, std::string& out) {
    const auto taken = std::min(in.size(), status_bytes - matched_);
    std::memcpy(header_ + matched_, in.data(), taken);
    matched_ = static_cast<std::uint8_t>(matched_ + taken);
    if (matched_ < status_bytes) return taken;
    matched_ = 0;
    const std::string_view status(header_, status_bytes);
    at_ = at::head;
    if (status.ends_with(" 101")) {
        out += format_.to == shape::websocket ? status : std::string_view(format_.head);
        std::string().swap(format_.head);
    } else {
        at_ = at::refusal;
        std::from_chars(header_ + status_bytes - 3, header_ + status_bytes, refused_);
        out += status;
    }
    return taken;
}

std::size_t frame_rewriter::take_head(std::string_view in, std::string& out) {
    constexpr std::string_view end = "\r\n\r\n";
    std::size_t taken = 0;
    while (taken < in.size() && matched_ < end.size()) {
        const char c = in[taken++];
        matched_ = static_cast<std::uint8_t>(c == end[matched_] ? matched_ + 1 : c == '\r' ? 1 : 0);
    }
    if (format_.to == shape::websocket) out += in.substr(0, taken);
    if (matched_ == end.size()) {
        matched_ = 0;
        at_ = at::header;
    }
    return taken;
}

std::size_t frame_rewriter::take_header(std::string_view in, std::string& out) {
    std::size_t taken = 0;
    while (header_size_ < 2 && taken < in.size()) header_[header_size_++] = in[taken++];
    if (header_size_ < 2) return taken;
    const auto size = header_size(static_cast<std::uint8_t>(header_[1]));
    while (header_size_ < size && taken < in.size()) header_[header_size_++] = in[taken++];
    if (header_size_ < size) return taken;
    left_ = size == 2 ? header_[1] & 0x7f : 0;
    for (std::size_t i = 2; i < size; ++i) left_ = left_ << 8 | static_cast<std::uint8_t>(header_[i]);
    header_size_ = 0;
    if ((header_[0] & 0x08) != 0) {
        at_ = at::control;
        control_size_ = 0;
    } else {
        at_ = at::data;
    }
    if (left_ == 0) end_frame(out);
    return taken;
}

std::size_t frame_rewriter::take_control(std::string_view in, std::string& out) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
    if (control_size_ + taken <= sizeof control_) std::memcpy(control_ + control_size_, in.data(), taken);
    control_size_ = static_cast<std::uint8_t>(control_size_ + taken);
    left_ -= taken;
    if (left_ == 0) end_frame(out);
    return taken;
}

void frame_rewriter::end_frame(std::string& out) {
    if (std::exchange(at_, at::header) != at::control) return end_line(out);
    const auto opcode = static_cast<ws_opcode>(header_[0] & 0x0f);
    if (format_.to == shape::websocket) {
        out += make_ws_control(opcode, {control_, control_size_}).bytes();
    } else if (opcode == ws_opcode::close) {
        disconnect(out);
    }
}

void frame_rewriter::text(std::string_view bytes, std::string& out) {
    for (;;) {
        const auto end = bytes.find('\n');
        part_of_line(bytes.substr(0, end), out);
        if (end == std::string_view::npos) return;
        end_line(out);
        bytes.remove_prefix(end + 1);
    }
}

void frame_rewriter::part_of_line(std::string_view bytes, std::string& out) {
    if (bytes.empty()) return;
    if (line_ == line::none) {
        if (format_.pushes == envelope::kept) {
            open_line(line::plain, out);
        } else {
            line_ = line::matching;
            matched_ = 0;
        }
    }
    if (line_ == line::matching) {
        while (!bytes.empty() && matched_ < prefix.size() && bytes.front() == prefix[matched_]) {
            ++matched_;
            bytes.remove_prefix(1);
        }
        if (matched_ == prefix.size()) {
            open_line(line::stripped, out);
        } else if (!bytes.empty()) {
            open_line(line::plain, out);
            put(prefix.substr(0, matched_), out);
        }
        if (bytes.empty()) return;
    }
    if (line_ == line::stripped) {
        if (has_held_) put({&held_, 1}, out);
        has_held_ = true;
        held_ = bytes.back();
        bytes.remove_suffix(1);
    }
    put(bytes, out);
}

void frame_rewriter::end_line(std::string& out) {
    if (line_ == line::none) return;
    if (line_ == line::matching) {
        open_line(line::plain, out);
        put(prefix.substr(0, matched_), out);
    }
    switch (format_.to) {
        case shape::event_stream:
            out += "\n\n";
            break;
        case shape::lines:
            out += '\n';
            break;
        case shape::websocket:
            put_fragment(true, out);
            break;
    }
    line_ = line::none;
    has_held_ = false;
    continuing_ = false;
}

void frame_rewriter::open_line(line how, std::string& out) {
    line_ = how;
    fragment_ = out.size();
    if (format_.to == shape::event_stream) out += "data: ";
}

void frame_rewriter::put(std::string_view bytes, std::string& out) {
    const auto begin = out.size();
    out += bytes;
    if (format_.to == shape::event_stream)
        std::replace(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), '\r', ' ');
}

// What the open line put behind `fragment_` gets its header.
void frame_rewriter::put_fragment(bool last, std::string& out) {
    if (line_ == line::matching) return;
    const auto size = out.size() - fragment_;
    if (size == 0 && !last) return;
    char header[ws_header_limit];
    const auto length =
        write_ws_header(header, continuing_ ? ws_opcode::continuation : ws_opcode::text, size);
    if (!last) header[0] = static_cast<char>(header[0] & ~ws_fin);
    out.insert(fragment_, header, length);
    continuing_ = true;
    fragment_ = out.size();
}

void frame_rewriter::disconnect(std::string& out) {
    std::uint16_t code = close_code::none;
    std::string_view reason;
    if (control_size_ >= 2) {
        code = static_cast<std::uint16_t>(static_cast<std::uint8_t>(control_[0]) << 8 |
                                          static_cast<std::uint8_t>(control_[1]));
        reason = {control_ + 2, control_size_ - 2u};
    }
    code_ = protocol_code(code);
    if (reason.empty()) reason = close_code::reason(code_);
    const nlohmann::json push{{"push", {{"disconnect", {{"code", code_}, {"reason", reason}}}}}};
    text(push.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), out);
    end_line(out);
    at_ = at::ended;
}

}  // namespace madang
