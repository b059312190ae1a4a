#include "broker/worker/call_book.hpp"

#include "broker/jobs/call_codec.hpp"

namespace madang {
namespace {

std::size_t size_of(const link::from_worker& what) {
    if (const auto* call = std::get_if<link::call>(&what)) return sizeof what + call->body.size();
    return sizeof what + std::get<link::checkpoint>(what).data.size();
}
bool harmless_twice(const link::from_worker& what) {
    const auto* call = std::get_if<link::call>(&what);
    return !call || (call->what != link::call::verb::publish && call->what != link::call::verb::enqueue);
}
// 0: no answer is wanted.
std::uint64_t& number_of(link::from_worker& what) {
    if (auto* call = std::get_if<link::call>(&what)) return call->number;
    return std::get<link::checkpoint>(what).call;
}

}  // namespace

std::optional<link::from_worker> call_book::ask(child_id child, link::from_worker what) {
    auto& number = number_of(what);
    if (number != 0) {
        asked_.emplace(++last_, entry{child, number, connected_, {}});
        number = last_;
    }
    if (connected_) {
        remember(what);
        return what;
    }
    hold(std::move(what));
    return std::nullopt;
}

void call_book::hold(link::from_worker what) {
    held_bytes_ += size_of(what);
    held_.push_back(std::move(what));
}

// It goes to the server now.
void call_book::remember(link::from_worker& what) {
    const auto found = asked_.find(number_of(what));
    if (found == asked_.end()) return;
    found->second.sent = true;
    if (harmless_twice(what)) found->second.again = what;
}

std::optional<call_book::to_child> call_book::answered(link::answer what) {
    const auto found = asked_.find(what.number);
    if (found == asked_.end()) return std::nullopt;
    what.number = found->second.number;
    const auto child = found->second.child;
    asked_.erase(found);
    return to_child{child, std::move(what)};
}

void call_book::gone(child_id child) {
    std::erase_if(asked_, [&](const auto& each) { return each.second.child == child; });
}

std::vector<call_book::to_child> call_book::disconnected() {
    connected_ = false;
    std::vector<to_child> answers;
    for (auto at = asked_.begin(); at != asked_.end();) {
        auto& each = at->second;
        const bool unknown = each.sent && !each.again;
        if (each.again) hold(std::move(*std::exchange(each.again, {})));
        each.sent = false;
        if (unknown) {
            const auto why =
                fail(errc::internal, "the connection to the server was lost: it may have been done");
            answers.emplace_back(each.child, link::failed(each.number, why));
        }
        at = unknown ? asked_.erase(at) : std::next(at);
    }
    return answers;
}

std::vector<link::from_worker> call_book::connected() {
    connected_ = true;
    for (auto& each : held_) remember(each);
    held_bytes_ = 0;
    return std::exchange(held_, {});
}

}  // namespace madang
