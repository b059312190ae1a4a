#include "broker/jobs/worker_codec.hpp"

#include <array>
#include <utility>

#include "broker/core/wire.hpp"

namespace madang {

constexpr auto members(const job_error*) {
    return std::tuple{&job_error::type, &job_error::message, &job_error::trace};
}

namespace link {
namespace {

using wire::put;
using wire::take;

}  // namespace

constexpr ended::outcome last(ended::outcome) { return ended::outcome::handed_back; }
constexpr call::verb last(call::verb) { return call::verb::find; }
constexpr stop::how last(stop::how) { return stop::how::kill; }

constexpr auto members(const hello*) {
    return std::tuple{&hello::version, &hello::cookie,      &hello::name,     &hello::queues,
                      &hello::tasks,   &hello::concurrency, &hello::prefetch, &hello::holds};
}
constexpr auto members(const capacity*) { return std::tuple{&capacity::concurrency, &capacity::prefetch}; }
constexpr auto members(const began*) { return std::tuple{&began::token, &began::child}; }
constexpr auto members(const ended*) {
    return std::tuple{&ended::token,    &ended::what,   &ended::result, &ended::error,
                      &ended::after_ms, &ended::cpu_us, &ended::run_us};
}
constexpr auto members(const progress*) { return std::tuple{&progress::token, &progress::json}; }
constexpr auto members(const checkpoint*) {
    return std::tuple{&checkpoint::token, &checkpoint::call, &checkpoint::data};
}
constexpr auto members(const call*) {
    return std::tuple{&call::what, &call::number, &call::token, &call::body};
}
constexpr auto members(const child_ended*) {
    return std::tuple{&child_ended::child, &child_ended::why, &child_ended::expected};
}
constexpr auto members(const alive*) { return std::tuple{}; }
constexpr auto members(const leaving*) { return std::tuple{}; }
constexpr auto members(const welcome*) { return std::tuple{&welcome::worker_id, &welcome::node}; }
constexpr auto members(const refused*) { return std::tuple{&refused::why}; }
constexpr auto members(const run*) {
    return std::tuple{&run::token,  &run::id,          &run::task,          &run::queue,
                      &run::args,   &run::kwargs,      &run::headers,       &run::correlation_id,
                      &run::parent, &run::root,        &run::checkpoint,    &run::retries,
                      &run::losses, &run::max_retries, &run::soft_limit_ms, &run::hard_limit_ms};
}
constexpr auto members(const stop*) { return std::tuple{&stop::token, &stop::what}; }
constexpr auto members(const answer*) { return std::tuple{&answer::number, &answer::code, &answer::body}; }
constexpr auto members(const warm_stop*) { return std::tuple{}; }
constexpr auto members(const told*) { return std::tuple{&told::token, &told::stale}; }

namespace {

// The kind of each alternative, in the variant's order.
template <class Message>
struct kinds_of;
template <>
struct kinds_of<from_worker> {
    static constexpr std::array<std::uint8_t, 10> list{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
};
template <>
struct kinds_of<from_server> {
    static constexpr std::array<std::uint8_t, 8> list{17, 18, 19, 20, 21, 22, 23, 9};
};
static_assert(kinds_of<from_worker>::list.size() == std::variant_size_v<from_worker>);
static_assert(kinds_of<from_server>::list.size() == std::variant_size_v<from_server>);

template <class Struct, class Message, std::size_t I = 0>
constexpr int index_in() {
    if constexpr (I == std::variant_size_v<Message>)
        return -1;
    else if constexpr (std::is_same_v<Struct, std::variant_alternative_t<I, Message>>)
        return static_cast<int>(I);
    else
        return index_in<Struct, Message, I + 1>();
}
template <class Struct>
constexpr std::uint8_t kind_of() {
    if constexpr (index_in<Struct, from_worker>() >= 0)
        return kinds_of<from_worker>::list[index_in<Struct, from_worker>()];
    else
        return kinds_of<from_server>::list[index_in<Struct, from_server>()];
}

template <class Struct>
void append_struct(std::string& out, const Struct& what) {
    const auto begin = out.size();
    put(out, std::uint32_t{0});
    put(out, kind_of<Struct>());
    put(out, what);
    const auto size = static_cast<std::uint32_t>(out.size() - begin - 4);
    for (std::size_t i = 0; i < 4; ++i) out[begin + i] = static_cast<char>(size >> (8 * i));
}

template <class Message, std::size_t I = 0>
bool take_kind(std::uint8_t kind, std::string_view& body, std::optional<Message>& into) {
    if constexpr (I == std::variant_size_v<Message>) {
        return false;
    } else {
        if (kinds_of<Message>::list[I] != kind) return take_kind<Message, I + 1>(kind, body, into);
        return take(body, std::get<I>(into.emplace(std::in_place_index<I>))) && body.empty();
    }
}

}  // namespace

template <class Message>
void append(std::string& out, const Message& what) {
    if constexpr (std::is_same_v<Message, from_worker> || std::is_same_v<Message, from_server>)
        std::visit([&](const auto& each) { append_struct(out, each); }, what);
    else
        append_struct(out, what);
}

template <class Message>
void decoder<Message>::add(std::string_view bytes) {
    if (at_ != 0 && (at_ == bytes_.size() || at_ >= 256 * 1024)) {
        bytes_.erase(0, at_);
        at_ = 0;
        if (bytes_.empty() && bytes_.capacity() > 4 * 1024 * 1024) bytes_ = {};  // of a large frame
    }
    bytes_ += bytes;
}

template <class Message>
result<std::optional<Message>> decoder<Message>::next() {
    const auto refuse = [](const char* why) { return fail(errc::protocol_error, why); };
    std::optional<Message> found;
    std::string_view rest(bytes_.data() + at_, bytes_.size() - at_);
    std::uint32_t size = 0;
    if (!take(rest, size)) return found;
    if (size == 0) return refuse("a frame without a kind");
    if (size > limit_) return refuse("a frame is too long");
    if (rest.size() < size) return found;
    auto body = rest.substr(1, size - 1);
    if (!take_kind<Message>(static_cast<std::uint8_t>(rest[0]), body, found))
        return refuse("a frame is not what its kind says");
    at_ += 4 + size;
    return found;
}

template class decoder<from_worker>;
template class decoder<from_server>;
template void append(std::string&, const from_worker&);
template void append(std::string&, const from_server&);
template void append(std::string&, const hello&);
template void append(std::string&, const capacity&);
template void append(std::string&, const began&);
template void append(std::string&, const ended&);
template void append(std::string&, const progress&);
template void append(std::string&, const checkpoint&);
template void append(std::string&, const call&);
template void append(std::string&, const child_ended&);
template void append(std::string&, const alive&);
template void append(std::string&, const leaving&);
template void append(std::string&, const welcome&);
template void append(std::string&, const refused&);
template void append(std::string&, const run&);
template void append(std::string&, const stop&);
template void append(std::string&, const answer&);
template void append(std::string&, const warm_stop&);
template void append(std::string&, const told&);

}  // namespace link
}  // namespace madang
