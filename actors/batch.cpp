#include "actors/batch.hpp"

#include <cassert>
#include <cstring>

namespace madang {

batch::batch(std::string group, std::uint64_t first, std::vector<event> events)
    : group_(std::move(group)), first_(first), events_(std::move(events)) {
    assert(!events_.empty());
    if (events_.size() == 1) {
        block_ = events_.front().body.root();
        return;
    }
    std::size_t size = 0;
    for (const auto& e : events_) size += e.body.text_frame().size();
    char* data = nullptr;
    block_ = payload::uninitialised(size, &data);
    for (auto& e : events_) {
        const auto frame = e.body.text_frame();
        std::memcpy(data, frame.data(), frame.size());
        const auto body_size = e.body.bytes().size();
        e.body = payload::part_of(block_, {data + frame.size() - body_size, body_size});
        data += frame.size();
    }
}

std::string_view batch::frames(std::size_t from, std::size_t to) const noexcept {
    const auto begin = events_[from].body.text_frame().data();
    const auto last = events_[to - 1].body.text_frame();
    return {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
}

}  // namespace madang
