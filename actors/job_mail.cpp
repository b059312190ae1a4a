#include "actors/job_mail.hpp"

#include <tuple>

#include "broker/core/wire.hpp"

namespace madang {

constexpr job_verb last(job_verb) { return job_verb::next_fires; }

namespace job_parcels {

constexpr auto members(const call*) { return std::tuple{&call::ticket, &call::what, &call::body}; }
constexpr auto members(const answer*) { return std::tuple{&answer::ticket, &answer::code, &answer::body}; }
constexpr auto members(const worker_came*) { return std::tuple{&worker_came::stream}; }
constexpr auto members(const worker_said*) { return std::tuple{&worker_said::stream, &worker_said::bytes}; }
constexpr auto members(const worker_took*) { return std::tuple{&worker_took::stream, &worker_took::bytes}; }
constexpr auto members(const worker_left*) { return std::tuple{&worker_left::stream}; }
constexpr auto members(const worker_retires*) { return std::tuple{&worker_retires::stream}; }
constexpr auto members(const answers_read*) { return std::tuple{&answers_read::bytes}; }
constexpr auto members(const worker_told*) { return std::tuple{&worker_told::stream, &worker_told::bytes}; }
constexpr auto members(const worker_read*) { return std::tuple{&worker_read::stream, &worker_read::bytes}; }
constexpr auto members(const worker_closed*) { return std::tuple{&worker_closed::stream}; }
constexpr auto members(const move_word*) { return std::tuple{&move_word::bytes}; }
constexpr auto members(const adopter_said*) {
    return std::tuple{&adopter_said::ticket, &adopter_said::bytes};
}
constexpr auto members(const adopter_told*) {
    return std::tuple{&adopter_told::ticket, &adopter_told::code, &adopter_told::bytes};
}

}  // namespace job_parcels

namespace {

using wire::put;
using wire::take;

constexpr std::string_view kind_names[] = {"call",         "answer",        "worker_came",  "worker_said",
                                           "worker_took",  "worker_left",   "answers_read", "worker_told",
                                           "worker_read",  "worker_closed", "move_word",    "worker_retires",
                                           "adopter_said", "adopter_told"};
static_assert(std::size(kind_names) == std::variant_size_v<job_parcel>);

template <std::size_t Kind = 0>
bool take_kind(std::size_t kind, std::string_view bytes, std::vector<job_parcel>& into) {
    if constexpr (Kind == std::variant_size_v<job_parcel>) {
        return true;
    } else {
        if (kind != Kind) return take_kind<Kind + 1>(kind, bytes, into);
        std::variant_alternative_t<Kind, job_parcel> made;
        if (!take(bytes, made)) return false;
        into.push_back(std::move(made));
        return true;
    }
}

}  // namespace

void append(std::string& mail, const job_parcel& what) {
    if (mail.empty()) put(mail, job_mail_version);
    put(mail, static_cast<std::uint8_t>(what.index()));
    put(mail, std::uint32_t{0});
    const auto from = mail.size();
    std::visit([&](const auto& each) { put(mail, each); }, what);
    std::string length;
    put(length, static_cast<std::uint32_t>(mail.size() - from));
    mail.replace(from - length.size(), length.size(), length);
}

result<std::vector<job_parcel>> read_job_mail(std::string_view bytes) {
    std::vector<job_parcel> made;
    std::uint8_t version = 0;
    if (!take(bytes, version) || version == 0) return fail(errc::bad_request, "version");
    while (!bytes.empty()) {
        std::uint8_t kind = 0;
        std::string_view parcel;
        if (!take(bytes, kind) || !take(bytes, parcel)) return fail(errc::bad_request, "length");
        if (!take_kind(kind, parcel, made)) return fail(errc::bad_request, std::string(kind_names[kind]));
    }
    return made;
}

}  // namespace madang
