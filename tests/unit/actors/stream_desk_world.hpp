// A desk of streams with a store of one shard that keeps what it is asked to in vectors, and answers when the
// test says so.
#pragma once

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <set>

#include "actors/stream_desk.hpp"

namespace madang {

class desk_world : public stream_desk_host {
  public:
    desk_world() {
        namespace_table rules;
        EXPECT_TRUE(rules.set("kept", R"({"history_size":3,"history_ttl":"1m","recovery":true})", "test"));
        EXPECT_TRUE(rules.set("loose", R"({"history_size":3,"history_ttl":"1m","ordered":false})", "test"));
        EXPECT_TRUE(rules.set(
            "synced", R"({"history_size":3,"history_ttl":"1m","history_durability":"synced"})", "test"));
        EXPECT_TRUE(rules.set("room", R"({"presence":true,"join_leave":true})", "test"));
        EXPECT_TRUE(rules.set("hall", R"({"presence":true,"crash_leaves":true})", "test"));
        names.replace(std::move(rules));
    }

    // -- stream_desk_host
    void hand_to_group(const std::string& group, event&& what) override {
        std::string line = group + " ";
        if (what.what == event::kind::join)
            line += "+" + what.who->client;
        else if (what.what == event::kind::leave)
            line += "-" + what.who->client;
        else
            line += std::string(what.body.bytes());
        if (!what.for_consumers()) resident.push_back(what.resident);
        if (what.offset != 0) line += "@" + std::to_string(what.offset);
        told.push_back(line);
    }
    void submit(std::shared_ptr<desk_batch> what, durability how) override {
        submitted.push_back({std::move(what), how});
    }
    void touched() override { ++touches; }
    void answer(std::shared_ptr<subscribe_ticket> whom, result<subscribed>&& what) override {
        whom->done(std::move(what));
    }
    std::int64_t now_ms() const override { return 1000; }
    std::uint64_t tenure_of(const std::string&) const override { return tenure; }
    std::string random_epoch() override { return "e" + std::to_string(++epochs); }
    void count_refused() override { ++refused; }
    void stream_began(const std::string& group) override { told.push_back(group + " began"); }
    void presence_unwritten(std::size_t count) override { unwritten = count; }
    void count_repaired() override { ++repaired; }

    void turn() { desk.flush(); }
    // Answers the oldest submission.
    void answer() {
        auto [batch, how] = std::move(submitted.front());
        submitted.pop_front();
        std::vector<store_answer> answers;
        for (auto& each : batch->requests) answers.push_back(failing ? store_answer(*failing) : apply(each));
        desk.complete(*batch, std::move(answers));
    }
    store_answer apply(store_request& request) {
        if (auto* p = std::get_if<commands::publish>(&request)) {
            auto& stream = streams[p->group];
            if (stream.epoch.empty()) stream.epoch = p->new_epoch;
            if (!p->idempotency_key.empty()) {
                const auto [known, fresh] = stream.keys.emplace(p->idempotency_key, stream.top + 1);
                if (!fresh) return store_value(published{{stream.epoch, known->second}, true});
            }
            if (p->key_only) return store_value(published{});
            asked_size = p->history_size;
            p->what.offset = ++stream.top;
            stream.kept.push_back(p->what);
            if (stream.kept.size() > p->history_size) stream.kept.erase(stream.kept.begin());
            return store_value(published{{stream.epoch, stream.top}, false});
        }
        if (auto* q = std::get_if<queries::history>(&request)) {
            auto& stream = streams[q->what.group];
            if (stream.epoch.empty()) stream.epoch = q->new_epoch;
            history_page page;
            page.top = {stream.epoch, stream.top};
            if (q->what.since && !q->what.since->epoch.empty() && q->what.since->epoch != stream.epoch)
                return fail(errc::unrecoverable_position);
            for (const auto& each : stream.kept)
                if (!q->what.since || each.offset > q->what.since->offset) page.publications.push_back(each);
            if (q->what.reverse) std::reverse(page.publications.begin(), page.publications.end());
            if (page.publications.size() > q->what.limit) page.publications.resize(q->what.limit);
            return store_value(std::move(page));
        }
        if (auto* r = std::get_if<commands::renew>(&request)) {
            if (renewals_fail) return fail(errc::storage_full);
            const auto found = streams.find(r->group);
            if (found == streams.end()) return store_value(position{});
            found->second.epoch = r->new_epoch;
            return store_value(position{r->new_epoch, found->second.top});
        }
        if (auto* e = std::get_if<commands::enter>(&request)) {
            const bool changed = present.emplace(e->group + "/" + e->who.who.client, e->who).second;
            return store_value(presence_change{changed, e->who, {}});
        }
        auto& l = std::get<commands::leave>(request);
        const auto found = present.find(l.group + "/" + l.client);
        if (found == present.end()) return store_value(presence_change{});
        presence_change change{true, found->second, {}};
        present.erase(found);
        return store_value(std::move(change));
    }

