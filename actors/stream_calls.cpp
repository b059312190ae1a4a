#include "actors/stream_calls.hpp"

#include "broker/core/stream_wire.hpp"

namespace madang {

constexpr auto members(const last_seen_question*) {
    return std::tuple{&last_seen_question::group, &last_seen_question::limit};
}

constexpr auto members(const groups_question*) {
    return std::tuple{&groups_question::pattern, &groups_question::limit};
}
constexpr auto members(const client_selector*) {
    return std::tuple{&client_selector::user, &client_selector::client, &client_selector::session};
}
constexpr client_command::verb last(client_command::verb) { return client_command::verb::refresh; }
constexpr auto members(const client_command*) {
    using c = client_command;
    return std::tuple{&c::what,      &c::group,   &c::info, &c::data,   &c::since,
                      &c::expire_at, &c::expired, &c::code, &c::reason, &c::whitelist};
}
constexpr auto members(const command_question*) {
    return std::tuple{&command_question::whom, &command_question::what};
}
constexpr auto members(const session_mail*) {
    return std::tuple{&session_mail::session, &session_mail::text};
}
constexpr session_mail_outcome last(session_mail_outcome) { return session_mail_outcome::unknown; }
constexpr auto members(const node_figures*) {
    using f = node_figures;
    return std::tuple{&f::id, &f::name, &f::version, &f::clients, &f::users, &f::subscriptions, &f::groups};
}
constexpr auto members(const figures_answer*) {
    return std::tuple{&figures_answer::all, &figures_answer::uptime_s};
}

std::optional<peer_parcels::call> stream_calls::ask(std::size_t peer, std::uint64_t link, std::string group,
                                                    peer_parcels::call::verb what, std::string body,
                                                    answer done) {
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= limit) {
        lock.unlock();
        done(fail(errc::busy, "too many questions wait for other nodes"));
        return std::nullopt;
    }
    const auto ticket = next_++;
    waiting_.emplace(ticket, waiting{peer, link, std::move(done)});
    return peer_parcels::call{std::move(group), ticket, what, std::move(body)};
}

void stream_calls::came(std::size_t peer, std::uint64_t link, peer_parcels::told&& what) {
    std::unique_lock lock(mutex_);
    const auto found = waiting_.find(what.ticket);
    if (found == waiting_.end() || found->second.peer != peer || found->second.link != link) return;
    const auto done = std::move(found->second.done);
    waiting_.erase(found);
    lock.unlock();
    if (what.good)
        done(std::move(what.body));
    else
        done(std::move(what.refused));
}

void stream_calls::refused(std::uint64_t ticket, error why) {
    std::unique_lock lock(mutex_);
    auto node = waiting_.extract(ticket);
    lock.unlock();
    if (node) node.mapped().done(std::move(why));
}

void stream_calls::links_changed(const std::function<bool(std::size_t peer, std::uint64_t link)>& stands) {
    std::vector<answer> over;
    {
        std::lock_guard lock(mutex_);
        std::erase_if(waiting_, [&](auto& each) {
            if (stands(each.second.peer, each.second.link)) return false;
            over.push_back(std::move(each.second.done));
            return true;
        });
    }
    for (const auto& done : over) done(fail(errc::busy, "the group's node is gone"));
}

template <class Value>
std::string to_call_body(const Value& what) {
    std::string body;
    wire::put(body, what);
    return body;
}

template <class Value>
result<Value> from_call_body(std::string_view body) {
    Value found{};
    if (!wire::take(body, found)) return fail(errc::bad_request, "call");
    return found;
}

#define MADANG_BODY(...)                                   \
    template std::string to_call_body(const __VA_ARGS__&); \
    template result<__VA_ARGS__> from_call_body(std::string_view)
MADANG_BODY(history_request);
MADANG_BODY(history_page);
MADANG_BODY(position);
MADANG_BODY(presence_request);
MADANG_BODY(presence_page);
MADANG_BODY(presence_counts);
MADANG_BODY(last_seen_question);
MADANG_BODY(std::vector<last_seen_entry>);
MADANG_BODY(groups_question);
MADANG_BODY(groups_answer);
MADANG_BODY(command_question);
MADANG_BODY(std::uint64_t);
MADANG_BODY(session_mail);
MADANG_BODY(session_mail_outcome);
MADANG_BODY(figures_answer);
MADANG_BODY(std::string);

}  // namespace madang
