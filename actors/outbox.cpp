#include "actors/outbox.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace madang {
namespace {

constexpr std::uint32_t control = 2;      // beside outbox::role
constexpr std::size_t kept_entries = 64;  // a pooled vector with more room is freed instead
constexpr std::size_t pooled_vectors = 1024;

template <class Vector>
std::vector<std::unique_ptr<Vector>>& pool() {
    thread_local std::vector<std::unique_ptr<Vector>> vectors;
    return vectors;
}

}  // namespace

std::size_t frame_length(std::string_view frames) noexcept {
    const auto byte = [&](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(frames[i]));
    };
    const std::size_t length = byte(1) & 0x7f;
    if (length < 126) return 2 + length;
    if (length == 126) return 4 + (byte(2) << 8 | byte(3));
    std::size_t size = 0;
    for (std::size_t i = 2; i < 10; ++i) size = size << 8 | byte(i);
    return 10 + size;
}

std::size_t count_frames(std::string_view frames) noexcept {
    std::size_t count = 0;
    for (; !frames.empty(); ++count) frames.remove_prefix(frame_length(frames));
    return count;
}

outbox::~outbox() { clear(); }

void outbox::append(const payload& owner, std::string_view bytes, std::uint32_t kind) {
    if (entries_ == nullptr) {
        auto& spare = pool<std::vector<entry>>();
        if (spare.empty()) {
            entries_ = new std::vector<entry>;
            entries_->reserve(4);
        } else {
            entries_ = spare.back().release();
            spare.pop_back();
        }
    }
    bytes_ += bytes.size();
    if (!entries_->empty()) {
        auto& last = entries_->back();
        if (last.data + last.size == bytes.data() && last.kind == kind && last.owner == owner &&
            last.size + bytes.size() <= std::numeric_limits<std::uint32_t>::max()) {
            last.size += static_cast<std::uint32_t>(bytes.size());
            return;
        }
    }
    // An entry's size has 32 bits; what is larger goes in as several that lie end to end.
    constexpr std::size_t piece = std::size_t{1} << 30;
    for (; bytes.size() > piece; bytes.remove_prefix(piece))
        entries_->push_back({owner, bytes.data(), piece, control});
    entries_->push_back({owner, bytes.data(), static_cast<std::uint32_t>(bytes.size()), kind});
}

outbox::admission outbox::push(const payload& owner, std::string_view frames, role what,
                               const limits& limit) {
    const auto kind = static_cast<std::uint32_t>(what);
    const bool latest_only = limit.policy == outbox_policy::latest_only && what == role::publication;
    if (bytes_ == 0 || (bytes_ + frames.size() <= limit.bytes && !latest_only)) {
        append(owner, frames, kind);
        return admission::queued;
    }
    if (limit.policy == outbox_policy::disconnect || limit.policy == outbox_policy::server_default)
        return admission::overflow;

    dropped_ = 0;
    if (latest_only) {
        drop_publications(std::numeric_limits<std::size_t>::max(), limit);
        for (auto next = frame_length(frames); next < frames.size(); next = frame_length(frames)) {
            frames.remove_prefix(next);
            ++dropped_;
        }
    } else {
        drop_publications(frames.size(), limit);
        // Of a batch that is larger than the room there is, the newest frames stay; the last one in any case.
        while (what == role::publication && bytes_ + frames.size() > limit.bytes) {
            const auto next = frame_length(frames);
            if (next >= frames.size()) break;
            frames.remove_prefix(next);
            ++dropped_;
        }
    }
    if (bytes_ != 0 && bytes_ + frames.size() > limit.bytes) {
        if (what == role::answer) return admission::overflow;
        // Only answers wait, and they fill the box.
        dropped_ += static_cast<std::uint32_t>(count_frames(frames));
        return admission::dropped;
    }
    append(owner, frames, kind);
    return dropped_ != 0 ? admission::dropped : admission::queued;
}

