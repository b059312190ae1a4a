// A stream_port whose answers the test chooses, and which remembers what it was asked.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "broker/core/streams.hpp"

namespace madang::testing {

// Answers at once, unless `later`: then run_later() does, in order. One thread.
class fake_streams final : public stream_port {
  public:
    fake_streams() {
        if (!table.set("news", R"({"history_size":100000,"history_ttl":"1h","presence":true})", "news"))
            throw std::logic_error("the namespace is wrong");
    }

    void publish(publish_request what, answer<position> done) override {
        asked.push_back("publish " + what.group + " " + std::string(what.data.bytes()));
        published.push_back(what);
        const position at{"e1", published.size()};
        give(std::move(done), at);
    }
    void history(history_request what, answer<history_page> done) override {
        asked.push_back("history " + what.group + " " + std::to_string(what.limit));
        history_page page{{"e1", kept.size()}, {}};
        if (what.since && what.since->epoch != "e1" && !what.since->epoch.empty())
            return refuse(std::move(done), fail(errc::unrecoverable_position));
        auto in_order = kept;
        if (what.reverse) std::reverse(in_order.begin(), in_order.end());
        for (const auto& each : in_order) {
            if (page.publications.size() >= what.limit) break;
            if (what.since &&
                (what.reverse ? each.offset >= what.since->offset : each.offset <= what.since->offset))
                continue;
            page.publications.push_back(each);
        }
        largest_page = std::max(largest_page, page.publications.size());
        give(std::move(done), std::move(page));
    }
    void remove_history(std::string group, answer<position> done) override {
        asked.push_back("remove_history " + group);
        give(std::move(done), position{"e1", kept.size()});
    }
    void presence(presence_request what, answer<presence_page> done) override {
        asked.push_back("presence " + what.group + " after " + what.after);
        presence_page page;
        for (const auto& each : present) {
            if (each.who.client <= what.after) continue;
            if (page.clients.size() == what.limit) {
                page.more = true;
                break;
            }
            page.clients.push_back(each);
        }
        give(std::move(done), std::move(page));
    }
    void presence_stats(std::string group, answer<presence_counts> done) override {
        asked.push_back("presence_stats " + group);
        give(std::move(done), presence_counts{3, 2});
    }
    void last_seen(std::string group, std::size_t limit, answer<std::vector<last_seen_entry>> done) override {
        asked.push_back("last_seen " + group + " " + std::to_string(limit));
        give(std::move(done), std::vector<last_seen_entry>{{"ada", 1700000000000}});
    }
    void groups(std::string pattern, std::size_t limit,
                answer<std::map<std::string, std::uint64_t>> done) override {
        asked.push_back("groups " + pattern + " " + std::to_string(limit));
        auto found = live;
        while (found.size() > limit) found.erase(std::prev(found.end()));
        give(std::move(done), std::move(found));
    }
    void command(client_selector whom, client_command what, answer<std::size_t> done) override {
        asked.push_back("command " + whom.user + "/" + whom.client + "/" + whom.session);
        commands.push_back(std::move(what));
        give(std::move(done), std::size_t{2});
    }
    void figures(answer<std::vector<node_figures>> done) override {
        asked.push_back("figures");
        give(std::move(done),
             std::vector<node_figures>{{"n1", "yard", "0.1.0", 5, 4, 7, 3, std::chrono::seconds(60)}});
    }
    const namespace_table& namespaces() const noexcept override { return table; }

    void run_later() {
        for (auto ready = std::exchange(waiting, {}); !ready.empty(); ready.pop_front()) ready.front()();
    }
    void keep(std::size_t count, std::size_t bytes = 1) {
        kept.clear();
        for (std::uint64_t i = 1; i <= count; ++i)
            kept.push_back({payload::copy_of("\"" + std::string(bytes, 'x') + "\""),
                            i,
                            1000 + static_cast<std::int64_t>(i),
                            {}});
    }

    namespace_table table;
    std::vector<std::string> asked;
    std::vector<publish_request> published;
    std::vector<client_command> commands;
    std::vector<publication> kept;
    std::vector<present_client> present;
    std::map<std::string, std::uint64_t> live{{"news:kr", 2}, {"news:us", 1}};
    std::size_t largest_page = 0;
    std::optional<error> failing;  // every answer
    bool later = false;
    std::deque<std::function<void()>> waiting;

  private:
    template <class T>
    void give(answer<T> done, T value) {
        if (failing) return refuse(std::move(done), *failing);
        auto tell = [done = std::move(done), value = std::move(value)] { done(value); };
        later ? waiting.push_back(std::move(tell)) : tell();
    }
    template <class T>
    void refuse(answer<T> done, error why) {
        auto tell = [done = std::move(done), why = std::move(why)] { done(why); };
        later ? waiting.push_back(std::move(tell)) : tell();
    }
};

}  // namespace madang::testing
