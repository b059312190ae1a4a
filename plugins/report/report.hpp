// The report: a view that answers at once, a task that works for seconds, a link to what it made.
#pragma once

#include <filesystem>
#include <madang/group_name.hpp>
#include <madang/jobs.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "document.hpp"
#include "links.hpp"

namespace report {

using madang::json;

// Hangul and kana too, where Debian's package fonts-nanum is installed.
inline std::string usual_font() {
    const char* path = "/usr/share/fonts/truetype/nanum/NanumGothicBold.ttf";
    return std::filesystem::exists(path) ? path : "";
}

struct Settings {
    explicit Settings(madang::Config config)
        : folder(config.get<std::string>("reports_dir", "madang-reports")),
          secret(config.get<std::string>("url_secret", "")),
          font(config.get<std::string>("font", usual_font())),
          most_pages(config.get<unsigned>("max_pages", 60)),
          days(config.get<unsigned>("days_per_page", 10'000)),
          link_lifetime(config.get<unsigned>("url_lifetime_s", 3600)),
          keep(config.get<unsigned>("keep_s", 86'400)) {
        config.finish();
        if (!secret.empty() && secret.size() < 32)
            throw std::invalid_argument("url_secret: at least 32 bytes");
        if (days == 0 || most_pages == 0) throw std::invalid_argument("days_per_page, max_pages: at least 1");
    }
    std::string folder, secret, font;
    unsigned most_pages, days;
    std::chrono::seconds link_lifetime, keep;
};

class Reports {
  public:
    explicit Reports(const Settings& settings)
        : settings_(settings), store_(settings.folder, settings.secret) {}

    // POST /api/reports/
    void ask(const madang::Request& request, madang::Reply reply);
    // GET /api/reports/<id>/
    void state(const madang::Request& request, madang::Reply reply);
    // GET /api/reports/<id>/file
    madang::Response download(const madang::Request& request);
    // The task reports.build; its job is named after the report, and notifies its owner.
    json build(madang::Job& job, const std::string& title, int pages);
    // The task reports.tidy
    std::size_t tidy() { return store_.remove_older(settings_.keep); }

  private:
    std::string fresh_link(std::string_view id) {
        return store_.link(id, Clock::now() + settings_.link_lifetime);
    }

    Settings settings_;
    Store store_;
};

}  // namespace report