    void publish(const std::string& group, const std::string& body,
                 std::shared_ptr<publish_ticket> ticket = nullptr) {
        event made{std::string(event::publication_type), payload::copy_of(body)};
        made.what = event::kind::publication;
        desk.send(group, std::move(made), std::move(ticket));
    }
    void send(const std::string& group, const std::string& body) {
        desk.send(group, event{"said", payload::copy_of(body)}, nullptr);
    }
    std::shared_ptr<publish_ticket> ticket(std::string key = "") {
        auto made = std::make_shared<publish_ticket>();
        made->key = std::move(key);
        made->done = [this](result<position> at) {
            positions.push_back(at ? std::to_string(at->offset)
                                   : std::string(describe(at.error().code).name));
        };
        return made;
    }
    // "recovered [1 2] top 2", "lost top 2", "no stream" or an error's name.
    std::string subscribe(const std::string& group, std::optional<position> since, bool cache = false,
                          std::size_t limit = 10) {
        auto ask = std::make_shared<subscribe_ticket>();
        ask->how.positioned = true;
        ask->how.recover_since = std::move(since);
        ask->how.cache = cache;
        ask->how.recover_limit = limit;
        std::string text;
        ask->done = [&](result<subscribed> got) {
            if (!got) {
                text = describe(got.error().code).name;
                return;
            }
            text = got->recovered ? "recovered [" : "[";
            for (const auto& each : got->missed)
                text += (text.back() == '[' ? "" : " ") + std::to_string(each.offset);
            text += got->top ? "] top " + std::to_string(got->top->offset) : "] no stream";
        };
        desk.joined(group, 1, nullptr, std::move(ask));
        turn();
        while (!submitted.empty()) {
            answer();
            turn();
        }
        return text;
    }
    std::shared_ptr<const member_info> member(const std::string& client) {
        auto made = std::make_shared<member_info>();
        made->who.client = client;
        made->presence = made->join_leave = true;
        return made;
    }

    struct stream {
        std::string epoch;
        std::uint64_t top = 0;
        std::vector<publication> kept;
        std::map<std::string, std::uint64_t> keys;
    };
    reloadable<namespace_table> names;
    std::uint32_t asked_size = 0;  // of the last publication
    std::map<std::string, stream> streams;
    std::map<std::string, present_client> present;
    std::deque<std::pair<std::shared_ptr<desk_batch>, durability>> submitted;
    std::vector<std::string> told, positions;
    std::vector<bool> resident;  // of the joins and leaves among them
    std::optional<error> failing;
    int touches = 0, epochs = 0, refused = 0, repaired = 0;
    std::size_t unwritten = 0;
    std::uint64_t tenure = 0;
    bool renewals_fail = false;
    stream_desk desk{*this, names, "me"};
};

struct StreamDesk : testing::Test, desk_world {};

}  // namespace madang