// Drops whole unsent publication frames, oldest first, until `room_needed` fits or none is left.
void outbox::drop_publications(std::size_t room_needed, const limits& limit) {
    const auto enough = [&] { return room_needed <= limit.bytes && bytes_ <= limit.bytes - room_needed; };
    if (entries_ == nullptr) return;
    auto& all = *entries_;
    std::vector<entry> kept;
    std::size_t i = head_;
    for (; i < all.size() && !enough(); ++i) {
        entry e = std::move(all[i]);
        if (e.kind != static_cast<std::uint32_t>(role::publication)) {
            kept.push_back(std::move(e));
            continue;
        }
        if (i == head_ && begun_ != 0) {  // a frame that is partly on the wire must be finished
            kept.push_back({e.owner, e.data, begun_, e.kind});
            e.data += begun_;
            e.size -= begun_;
        }
        std::string_view rest{e.data, e.size};
        while (!rest.empty() && !enough()) {
            const auto length = frame_length(rest);
            rest.remove_prefix(length);
            bytes_ -= length;
            ++dropped_;
        }
        if (!rest.empty()) {
            e.data = rest.data();
            e.size = static_cast<std::uint32_t>(rest.size());
            kept.push_back(std::move(e));
        }
    }
    // What was kept goes back in front of what was not looked at; there may be one more of them than there
    // was room.
    const std::size_t begin = head_;
    if (kept.size() <= i - begin) {
        head_ = static_cast<std::uint32_t>(i - kept.size());
        std::move(kept.begin(), kept.end(), all.begin() + head_);
    } else {
        std::move(kept.begin() + 1, kept.end(), all.begin() + static_cast<std::ptrdiff_t>(begin));
        all.insert(all.begin() + static_cast<std::ptrdiff_t>(begin), std::move(kept.front()));
    }
    drop_written();
    if (bytes_ == 0) give_back();
}

void outbox::push_control(std::string_view bytes) {
    auto copy = payload::copy_of(bytes);
    append(copy, copy.bytes(), control);
}

int outbox::gather(iovec* parts, int max) const noexcept {
    if (entries_ == nullptr) return 0;
    int count = 0;
    for (std::size_t i = head_; i < entries_->size() && count < max; ++i) {
        const auto& e = (*entries_)[i];
        parts[count].iov_base = const_cast<char*>(e.data);
        parts[count++].iov_len = e.size;
    }
    return count;
}

void outbox::consume(std::size_t size) noexcept {
    if (size == 0) return;
    bytes_ -= size;
    if (bytes_ == 0) return give_back();
    auto& all = *entries_;
    while (size >= all[head_].size) {
        size -= all[head_].size;
        all[head_].owner = {};
        ++head_;
        begun_ = 0;
    }
    if (size != 0) {
        auto& e = all[head_];
        if (e.kind != control) {  // where in a frame the write stopped
            std::size_t at = begun_;
            while (at < size) at += frame_length({e.data + at, e.size - at});
            begun_ = static_cast<std::uint32_t>(at - size);
        }
        e.data += size;
        e.size -= static_cast<std::uint32_t>(size);
    }
    drop_written();
}

// The entries before head_, once they are the larger part.
void outbox::drop_written() noexcept {
    if (head_ <= 64 || head_ <= entries_->size() / 2) return;
    entries_->erase(entries_->begin(), entries_->begin() + head_);
    head_ = 0;
}

void outbox::clear() noexcept {
    if (entries_ != nullptr) give_back();
}

void outbox::drop_unbegun() {
    if (entries_ == nullptr) return;
    auto& all = *entries_;
    if (begun_ != 0) {
        bytes_ -= all[head_].size - begun_;
        all[head_].size = begun_;
    }
    std::size_t end = head_ + (begun_ != 0 ? 1 : 0);
    for (std::size_t i = end; i < all.size(); ++i) {
        if (all[i].kind == control)
            std::swap(all[end++], all[i]);
        else
            bytes_ -= all[i].size;
    }
    all.resize(end);
    if (bytes_ == 0) give_back();
}

void outbox::give_back() noexcept {
    auto& spare = pool<std::vector<entry>>();
    entries_->clear();
    if (entries_->capacity() <= kept_entries && spare.size() < pooled_vectors)
        spare.emplace_back(entries_);
    else
        delete entries_;
    entries_ = nullptr;
    bytes_ = 0;
    head_ = 0;
    begun_ = 0;
}

}  // namespace madang
