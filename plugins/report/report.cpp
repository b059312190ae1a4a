#include "report.hpp"

#include <openssl/rand.h>

#include <array>
#include <optional>

namespace report {

namespace {

constexpr std::string_view cookie_name = "madang_visitor";
constexpr std::size_t visitor_size = 32;  // 128 random bits: nobody guesses another's
constexpr std::size_t title_bytes = 120;

bool is_visitor(std::string_view text) {
    return text.size() == visitor_size && text.find_first_not_of("0123456789abcdef") == text.npos;
}
std::string new_visitor() {
    std::array<unsigned char, visitor_size / 2> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        throw std::runtime_error("there is no randomness");
    std::string text;
    for (const auto byte : bytes) text.append({"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]});
    return text;
}

// The group of whoever asks: the user's, or of a visitor without a name whom a cookie knows. Nothing:
// neither.
std::optional<std::string> group_of(const madang::Scope& scope) {
    if (const auto user = scope.user(); user.authenticated()) return madang::group_name("user", user.id);
    const auto visitor = scope.cookie(cookie_name);
    if (!visitor || !is_visitor(*visitor)) return std::nullopt;
    return "user:visitor-" + std::string(*visitor);
}

madang::Response refused(std::uint16_t status, const std::string& what) {
    return madang::json_response({{"error", what}}, status);
}
std::uint16_t status_of(std::uint32_t code) {
    return code == 503 || code == 530 ? 503 : code == 404 ? 404 : 500;
}

// The title and the number of pages; throws HttpError.
std::pair<std::string, int> order_of(const madang::Request& request, unsigned most_pages) {
    const json body = madang::json_of(request);
    const auto wrong = [](const std::string& what) -> madang::HttpError { return {400, what}; };
    if (!body.is_object()) throw wrong("takes an object");
    for (const auto& item : body.items())
        if (item.key() != "title" && item.key() != "pages")
            throw wrong(item.key() + ": there is no such member");
    const auto title = body.find("title");
    if (title == body.end() || !title->is_string()) throw wrong("title: takes a text");
    const auto& text = title->get_ref<const std::string&>();
    const bool printable = std::none_of(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (text.empty() || text.size() > title_bytes || !printable)
        throw wrong("title: takes 1-" + std::to_string(title_bytes) + " bytes on one line");
    const json pages = body.value("pages", json(12));
    if (!pages.is_number_integer() || pages < 1 || pages > most_pages)
        throw wrong("pages: takes a number from 1 to " + std::to_string(most_pages));
    return {text, pages.get<int>()};
}

std::string_view query_value(std::string_view query, std::string_view name) {
    std::string_view found;
    madang::detail::split(query, '&', [&](std::string_view part) {
        if (part.starts_with(name) && part.substr(name.size()).starts_with('='))
            found = part.substr(name.size() + 1);
        return found.empty();
    });
    return found;
}

}  // namespace

void Reports::ask(const madang::Request& request, madang::Reply reply) {
    std::string title;
    int pages = 0;
    try {
        std::tie(title, pages) = order_of(request, settings_.most_pages);
    } catch (const madang::HttpError& error) {
        return reply(refused(error.status(), error.what()));
    }
    auto group = group_of(request.scope());
    std::string cookie;
    if (!group && request.scope().user().authenticated())
        return reply(refused(403, "the user's id is too long"));
    if (!group) {
        const auto visitor = new_visitor();
        group = "user:visitor-" + visitor;
        cookie = std::string(cookie_name) + "=" + visitor +
                 "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax" +
                 (request.scope().scheme() == "https" ? "; Secure" : "");
    }
    const auto held = std::make_shared<madang::Reply>(std::move(reply));
    const auto answered = [held, cookie](const madang::Enqueued& done) {
        if (!done) return (*held)(refused(status_of(done.code), "the job was not taken"));
        auto response = madang::json_response(
            {{"id", done.id()}, {"status_url", "/api/reports/" + done.id() + "/"}}, 202);
        response.headers.emplace_back("cache-control", "no-store");
        if (!cookie.empty()) response.headers.emplace_back("set-cookie", cookie);
        (*held)(response);
    };
    const auto what =
        madang::signature("reports.build", title, pages).notify_group(*group).headers({{"group", *group}});
    if (!request.jobs().enqueue(what, answered)) (*held)(refused(503, "busy"));
}

void Reports::state(const madang::Request& request, madang::Reply reply) {
    const auto group = group_of(request.scope());
    const std::string id(request.arg("id"));
    if (!group || !Store::valid_id(id)) return reply(refused(404, "no such report"));
    const auto held = std::make_shared<madang::Reply>(std::move(reply));
    const auto answered = [this, held, id, group](const madang::FoundJob& found) {
        // Another's is none: who knows its id learns nothing.
        if (found.code == 404 || (found && (found.job.value("task", "") != "reports.build" ||
                                            found.job.value("notify_group", "") != *group)))
            return (*held)(refused(404, "no such report"));
        if (!found) return (*held)(refused(status_of(found.code), "the job cannot be found now"));
        json told{{"id", id}, {"state", found.job.at("state")}};
        told["title"] = found.job.at("args").at(0);
        told["pages"] = found.job.at("args").at(1);
        if (found.job.contains("progress")) told["page"] = found.job["progress"].value("page", 0);
        if (told["state"] == "SUCCESS") {
            told["page"] = told["pages"];  // a job that is over has no progress
            told["url"] = fresh_link(id);
        }
        auto response = madang::json_response(told);
        response.headers.emplace_back("cache-control", "no-store");
        (*held)(response);
    };
    if (!request.jobs().find(id, {}, answered)) (*held)(refused(503, "busy"));
}

madang::Response Reports::download(const madang::Request& request) {
    const auto id = request.arg("id");
    const auto query = request.scope().query_string();
    if (!Store::valid_id(id) ||
        !store_.admits(id, query_value(query, "expires"), query_value(query, "signature"), Clock::now()))
        return refused(403, "this link is not valid, or not any more");
    auto bytes = store_.get(id);
    if (!bytes) return refused(404, "this report is not kept any more");
    return {200,
            {{"content-type", "application/pdf"},
             {"content-disposition", "attachment; filename=\"report-" + std::string(id) + ".pdf\""},
             {"cache-control", "private, no-store"},
             {"x-content-type-options", "nosniff"}},
            std::move(*bytes)};
}

json Reports::build(madang::Job& job, const std::string& title, int pages) {
    std::vector<Figures> done;
    if (const json saved = job.checkpoint_json(); !saved.is_null()) done = saved.get<std::vector<Figures>>();
    const std::size_t begun_with = done.size();
    while (done.size() < static_cast<std::size_t>(pages)) {
        const auto page = static_cast<int>(done.size()) + 1;
        done.push_back(simulate(title, page, settings_.days, [&] { job.check(); }));
        job.save_json(done);
        job.progress({{"page", page}, {"pages", pages}});
    }
    const std::string id(job.id());
    store_.put(id, make_pdf(title, done, settings_.font));
    const auto url = fresh_link(id);
    // Who told the job whom to notify told it in its headers, too: the group of the news.
    const auto group = job.headers().value("group", "");
    if (!group.empty())
        job.layer().publish(group, json{{"event", "pdf_ready"}, {"id", id}, {"title", title}, {"url", url}},
                            {.idempotency_key = "pdf_ready:" + id});
    return {{"url", url}, {"pages", pages}, {"resumed_at", begun_with}};
}

}  // namespace report

MADANG_PLUGIN(.id = "report", .version = "1.0.0", .summary = "PDF reports, made by a job") {
    const auto reports = std::make_shared<report::Reports>(report::Settings(madang::Config(plugin)));
    if (plugin.host().jobs == nullptr)
        return plugin.log(madang::Level::warn, "reports_off",
                          "this server has no jobs, so it makes no reports");
    plugin.post("/api/reports/", [reports](const madang::Request& request, madang::Reply reply) {
        reports->ask(request, std::move(reply));
    });
    plugin.get("/api/reports/<str:id>/", [reports](const madang::Request& request, madang::Reply reply) {
        reports->state(request, std::move(reply));
    });
    plugin.get(
        "/api/reports/<str:id>/file",
        [reports](const madang::Request& request) { return reports->download(request); },
        madang::ViewKind::sync);
    plugin.task("reports.build",
                [reports](madang::Job& job, const std::string& title, int pages) {
                    return reports->build(job, title, pages);
                },
                {.default_retry_delay = std::chrono::seconds(5),
                 .soft_time_limit = std::chrono::minutes(5),
                 .time_limit = std::chrono::minutes(6)});
    plugin.task("reports.tidy", [reports](madang::Job&) { return reports->tidy(); }, {.ignore_result = true});
    plugin.schedule("reports.tidy", madang::every(std::chrono::hours(1), madang::signature("reports.tidy")));
}
