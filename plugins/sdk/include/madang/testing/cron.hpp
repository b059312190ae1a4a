// When a crontab fires next, for the test kit. The server's rules (docs/jobs.md), but for daylight saving: a
// local time that is missing does not fire, one that comes twice fires twice.
#pragma once

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace madang::testing::detail {

class Cron {
  public:
    // Nothing: it is none that the server would take.
    static std::optional<Cron> parse(const nlohmann::json& schedule) {
        Cron made;
        made.celery_ = schedule.value("cron_style", std::string("vixie")) == "celery";
        made.zone_ = schedule.value("timezone", std::string("UTC"));
        if (made.zone_.starts_with('.') || made.zone_.starts_with('/') ||
            !std::filesystem::is_regular_file("/usr/share/zoneinfo/" + made.zone_))
            return {};
        std::istringstream words(meaning_of(schedule.value("cron", std::string())));
        std::vector<std::string> parts;
        for (std::string word; words >> word;) parts.push_back(word);
        if (parts.size() != made.fields_.size()) return {};
        const std::vector<std::string> none,
            months{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
            days{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
        const bool good = made.read(parts[0], made.fields_[0], 0, 59, none) &&
                          made.read(parts[1], made.fields_[1], 0, 23, none) &&
                          made.read(parts[2], made.fields_[2], 1, 31, none) &&
                          made.read(parts[3], made.fields_[3], 1, 12, months) &&
                          made.read(parts[4], made.fields_[4], 0, made.celery_ ? 6 : 7, days);
        if (!good) return {};
        if (made.fields_[4].contains(7)) made.fields_[4].insert(0);
        made.either_ = !made.celery_ && parts[2][0] != '*' && parts[4][0] != '*';
        return made;
    }

    // The first fire after that Unix time; 0: none within some forty years.
    std::uint64_t next(std::uint64_t after_ms) const {
        const Zone zone(zone_);
        auto at = static_cast<std::time_t>(after_ms / 60'000 + 1) * 60;
        for (const auto end = at + std::time_t{15'000} * 86'400; at < end;) {
            std::tm local{};
            localtime_r(&at, &local);
            const bool day = has_day(local), hour = fields_[1].contains(local.tm_hour);
            if (day && hour && fields_[0].contains(local.tm_min))
                return static_cast<std::uint64_t>(at) * 1000;
            int minutes = 1;
            if (!day && local.tm_hour < 20)  // no clock is put forward over the rest of the day
                minutes = (20 - local.tm_hour) * 60 - local.tm_min;
            else if (!day || !hour)  // by quarters of an hour at least
                minutes = 15 - local.tm_min % 15;
            at += std::time_t{minutes} * 60;
        }
        return 0;
    }

  private:
    using Field = std::set<int>;

    struct Zone {  // the process's, meanwhile
        explicit Zone(const std::string& name) {
            if (const char* now = std::getenv("TZ")) before = now;
            setenv("TZ", (":" + name).c_str(), 1);
            tzset();
        }
        ~Zone() {
            before ? setenv("TZ", before->c_str(), 1) : unsetenv("TZ");
            tzset();
        }
        Zone(const Zone&) = delete;
        Zone& operator=(const Zone&) = delete;
        std::optional<std::string> before;
    };

    static std::string meaning_of(const std::string& text) {
        if (text == "@hourly") return "0 * * * *";
        if (text == "@daily" || text == "@midnight") return "0 0 * * *";
        if (text == "@weekly") return "0 0 * * 0";
        if (text == "@monthly") return "0 0 1 * *";
        if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
        return text;
    }

    bool has_day(const std::tm& local) const {
        const bool day = fields_[2].contains(local.tm_mday), weekday = fields_[4].contains(local.tm_wday);
        return fields_[3].contains(local.tm_mon + 1) && (either_ ? day || weekday : day && weekday);
    }

    bool read(const std::string& text, Field& into, int least, int most,
              const std::vector<std::string>& names) const {
        std::istringstream parts(text);
        for (std::string part; std::getline(parts, part, ',');) {
            const auto slash = part.find('/');
            const auto step = slash == part.npos ? std::optional(1) : value(part.substr(slash + 1), 0, {});
            part = part.substr(0, slash);
            const auto dash = part.find('-');
            std::optional from(least), to(most);
            if (part != "*") {
                from = value(part.substr(0, dash), least, names);
                to = dash == part.npos ? from : value(part.substr(dash + 1), least, names);
                if (slash != part.npos && dash == part.npos) return false;
            }
            if (!step || *step < 1 || !from || !to || *from < least || *from > most || *to < least ||
                *to > most)
                return false;
            const int turn = most - least + 1;
            if (*from > *to && !celery_) return false;
            if (*from > *to) to = *to + turn;
            for (int each = *from; each <= *to; each += *step) into.insert(each > most ? each - turn : each);
        }
        return !into.empty() && !text.ends_with(',');
    }
    static std::optional<int> value(std::string text, int least, const std::vector<std::string>& names) {
        for (char& each : text) each = static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == text) return least + static_cast<int>(i);
        if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != text.npos) return {};
        return std::stoi(text);
    }

    std::array<Field, 5> fields_;  // minute, hour, day of month, month, day of week
    std::string zone_;
    bool celery_ = false, either_ = false;
};

}  // namespace madang::testing::detail
