#include "actors/job_calls.hpp"

#include <utility>

#include "broker/jobs/call_codec.hpp"

namespace madang {
namespace {

using verb = link::call::verb;

// A port's answer as one of the link.
template <class Value>
job_port::answer<Value> back(std::uint64_t number, std::function<void(link::answer&&)> tell) {
    if (number == 0) return nullptr;
    return [number, tell = std::move(tell)](result<Value> got) {
        if (!got)
            tell(link::failed(number, got.error()));
        else if constexpr (std::is_same_v<Value, std::size_t>)
            tell({number, 0, link::to_body(static_cast<std::uint64_t>(*got))});
        else
            tell({number, 0, link::to_body(*got)});
    };
}

}  // namespace

void answer_call(const job_ports& all, link::call&& what, const job_spec* job,
                 std::function<void(link::answer&&)> tell) {
    const auto number = what.number;
    // Runs fn(arguments) when the body is what the verb asks for.
    const auto with = [&]<class Asked>(std::type_identity<Asked>, auto fn) {
        auto asked = link::from_body<Asked>(what.body);
        if (asked)
            fn(std::move(*asked));
        else if (number != 0)
            tell(link::failed(number, asked.error()));
    };
    switch (what.what) {
        case verb::group_send:
            return with(std::type_identity<link::sent>{},
                        [&](link::sent&& sent) { all.layer.group_send(sent.to, sent.type, sent.event); });
        case verb::channel_send:
            return with(std::type_identity<link::sent>{},
                        [&](link::sent&& sent) { all.layer.channel_send(sent.to, sent.type, sent.event); });
        case verb::publish:
            return with(std::type_identity<publish_request>{}, [&](publish_request&& asked) {
                all.streams.publish(std::move(asked), back<position>(number, std::move(tell)));
            });
        case verb::history:
            return with(std::type_identity<history_request>{}, [&](history_request&& asked) {
                if (number != 0)
                    all.streams.history(std::move(asked), back<history_page>(number, std::move(tell)));
            });
        case verb::presence:
            return with(std::type_identity<presence_request>{}, [&](presence_request&& asked) {
                if (number != 0)
                    all.streams.presence(std::move(asked), back<presence_page>(number, std::move(tell)));
            });
        case verb::presence_stats:
            return with(std::type_identity<std::string>{}, [&](std::string&& group) {
                if (number != 0)
                    all.streams.presence_stats(std::move(group),
                                               back<presence_counts>(number, std::move(tell)));
            });
        case verb::last_seen:
            return with(std::type_identity<link::last_seen_call>{}, [&](link::last_seen_call&& asked) {
                if (number != 0)
                    all.streams.last_seen(std::move(asked.group), asked.limit,
                                          back<std::vector<last_seen_entry>>(number, std::move(tell)));
            });
        case verb::enqueue:
            return with(std::type_identity<enqueue_request>{}, [&](enqueue_request&& asked) {
                if (job != nullptr) {
                    asked.parent = job->id;
                    if (asked.correlation_id.empty()) asked.correlation_id = job->correlation_id;
                }
                all.jobs.enqueue(std::move(asked), back<enqueued>(number, std::move(tell)));
            });
        case verb::cancel:
            return with(std::type_identity<link::cancel_call>{}, [&](link::cancel_call&& asked) {
                all.jobs.cancel(std::move(asked.ids), std::move(asked.reason),
                                back<std::size_t>(number, std::move(tell)));
            });
        case verb::find:
            return with(std::type_identity<link::find_call>{}, [&](link::find_call&& asked) {
                if (number != 0)
                    all.jobs.find(std::move(asked.id), asked.wait, back<job_view>(number, std::move(tell)));
            });
    }
}

// ------------------------------------------------------------------------------------------- other nodes

namespace {

template <class Value>
job_port::answer<Value> code_and_body(job_away::tell tell) {
    return [tell = std::move(tell)](result<Value> got) {
        if (!got) {
            auto why = link::failed(0, got.error());
            return tell(why.code, std::move(why.body));
        }
        if constexpr (std::is_same_v<Value, std::size_t>)
            tell(0, link::to_body(static_cast<std::uint64_t>(*got)));
        else
            tell(0, link::to_body(*got));
    };
}

}  // namespace

void answer_job_call(job_port& jobs, job_verb what, std::string_view body, job_away::tell tell) {
    const auto with = [&]<class Asked>(std::type_identity<Asked>, auto fn) {
        auto asked = link::from_body<Asked>(body);
        if (asked) return fn(std::move(*asked));
        auto why = link::failed(0, asked.error());
        tell(why.code, std::move(why.body));
    };
    using ids = std::type_identity<std::vector<std::string>>;
    using name = std::type_identity<std::string>;
    using none = std::type_identity<link::nothing>;
    switch (what) {
        case job_verb::enqueue:
            return with(std::type_identity<enqueue_request>{}, [&](enqueue_request&& asked) {
                jobs.enqueue(std::move(asked), code_and_body<enqueued>(std::move(tell)));
            });
        case job_verb::cancel:
            return with(std::type_identity<link::cancel_call>{}, [&](link::cancel_call&& asked) {
                jobs.cancel(std::move(asked.ids), std::move(asked.reason),
                            code_and_body<std::size_t>(std::move(tell)));
            });
        case job_verb::find:
            return with(std::type_identity<link::find_call>{}, [&](link::find_call&& asked) {
                jobs.find(std::move(asked.id), asked.wait, code_and_body<job_view>(std::move(tell)));
            });
        case job_verb::list:
            return with(std::type_identity<job_filter>{}, [&](job_filter&& asked) {
                jobs.list(std::move(asked), code_and_body<job_page>(std::move(tell)));
            });
        case job_verb::requeue:
            return with(ids{}, [&](std::vector<std::string>&& asked) {
                jobs.requeue(std::move(asked), code_and_body<std::size_t>(std::move(tell)));
            });
        case job_verb::discard:
            return with(ids{}, [&](std::vector<std::string>&& asked) {
                jobs.discard(std::move(asked), code_and_body<std::size_t>(std::move(tell)));
            });
        case job_verb::queues:
            return with(none{}, [&](link::nothing) {
                jobs.queues(code_and_body<std::vector<queue_view>>(std::move(tell)));
            });
        case job_verb::pause:
            return with(std::type_identity<link::pause_call>{}, [&](link::pause_call&& asked) {
                jobs.pause(std::move(asked.queue), asked.paused, code_and_body<bool>(std::move(tell)));
            });
        case job_verb::purge:
            return with(name{}, [&](std::string&& asked) {
                jobs.purge(std::move(asked), code_and_body<std::size_t>(std::move(tell)));
            });
        case job_verb::workers:
            return with(none{}, [&](link::nothing) {
                jobs.workers(code_and_body<std::vector<worker_view>>(std::move(tell)));
            });
        case job_verb::schedules:
            return with(none{}, [&](link::nothing) {
                jobs.schedules(code_and_body<std::vector<schedule_view>>(std::move(tell)));
            });
        case job_verb::put_schedule:
            return with(std::type_identity<link::put_schedule_call>{}, [&](link::put_schedule_call&& asked) {
                jobs.put_schedule(std::move(asked.name), std::move(asked.json),
                                  code_and_body<schedule_view>(std::move(tell)));
            });
        case job_verb::remove_schedule:
            return with(name{}, [&](std::string&& asked) {
                jobs.remove_schedule(std::move(asked), code_and_body<bool>(std::move(tell)));
            });
        case job_verb::next_fires:
            return with(std::type_identity<link::next_fires_call>{}, [&](link::next_fires_call&& asked) {
                jobs.next_fires(std::move(asked.name), std::move(asked.json), asked.count,
                                code_and_body<std::vector<std::int64_t>>(std::move(tell)));
            });
    }
}

template <class Value>
job_away::tell hearing(job_port::answer<Value> done) {
    return [done = std::move(done)](std::uint32_t code, std::string body) {
        if (!done) return;
        if (code != 0) return done(link::error_of({0, code, std::move(body)}));
        using told = std::conditional_t<std::is_same_v<Value, std::size_t>, std::uint64_t, Value>;
        auto got = link::from_body<told>(body);
        if (!got) return done(got.error());
        done(static_cast<Value>(std::move(*got)));
    };
}

template job_away::tell hearing(job_port::answer<enqueued>);
template job_away::tell hearing(job_port::answer<std::size_t>);
template job_away::tell hearing(job_port::answer<job_view>);
template job_away::tell hearing(job_port::answer<job_page>);
template job_away::tell hearing(job_port::answer<std::vector<queue_view>>);
template job_away::tell hearing(job_port::answer<bool>);
template job_away::tell hearing(job_port::answer<std::vector<worker_view>>);
template job_away::tell hearing(job_port::answer<std::vector<schedule_view>>);
template job_away::tell hearing(job_port::answer<schedule_view>);
template job_away::tell hearing(job_port::answer<std::vector<std::int64_t>>);

}  // namespace madang
