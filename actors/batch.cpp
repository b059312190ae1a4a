#include "actors/batch.hpp"

#include <cassert>
#include <cstring>

#include "broker/protocol/client_push.hpp"
#include "broker/protocol/ws_encoder.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

batch::batch(std::string group, std::uint64_t first, std::vector<event> events)
    : group_(std::move(group)), first_(first), events_(std::move(events)) {
    assert(!events_.empty());
    for (const auto& e : events_) joins_ = joins_ || !e.for_consumers();
    if (events_.size() == 1) {
        block_ = events_.front().body.root();
        return;
    }
    std::size_t size = 0;
    for (const auto& e : events_)
        if (e.for_consumers()) size += e.body.text_frame().size();
    if (size == 0) return;
    char* data = nullptr;
    block_ = payload::uninitialised(size, &data);
    for (auto& e : events_) {
        if (!e.for_consumers()) continue;
        const auto frame = e.body.text_frame();
        std::memcpy(data, frame.data(), frame.size());
        const auto body_size = e.body.bytes().size();
        e.body = payload::part_of(block_, {data + frame.size() - body_size, body_size});
        data += frame.size();
    }
}

std::string_view batch::frames(std::size_t from, std::size_t to) const noexcept {
    while (from < to && !events_[from].for_consumers()) ++from;
    while (from < to && !events_[to - 1].for_consumers()) --to;
    if (from == to) return {};
    const auto begin = events_[from].body.text_frame().data();
    const auto last = events_[to - 1].body.text_frame();
    return {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
}

std::size_t batch::consumers_until(std::size_t from, std::size_t to) const noexcept {
    if (!joins_) return to;
    while (from < to && events_[from].for_consumers()) ++from;
    return from;
}

const std::vector<madang_event>& batch::told() const {
    std::call_once(told_made_, [this] { make_told(); });
    return told_;
}

void batch::make_told() const {
    told_.reserve(events_.size());
    for (const auto& e : events_) {
        madang_str type = to_abi(e.type);
        if (!told_.empty() && told_.back().type.size == type.size &&
            std::memcmp(told_.back().type.data, type.data, type.size) == 0)
            type = told_.back().type;
        told_.push_back({type, to_abi(e.body.bytes()), to_abi(e.body), e.offset});
    }
}

std::string_view batch::push_frames::of(std::size_t from, std::size_t to) const noexcept {
    const std::uint32_t begin = from == 0 ? 0 : end[from - 1];
    return {block.bytes().data() + begin, end[to - 1] - begin};
}

const batch::push_frames& batch::pushes() const {
    std::call_once(pushes_made_, [this] { make_pushes(); });
    return pushes_;
}

void batch::make_pushes() const {
    std::string text;
    std::vector<std::size_t> sizes;
    sizes.reserve(events_.size());
    std::size_t total = 0;
    for (const auto& e : events_) {
        const auto before = text.size();
        switch (e.what) {
            case event::kind::publication:
                append_publication_push(text, group_, to_publication(e));
                break;
            case event::kind::join:
                append_join_push(text, group_, *e.who);
                break;
            case event::kind::leave:
                append_leave_push(text, group_, *e.who);
                break;
            case event::kind::message:
                break;
        }
        const auto size = text.size() - before;
        sizes.push_back(size);
        if (size != 0) total += ws_header_size(size) + size;
    }
    char* data = nullptr;
    pushes_.block = payload::uninitialised(total, &data);
    const char* const begin = data;
    const char* from = text.data();
    for (std::size_t i = 0; i < events_.size(); ++i) {
        payload message;
        if (const auto size = sizes[i]; size != 0) {
            data += write_ws_header(data, ws_opcode::text, size);
            std::memcpy(data, from, size);
            message = payload::part_of(pushes_.block, {data, size});
            data += size;
            from += size;
        }
        pushes_.messages.push_back(std::move(message));
        pushes_.end.push_back(static_cast<std::uint32_t>(data - begin));
        pushes_.joins =
            pushes_.joins || events_[i].what == event::kind::join || events_[i].what == event::kind::leave;
    }
}

}  // namespace madang
