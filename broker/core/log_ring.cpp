#include "broker/core/log_ring.hpp"

#include <algorithm>
#include <vector>

namespace madang {
namespace {

constexpr std::string_view json_begin = "\"level\":\"";

log_level level_of(std::string_view line) {
    if (line.starts_with(json_begin)) line.remove_prefix(json_begin.size());
    return parse_log_level(line.substr(0, line.find_first_of(" \"")));
}

// Where the quoted text that begins at `at` ends, behind its quote.
std::size_t quoted_end(std::string_view line, std::size_t at) {
    for (++at; at < line.size() && line[at] != '"'; ++at)
        if (line[at] == '\\') ++at;
    return std::min(at + 1, line.size());
}

// "a=1 b=\"x y\"" as the members of a JSON object: quoted values are JSON already, and so is what needs no
// quotes once it has them.
void append_members(std::string& out, std::string_view fields) {
    for (std::size_t at = 0; at < fields.size();) {
        const auto equals = fields.find('=', at);
        if (equals == fields.npos) return;
        const auto begin = equals + 1;
        const bool quoted = begin < fields.size() && fields[begin] == '"';
        const auto end =
            quoted ? quoted_end(fields, begin) : std::min(fields.find(' ', begin), fields.size());
        out.append(out.back() == '{' ? "\"" : ",\"").append(fields.substr(at, equals - at)).append("\":");
        out.append(quoted ? "" : "\"").append(fields.substr(begin, end - begin)).append(quoted ? "" : "\"");
        at = end + 1;
    }
}

// `"level":"info","event":"e","fields":{…}` of a line in either format.
void append_line(std::string& out, std::string_view line) {
    if (line.starts_with(json_begin)) {
        const auto level_end = quoted_end(line, json_begin.size() - 1);
        const auto event_end = quoted_end(line, std::min(line.find(':', level_end) + 1, line.size()));
        out.append(line.substr(0, event_end)).append(",\"fields\":{");
        if (event_end < line.size()) out += line.substr(event_end + 1);
    } else {
        const auto level_end = std::min(line.find(' '), line.size());
        const auto event = std::min(line.find_first_not_of(' ', level_end), line.size());
        const auto event_end = std::min(line.find(' ', event), line.size());
        out.append(json_begin).append(line.substr(0, level_end)).append("\",\"event\":\"");
        out.append(line.substr(event, event_end - event)).append("\",\"fields\":{");
        append_members(out, line.substr(std::min(event_end + 1, line.size())));
    }
    out += '}';
}

}  // namespace

void log_ring::add(std::int64_t unix_ms, std::string_view line) {
    kept one{unix_ms, level_of(line), std::string(line)};
    const std::lock_guard lock(mutex_);
    ++added_;
    bytes_ += cost(one);
    lines_.push_back(std::move(one));
    while (lines_.size() > limits_.lines || bytes_ > limits_.bytes) {
        bytes_ -= cost(lines_.front());
        lines_.pop_front();
        if (lines_.empty()) break;
    }
}

std::string log_ring::read(const question& what) const {
    const std::lock_guard lock(mutex_);
    const auto before = added_ - lines_.size();  // the number of the last line that is not kept
    // A number that is yet to come is of another run of the server.
    const auto after = what.after <= added_ ? what.after : 0;
    std::vector<std::size_t> found;  // the newest first
    std::size_t skipped = 0;
    for (auto i = lines_.size(); i > std::max(after, before) - before; --i) {
        const auto& each = lines_[i - 1];
        if (each.level < what.least || each.line.find(what.text) == std::string::npos) continue;
        if (found.size() < what.limit)
            found.push_back(i - 1);
        else
            ++skipped;
    }
    std::string out = "{\"next\":" + std::to_string(added_) +
                      ",\"lost\":" + std::to_string(after != 0 && after < before ? before - after : 0) +
                      ",\"skipped\":" + std::to_string(skipped) + ",\"lines\":[";
    for (auto each = found.rbegin(); each != found.rend(); ++each) {
        out.append(each == found.rbegin() ? "" : ",")
            .append("{\"n\":")
            .append(std::to_string(before + *each + 1));
        out.append(",\"time_ms\":").append(std::to_string(lines_[*each].unix_ms)).append(",");
        append_line(out, lines_[*each].line);
        out += '}';
    }
    return out + "]}";
}

}  // namespace madang
