#include "actors/batch.hpp"

#include <cassert>
#include <cstring>

#include "broker/protocol/client_push.hpp"
#include "broker/protocol/ws_encoder.hpp"

namespace madang {

batch::batch(std::string group, std::uint64_t first, std::vector<event> events)
    : group_(std::move(group)), first_(first), events_(std::move(events)) {
    assert(!events_.empty());
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
