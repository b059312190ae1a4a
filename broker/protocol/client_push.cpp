#include "broker/protocol/client_push.hpp"

#include "broker/protocol/json_reader.hpp"

namespace madang {

namespace {

void begin_push(std::string& out, std::string_view group, std::string_view what) {
    out += R"({"push":{"channel":)";
    append_json_string(out, group);
    out += what;
}

void append_reason(std::string& out, std::uint16_t code, std::string_view reason) {
    out += R"({"code":)";
    append_number(out, code);
    out += R"(,"reason":)";
    append_json_string(out, reason);
}

}  // namespace

void append_client_info(std::string& out, const client_info& who) {
    out += R"({"user":)";
    append_json_string(out, who.user);
    out += R"(,"client":)";
    append_json_string(out, who.client);
    if (!who.conn_info.empty()) out.append(R"(,"conn_info":)").append(who.conn_info);
    if (!who.chan_info.empty()) out.append(R"(,"chan_info":)").append(who.chan_info);
    out += '}';
}

void append_publication(std::string& out, const publication& what) {
    const auto data = what.data.bytes();
    out += R"({"data":)";
    out += data.empty() ? std::string_view("null") : data;
    if (what.extra != nullptr && what.extra->info != nullptr) {
        out += R"(,"info":)";
        append_client_info(out, *what.extra->info);
    }
    if (what.offset != 0) {
        out += R"(,"offset":)";
        append_number(out, what.offset);
    }
    if (what.extra != nullptr && !what.extra->tags.empty()) {
        char before = '{';
        out += R"(,"tags":)";
        for (const auto& each : what.extra->tags) {
            out += before;
            before = ',';
            append_json_string(out, each.name);
            out += ':';
            append_json_string(out, each.value);
        }
        out += '}';
    }
    if (what.time_ms > 0) {
        out += R"(,"time":)";
        append_number(out, static_cast<std::uint64_t>(what.time_ms));
    }
    out += '}';
}

void append_publication_push(std::string& out, std::string_view group, const publication& what) {
    out.reserve(out.size() + group.size() + what.data.bytes().size() + 112);  // without info and tags: all
    begin_push(out, group, R"(,"pub":)");
    append_publication(out, what);
    out += "}}";
}

void append_join_push(std::string& out, std::string_view group, const client_info& who) {
    begin_push(out, group, R"(,"join":{"info":)");
    append_client_info(out, who);
    out += "}}}";
}

void append_leave_push(std::string& out, std::string_view group, const client_info& who) {
    begin_push(out, group, R"(,"leave":{"info":)");
    append_client_info(out, who);
    out += "}}}";
}

void append_unsubscribe_push(std::string& out, std::string_view group, std::uint16_t code,
                             std::string_view reason) {
    begin_push(out, group, R"(,"unsubscribe":)");
    append_reason(out, code, reason);
    out += "}}}";
}

}  // namespace madang
