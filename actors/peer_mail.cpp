#include "actors/peer_mail.hpp"

#include <algorithm>
#include <tuple>

#include "broker/core/stream_wire.hpp"

namespace madang {

// ------------------------------------------------------------------------------------------- what is written

constexpr errc last(errc) { return last_errc; }
constexpr event::kind last(event::kind) { return event::kind::leave; }

constexpr auto members(const event*) {
    return std::tuple{&event::type,    &event::body,  &event::what, &event::offset,
                      &event::time_ms, &event::extra, &event::who,  &event::origin};
}
constexpr auto members(const error*) { return std::tuple{&error::code, &error::detail}; }
constexpr auto members(const member_info*) {
    return std::tuple{&member_info::who, &member_info::presence, &member_info::join_leave};
}
constexpr auto members(const subscribe_spec*) {
    return std::tuple{&subscribe_spec::presence,   &subscribe_spec::join_leave,
                      &subscribe_spec::positioned, &subscribe_spec::recover_since,
                      &subscribe_spec::cache,      &subscribe_spec::recover_limit,
                      &subscribe_spec::who};
}
constexpr auto members(const subscribed*) {
    return std::tuple{&subscribed::top, &subscribed::recovered, &subscribed::missed};
}

constexpr durability last(durability) { return durability::synced; }
constexpr auto members(const view_name*) { return std::tuple{&view_name::number, &view_name::proposer}; }
constexpr auto members(const kept_publication*) {
    return std::tuple{&kept_publication::ends_ms, &kept_publication::what};
}
constexpr auto members(const idempotency_record*) {
    return std::tuple{&idempotency_record::ends_ms, &idempotency_record::at};
}
constexpr auto members(const stream_piece::key*) {
    return std::tuple{&stream_piece::key::name, &stream_piece::key::is};
}
constexpr auto members(const stream_piece*) {
    return std::tuple{&stream_piece::top,  &stream_piece::oldest,       &stream_piece::ends_ms,
                      &stream_piece::kept, &stream_piece::publications, &stream_piece::keys,
                      &stream_piece::seen};
}

namespace peer_parcels {

constexpr auto members(const interest*) { return std::tuple{&interest::group, &interest::wanted}; }
constexpr auto members(const publish*) {
    return std::tuple{&publish::group, &publish::what,         &publish::ticket,
                      &publish::key,   &publish::skip_history, &publish::hops};
}
constexpr auto members(const enter*) {
    return std::tuple{&enter::group, &enter::member, &enter::who, &enter::again};
}
constexpr auto members(const leave*) { return std::tuple{&leave::group, &leave::member}; }
constexpr auto members(const subscribe*) {
    return std::tuple{&subscribe::group, &subscribe::ticket, &subscribe::how};
}
constexpr auto members(const deliver*) { return std::tuple{&deliver::group, &deliver::events}; }
constexpr auto members(const published*) {
    return std::tuple{&published::group, &published::ticket, &published::good, &published::refused,
                      &published::at};
}
constexpr auto members(const answer*) {
    return std::tuple{&answer::group, &answer::ticket, &answer::good, &answer::refused, &answer::what};
}
constexpr auto members(const lost*) { return std::tuple{&lost::group}; }
constexpr auto members(const send_event*) {
    return std::tuple{&send_event::loop, &send_event::member, &send_event::what};
}
// Any: one of a later version is answered, with a refusal, and the rest of its mail is heard.
constexpr call::verb last(call::verb) { return static_cast<call::verb>(0xff); }
constexpr auto members(const call*) {
    return std::tuple{&call::group, &call::ticket, &call::what, &call::body};
}
constexpr auto members(const told*) {
    return std::tuple{&told::group, &told::ticket, &told::good, &told::refused, &told::body};
}
constexpr auto members(const gap*) { return std::tuple{&gap::dropped}; }
constexpr auto members(const take*) { return std::tuple{&take::group, &take::before, &take::now}; }
constexpr auto members(const take_all*) {
    return std::tuple{&take_all::before, &take_all::now, &take_all::loop, &take_all::loops,
                      &take_all::wanted};
}
constexpr auto members(const took*) {
    return std::tuple{&took::group, &took::ticket, &took::piece, &took::good};
}
constexpr auto members(const handed*) {
    return std::tuple{&handed::group, &handed::now,  &handed::ticket, &handed::piece,
                      &handed::good,  &handed::last, &handed::what};
}
constexpr auto members(const given_all*) {
    return std::tuple{&given_all::now, &given_all::loop, &given_all::loops};
}
constexpr auto members(const residents*) {
    return std::tuple{&residents::group, &residents::all, &residents::came, &residents::left};
}

}  // namespace peer_parcels

namespace {

using wire::put;
using wire::take;

constexpr std::string_view kind_names[] = {"interest", "publish",   "enter",     "leave",    "subscribe",
                                           "deliver",  "published", "answer",    "lost",     "send_event",
                                           "gap",      "call",      "told",      "take",     "take_all",
                                           "took",     "handed",    "given_all", "residents"};
static_assert(std::size(kind_names) == std::variant_size_v<peer_parcel>);

void put_head(std::string& mail, std::uint64_t view) {
    if (!mail.empty()) return;
    put(mail, peer_mail_version);
    put(mail, view);
}

// Where the length will stand; end() writes it.
std::size_t begin(std::string& mail, std::uint64_t view, std::size_t kind) {
    put_head(mail, view);
    put(mail, static_cast<std::uint8_t>(kind));
    put(mail, std::uint32_t{0});
    return mail.size();
}
void end(std::string& mail, std::size_t from) {
    std::string length;
    put(length, static_cast<std::uint32_t>(mail.size() - from));
    mail.replace(from - length.size(), length.size(), length);
}

template <std::size_t Kind = 0>
bool take_kind(std::size_t kind, std::string_view bytes, std::size_t size, peer_mail& into) {
    if constexpr (Kind == std::variant_size_v<peer_parcel>) {
        into.unknown_bytes += size;
        return true;
    } else {
        if (kind != Kind) return take_kind<Kind + 1>(kind, bytes, size, into);
        std::variant_alternative_t<Kind, peer_parcel> made;
        if (!take(bytes, made)) return false;
        into.parcels.push_back({std::move(made), size});
        return true;
    }
}

}  // namespace

const std::string& group_of(const peer_parcel& what) {
    static const std::string none;
    return std::visit(
        [](const auto& each) -> const std::string& {
            if constexpr (requires { each.group; })
                return each.group;
            else
                return none;
        },
        what);
}

void append(std::string& mail, std::uint64_t view, const peer_parcel& what) {
    const auto from = begin(mail, view, what.index());
    std::visit([&](const auto& each) { put(mail, each); }, what);
    end(mail, from);
}

void append_deliver(std::string& mail, std::uint64_t view, const batch& what) {
    const auto from = begin(mail, view, peer_parcel(peer_parcels::deliver{}).index());
    put(mail, what.group());
    const auto& events = what.events();
    const auto left_out = [](const event& each) { return each.only_here; };
    if (what.has_joins() && std::any_of(events.begin(), events.end(), left_out)) {
        auto told = events;
        std::erase_if(told, left_out);
        put(mail, told);
    } else {
        put(mail, events);
    }
    end(mail, from);
}

result<peer_mail> read_peer_mail(std::string_view bytes) {
    peer_mail made;
    std::uint8_t version = 0;
    if (!take(bytes, version) || version == 0 || !take(bytes, made.view))
        return fail(errc::bad_request, "head");
    while (!bytes.empty()) {
        const auto before = bytes.size();
        std::uint8_t kind = 0;
        std::string_view parcel;
        if (!take(bytes, kind) || !take(bytes, parcel)) return fail(errc::bad_request, "length");
        if (!take_kind(kind, parcel, before - bytes.size(), made))
            return fail(errc::bad_request, std::string(kind_names[kind]));
    }
    return made;
}

}  // namespace madang
