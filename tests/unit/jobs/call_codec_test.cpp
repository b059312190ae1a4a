#include "broker/jobs/call_codec.hpp"

#include <gtest/gtest.h>

namespace madang::link {
namespace {

using namespace std::string_literals;

template <class Value>
Value there_and_back(const Value& what) {
    const auto body = to_body(what);
    auto back = from_body<Value>(body);
    EXPECT_TRUE(back);
    if (!back) return {};
    EXPECT_EQ(to_body(*back), body);
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_FALSE(from_body<Value>(std::string_view(body).substr(0, size))) << size;
    EXPECT_FALSE(from_body<Value>(body + '\0'));
    return std::move(*back);
}

std::shared_ptr<const publication_extra> some_extra() {
    publication_extra extra;
    extra.info = std::make_shared<const client_info>(client_info{"c", "u", "{}", ""});
    extra.tags = {{"a", "1"}, {"b", ""}};
    return std::make_shared<const publication_extra>(std::move(extra));
}

TEST(CallCodec, HasTheseBytes) {
    EXPECT_EQ(to_body(position{"ab", 3}), "\2\0\0\0ab\3\0\0\0\0\0\0\0"s);
    EXPECT_EQ(to_body(std::uint64_t{258}), "\2\1\0\0\0\0\0\0"s);
    EXPECT_EQ(to_body("g"s), "\1\0\0\0g"s);
    EXPECT_EQ(to_body(cancel_call{{"j"}, "r"}), "\1\0\0\0\1\0\0\0j\1\0\0\0r"s);
    EXPECT_EQ(to_body(find_call{"j", std::chrono::milliseconds(1)}), "\1\0\0\0j\1\0\0\0\0\0\0\0"s);
    EXPECT_EQ(to_body(enqueue_request{{"{}"}, "k", "", "p", durability::synced}),
              "\1\0\0\0\2\0\0\0{}\1\0\0\0k\0\0\0\0\1\0\0\0p\1\1"s);
    EXPECT_EQ(to_body(enqueued{{{"j", true, {}}}, false}), "\1\0\0\0\1\0\0\0j\1\0\0\0\0\0"s);
}

TEST(CallCodec, GivesBackEventsAndPublications) {
    const auto event = there_and_back(sent{"g", "x.y", payload::copy_of("{\"a\":1}")});
    EXPECT_EQ(event.to + event.type, "gx.y");
    EXPECT_EQ(event.event.bytes(), "{\"a\":1}");
    const auto asked = there_and_back(publish_request{"g", payload::copy_of("1"), some_extra(), "k", true});
    EXPECT_EQ(*asked.extra, *some_extra());
    EXPECT_TRUE(asked.skip_history);
    EXPECT_EQ(there_and_back(publish_request{"g", payload::copy_of("1"), {}, "", false}).extra, nullptr);
}

TEST(CallCodec, GivesBackHistoryAndPresence) {
    const auto asked = there_and_back(history_request{"g", 7, position{"e", 3}, true});
    EXPECT_EQ(asked.since, (position{"e", 3}));
    EXPECT_FALSE(there_and_back(history_request{"g", 0, {}, false}).since);
    const auto page = there_and_back(history_page{
        {"e", 9}, {{payload::copy_of("1"), 8, 1000, {}}, {payload::copy_of("2"), 9, 1001, some_extra()}}});
    ASSERT_EQ(page.publications.size(), 2U);
    EXPECT_EQ(page.publications[1].data.bytes(), "2");
    EXPECT_EQ(page.publications[1].extra->info->user, "u");
    const auto who = there_and_back(presence_page{{{{"c", "u", "", ""}, 5}}, true});
    EXPECT_EQ(who.clients.at(0).since_ms, 5);
    EXPECT_TRUE(who.more);
    EXPECT_EQ(there_and_back(presence_counts{3, 2}).users, 2U);
    EXPECT_EQ(there_and_back(last_seen_call{"g", 4}).limit, 4U);
    EXPECT_EQ(there_and_back(std::vector<last_seen_entry>{{"u", -1}}).at(0).time_ms, -1);
}

TEST(CallCodec, GivesBackAJobsView) {
    job_view view;
    view.spec.id = "j";
    view.spec.priority = 9;
    view.spec.retry.max_retries = -1;
    view.spec.limit = {"k", 1, 2, 3};
    view.spec.next = {"a", "b"};
    view.spec.part_of = {"chord", 4};
    view.spec.immutable = true;
    view.state = job_state::rejected;
    view.error = {"E", "m", "t"};
    view.history = {{1, 2, "w", {"E", "", ""}}};
    view.progress = "1";
    view.dead = true;
    const auto back = there_and_back(view);
    EXPECT_EQ(back.spec, view.spec);
    EXPECT_EQ(back.state, job_state::rejected);
    EXPECT_EQ(back.history, view.history);
    EXPECT_EQ(back.progress, "1");
    EXPECT_TRUE(back.dead);
}

TEST(CallCodec, GivesBackWhatNodesAskEachOther) {
    job_filter filter;
    filter.state = job_state::failure;
    filter.dead = true;
    filter.queue = "q";
    filter.limit = 7;
    filter.after = "x";
    const auto asked = there_and_back(filter);
    EXPECT_EQ(asked.state, job_state::failure);
    EXPECT_EQ(asked.limit, 7U);
    EXPECT_EQ(asked.after, "x");
    job_page page;
    page.jobs.resize(2);
    page.jobs[1].spec.id = "j";
    page.next = "n";
    EXPECT_EQ(there_and_back(page).jobs.at(1).spec.id, "j");
    EXPECT_EQ(there_and_back(std::vector<std::string>{"a", "b"}).at(1), "b");
    EXPECT_EQ(to_body(nothing{}), "");
    EXPECT_TRUE(from_body<nothing>(""));
    queue_view queue;
    queue.name = "q";
    queue.ready = 3;
    queue.oldest_ms = -1;
    queue.paused = true;
    EXPECT_EQ(there_and_back(std::vector<queue_view>{queue}).at(0).oldest_ms, -1);
    EXPECT_EQ(there_and_back(pause_call{"q", false}).queue, "q");
    EXPECT_TRUE(there_and_back(true));
    worker_view worker;
    worker.queues = {"a"};
    worker.done = 9;
    worker.stopping = true;
    EXPECT_EQ(there_and_back(std::vector<worker_view>{worker}).at(0).done, 9U);
    schedule_view schedule;
    schedule.source = "api";
    schedule.next_fire_ms = 12;
    schedule.enabled = false;
    EXPECT_EQ(there_and_back(schedule).next_fire_ms, 12);
    EXPECT_FALSE(there_and_back(std::vector<schedule_view>{schedule}).at(0).enabled);
    EXPECT_EQ(there_and_back(put_schedule_call{"n", "{}"}).json, "{}");
    EXPECT_EQ(there_and_back(next_fires_call{"n", "", 4}).count, 4U);
    EXPECT_EQ(there_and_back(std::vector<std::int64_t>{1, -2}).at(1), -2);
}

TEST(CallCodec, RefusesCountsThatTheBytesCannotHold) {
    EXPECT_FALSE(from_body<std::vector<last_seen_entry>>("\xff\xff\xff\xff"));
    EXPECT_FALSE(from_body<cancel_call>("\xff\xff\xff\x7fxxxxxxxxxxxxxxxx"));
}

TEST(CallCodec, TellsErrorsByTheirWireCode) {
    for (const auto code : {errc::bad_request, errc::unknown_task, errc::busy, errc::storage_full}) {
        const auto told = failed(7, fail(code, "[0].task"));
        EXPECT_EQ(told.number, 7U);
        EXPECT_EQ(error_of(told), fail(code, "[0].task"));
    }
    EXPECT_EQ(error_of(failed(7, fail(errc::system_failure, "x"))), fail(errc::internal, "x"));
    EXPECT_EQ(error_of({7, 99999, "x"}), fail(errc::internal, "x"));
}

}  // namespace
}  // namespace madang::link
