#include "broker/core/span.hpp"

#include "broker/core/working_for.hpp"

namespace madang {

void open_span::begin(const span_id& parent, span_kind kind, std::string_view name) {
    what_ = std::make_unique<span>();
    what_->at = work_.at;
    what_->parent = parent;
    what_->kind = kind;
    what_->name = name.substr(0, most_text);
    what_->begin_ns = work_.by->now_ns();
}

open_span::open_span(const work_trace& parent, span_kind kind, std::string_view name) {
    if (!parent.sampled()) return;
    work_ = {parent.by, parent.at.child()};
    begin(parent.at.span, kind, name);
}

open_span::open_span(tracer& by, const std::optional<trace_context>& outside, span_kind kind,
                     std::string_view name) {
    if (outside && !outside->sampled()) {
        work_ = {&by, *outside};
    } else if (outside) {
        work_ = {&by, outside->child()};
        begin(outside->span, kind, name);
    } else if (by.sample()) {
        work_ = {&by, new_trace()};
        begin({}, kind, name);
    }
}

namespace {

// Within an origin: the one of its children that has this number.
work_trace child_of(tracer& by, std::string_view origin, std::uint64_t number) noexcept {
    const auto from = split_origin(origin).trace;
    return from ? work_trace{&by, from->child(number)} : work_trace{};
}

}  // namespace

work_trace delivery_of(tracer* by, std::string_view origin) noexcept {
    return by != nullptr ? child_of(*by, origin, by->place()) : work_trace{};
}

work_trace attempt_of(tracer* by, std::string_view origin, std::uint64_t token) noexcept {
    return by != nullptr ? child_of(*by, origin, token) : work_trace{};
}

std::function<void(std::function<void()>)> in_this_trace(std::function<void(std::function<void()>)> post) {
    const auto work = working_for::trace();
    if (work.by == nullptr) return post;
    return [post = std::move(post), work](std::function<void()> fn) {
        post([fn = std::move(fn), work] {
            const traced_work mine(work);
            fn();
        });
    };
}

payload origin_of_sending(std::string_view how, std::string_view to) {
    auto id = working_for::request_id();
    const auto work = working_for::trace();
    if (!work.sampled()) return id;
    open_span sending(work, span_kind::producer, how);
    sending.set("messaging.system", "madang");
    sending.set("messaging.destination.name", to);
    sending.set("madang.request_id", id.bytes());
    return payload::copy_of(make_origin(id.bytes(), sending.work().at));
}

}  // namespace madang
