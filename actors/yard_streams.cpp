// The yard as stream_port: to the groups' homes, to the store, to every loop.
#include <limits>

#include "actors/stream_calls.hpp"
#include "actors/yard_impl.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/names.hpp"
#include "broker/core/random_text.hpp"
#include "broker/core/working_for.hpp"
#include "broker/protocol/json_reader.hpp"
#include "monitoring/metrics.hpp"
#include "storage/store.hpp"

namespace madang {
namespace {

using stream_verb = peer_parcels::call::verb;

// Two searches for a byte, which are vector code; find_first_of("\n\r") is a call per byte.
bool on_one_line(std::string_view json) noexcept {
    return json.find('\n') == std::string_view::npos && json.find('\r') == std::string_view::npos;
}

// What the store answered, to whoever asks; null: nobody does.
template <class T>
void give(const stream_port::answer<T>& done, store_answer&& answer) {
    if (!done) return;
    if (answer)
        done(std::move(std::get<T>(*answer)));
    else
        done(answer.error());
}

// One query, past the groups' homes: the store orders it by itself.
template <class T>
void ask(hub_directory& all, store_request&& what, stream_port::answer<T> done) {
    std::vector<store_request> batch;
    batch.push_back(std::move(what));
    all.asked.fetch_add(1, std::memory_order_relaxed);
    all.kept->submit(std::move(batch), durability::buffered,
                     [&all, done = std::move(done)](std::vector<store_answer> answers) mutable {
                         give(std::exchange(done, nullptr), std::move(answers.front()));
                         all.answered();
                     });
}

// About a stream: in a cluster by way of the group's home, which knows whether it has to be renewed first.
template <class T>
void ask_of_stream(hub_directory& all, std::string group, store_request&& what, stream_port::answer<T> done) {
    if (!all.clustered) return ask(all, std::move(what), std::move(done));
    const auto home = all.home_of(group);
    if (all.credits[home]->exhausted()) {
        if (done) done(fail(errc::busy));
        return;
    }
    auto mail = std::make_shared<envelope>();
    mail->bytes = sizeof(parcels::question);
    all.credits[home]->take(mail->bytes);
    mail->parcels.push_back(parcels::question{
        std::move(group), std::move(what),
        [done = std::move(done)](store_answer&& answer) { give(done, std::move(answer)); }});
    caf::anon_send(all.hubs[home], std::move(mail));
}

// Runs fn(hub) on every loop, then done on the last of them.
template <class Function>
void on_every_loop(std::vector<std::unique_ptr<asio_loop>>& loops, std::vector<std::unique_ptr<hub>>& hubs,
                   Function fn, std::function<void()> done) {
    auto left = std::make_shared<std::atomic<std::size_t>>(loops.size());
    for (std::size_t i = 0; i < loops.size(); ++i)
        loops[i]->post([hub = hubs[i].get(), left, fn, done] {
            fn(*hub);
            if (left->fetch_sub(1, std::memory_order_acq_rel) == 1) done();
        });
}

bool has_history(const namespace_options& options) noexcept { return options.keeps_history(); }
bool has_presence(const namespace_options& options) noexcept { return options.presence; }
using asked_for = bool (*)(const namespace_options&) noexcept;

error lacking(std::string_view group, asked_for what) {
    const auto name = namespace_of(group);
    return fail(errc::not_available,
                (name.empty() ? "the namespace of names without ':'" : "the namespace " + std::string(name)) +
                    (what == &has_history ? " keeps no history; give it history_size and history_ttl: "
                                          : " has no presence; give it presence = true: ") +
                    "[namespace." + (name.empty() ? "\"\"" : std::string(name)) + "]");
}

// Why a group cannot be asked for what `has` looks for; nothing when it can.
std::optional<error> refusal(const namespace_table& all, std::string_view group, asked_for has) {
    if (!valid_group_name(group)) return fail(errc::bad_request, "channel");
    const auto* options = all.of_group(group);
    if (options == nullptr) return fail(errc::unknown_channel);
    if (!has(*options)) return lacking(group, has);
    return std::nullopt;
}

}  // namespace

const namespace_table& yard::namespaces() const noexcept { return state_->directory.namespaces->now(); }
const std::string& yard::node() const noexcept { return state_->directory.node; }

void yard::publish(publish_request what, answer<position> done) {
    const auto refuse = [&](errc code, std::string detail) {
        if (done) done(fail(code, std::move(detail)));
    };
    if (!valid_group_name(what.group)) return refuse(errc::bad_request, "channel");
    if (!is_json(what.data.bytes())) return refuse(errc::bad_request, "data");
    event made{std::string(event::publication_type), std::move(what.data)};
    if (!on_one_line(made.body.bytes())) made.body = payload::copy_of(one_line(made.body.bytes()));
    made.what = event::kind::publication;
    made.time_ms = unix_ms();
    made.origin = origin_of_sending("publish", what.group);
    made.extra = std::move(what.extra);
    std::shared_ptr<publish_ticket> ticket;
    if (done || !what.idempotency_key.empty() || what.skip_history) {
        ticket = std::make_shared<publish_ticket>();
        ticket->key = std::move(what.idempotency_key);
        ticket->skip_history = what.skip_history;
        ticket->done = std::move(done);
    }
    if (this_hub != nullptr) {
        this_hub->group_send(what.group, std::move(made), std::move(ticket));
        return;
    }
    const auto bytes = made.body.bytes().size() + sizeof(event);
    const auto home = state_->hubs.front()->home_of(what.group);
    if (state_->send_from_outside(home, parcels::publish{std::move(what.group), std::move(made), ticket},
                                  bytes) != MADANG_OK &&
        ticket && ticket->done)
        ticket->done(fail(errc::busy));
}

void yard::history(history_request what, answer<history_page> done) {
    if (const auto why = refusal(namespaces(), what.group, has_history)) return done(*why);
    state_->here_or_there(what.group, stream_verb::history, what, std::move(done));
}

void yard::remove_history(std::string group, answer<position> done) {
    if (const auto why = refusal(namespaces(), group, has_history)) return done(*why);
    state_->here_or_there(group, stream_verb::remove_history, group, std::move(done));
}

void yard::presence(presence_request what, answer<presence_page> done) {
    if (const auto why = refusal(namespaces(), what.group, has_presence)) return done(*why);
    state_->here_or_there(what.group, stream_verb::presence, what, std::move(done));
}

void yard::presence_stats(std::string group, answer<presence_counts> done) {
    if (const auto why = refusal(namespaces(), group, has_presence)) return done(*why);
    state_->here_or_there(group, stream_verb::presence_stats, group, std::move(done));
}

void yard::last_seen(std::string group, std::size_t limit, answer<std::vector<last_seen_entry>> done) {
    if (const auto why = refusal(namespaces(), group, has_presence)) return done(*why);
    last_seen_question what{group, limit};
    state_->here_or_there(group, stream_verb::last_seen, what, std::move(done));
}

// ------------------------------------------------------------------------------------------- other nodes

namespace {

// Of this node's store.
void answer_here(hub_directory& all, history_request request, stream_port::answer<history_page> done) {
    queries::history query;
    query.now_ms = unix_ms();
    query.meta_ttl_ms = all.namespaces->now().of_group(request.group)->history_meta_ttl.count();
    query.new_epoch = random_epoch();
    query.most = std::numeric_limits<std::size_t>::max();  // pages: what does not fit is asked for next
    query.what = std::move(request);
    auto group = query.what.group;
    ask_of_stream<history_page>(all, std::move(group), std::move(query), std::move(done));
}
void answer_here(hub_directory& all, std::string group, stream_port::answer<position> done) {
    commands::remove_history command{group, unix_ms()};
    ask_of_stream<position>(all, std::move(group), std::move(command), std::move(done));
}
// Where there is a stream, who was there last comes with it.
template <class T>
void ask_of_presence(hub_directory& all, std::string group, store_request&& what,
                     stream_port::answer<T> done) {
    if (has_history(*all.namespaces->now().of_group(group)))
        return ask_of_stream<T>(all, std::move(group), std::move(what), std::move(done));
    ask<T>(all, std::move(what), std::move(done));
}
void answer_here(hub_directory& all, presence_request request, stream_port::answer<presence_page> done) {
    auto group = request.group;
    ask_of_presence<presence_page>(all, std::move(group), queries::presence{std::move(request)},
                                   std::move(done));
}
void answer_here(hub_directory& all, std::string group, stream_port::answer<presence_counts> done) {
    queries::presence_stats query{group};
    ask_of_presence<presence_counts>(all, std::move(group), std::move(query), std::move(done));
}
void answer_here(hub_directory& all, last_seen_question request,
                 stream_port::answer<std::vector<last_seen_entry>> done) {
    queries::last_seen query{request.group, request.limit};
    ask_of_presence<std::vector<last_seen_entry>>(all, std::move(request.group), std::move(query),
                                                  std::move(done));
}

template <class Request, class Answer>
void answer_body(hub_directory& all, const peer_parcels::call& what, stream_calls::answer done) {
    auto request = from_call_body<Request>(what.body);
    if (!request) return done(request.error());
    answer_here(all, std::move(*request),
                stream_port::answer<Answer>([done = std::move(done)](result<Answer> got) {
                    if (got)
                        done(to_call_body(*got));
                    else
                        done(got.error());
                }));
}

}  // namespace

template <class Request, class Answer>
void yard::state::here_or_there(const std::string& group, stream_verb what, Request& request,
                                stream_port::answer<Answer> done) {
    const auto all = present_routes();
    const auto owner = all ? all->owner_of(group) : cluster_routes::here;
    if (owner == cluster_routes::here) return answer_here(directory, std::move(request), std::move(done));
    auto call = directory.calls.ask(owner, all->peers[owner].link, group, what, to_call_body(request),
                                    [done = std::move(done)](result<std::string> body) {
                                        if (!body) return done(body.error());
                                        done(from_call_body<Answer>(*body));
                                    });
    if (!call) return;
    send_call(hubs.front()->home_of(group), {owner, std::move(*call)});
}

// By way of that loop's hub.
void yard::state::send_call(std::size_t loop, parcels::to_peer parcel) {
    const auto ticket = std::get<peer_parcels::call>(parcel.what).ticket;
    if (this_hub != nullptr)
        this_hub->tell(loop, std::move(parcel));
    else if (send_from_outside(loop, std::move(parcel), sizeof(parcel)) != MADANG_OK)
        directory.calls.refused(ticket, fail(errc::busy));
}

void answer_call(hub_directory& all, const peer_parcels::call& what, stream_calls::answer done) {
    const auto* options = all.namespaces->now().of_group(what.group);
    const bool history = what.what == stream_verb::history || what.what == stream_verb::remove_history;
    if (options == nullptr || !(history ? has_history(*options) : has_presence(*options)))
        return done(fail(errc::not_available, "the nodes' namespaces differ"));
    switch (what.what) {
        case stream_verb::history:
            return answer_body<history_request, history_page>(all, what, std::move(done));
        case stream_verb::remove_history:
            return answer_body<std::string, position>(all, what, std::move(done));
        case stream_verb::presence:
            return answer_body<presence_request, presence_page>(all, what, std::move(done));
        case stream_verb::presence_stats:
            return answer_body<std::string, presence_counts>(all, what, std::move(done));
        case stream_verb::last_seen:
            return answer_body<last_seen_question, std::vector<last_seen_entry>>(all, what, std::move(done));
        case stream_verb::groups:  // of a node: they have no group
        case stream_verb::command:
        case stream_verb::figures:
        case stream_verb::session_mail:
            return done(fail(errc::bad_request, "group"));
    }
    done(fail(errc::not_available, "the question is a later version's"));
}

// ------------------------------------------------------------------------------------------- every loop

void yard::groups(std::string pattern, std::size_t limit, answer<std::map<std::string, std::uint64_t>> done) {
    const auto body = to_call_body(groups_question{pattern, limit});
    state_->groups_here(
        {std::move(pattern), limit}, [this, body, limit, done = std::move(done)](groups_answer here) {
            auto all = std::make_shared<std::map<std::string, std::uint64_t>>(here.begin(), here.end());
            state_->ask_every_node<groups_answer>(
                stream_verb::groups, body,
                [all](groups_answer&& there) {
                    for (auto& [name, count] : there) (*all)[std::move(name)] += count;
                },
                [all, limit, done] {
                    while (all->size() > limit) all->erase(std::prev(all->end()));
                    done(std::move(*all));
                });
        });
}

void yard::command(client_selector whom, client_command what, answer<std::size_t> done) {
    const auto body = to_call_body(command_question{whom, what});
    state_->command_here({std::move(whom), std::move(what)},
                         [this, body, done = std::move(done)](std::uint64_t here) {
                             auto all = std::make_shared<std::uint64_t>(here);
                             state_->ask_every_node<std::uint64_t>(
                                 stream_verb::command, body, [all](std::uint64_t&& there) { *all += there; },
                                 [all, done] {
                                     if (done) done(static_cast<std::size_t>(*all));
                                 });
                         });
}

void yard::figures(answer<std::vector<node_figures>> done) {
    state_->figures_here([this, done = std::move(done)](figures_answer here) {
        here.all.uptime = std::chrono::seconds(here.uptime_s);
        auto all = std::make_shared<std::vector<node_figures>>();
        all->push_back(std::move(here.all));
        state_->ask_every_node<figures_answer>(
            stream_verb::figures, {},
            [all](figures_answer&& there) {
                there.all.uptime = std::chrono::seconds(there.uptime_s);
                all->push_back(std::move(there.all));
            },
            [all, done] { done(std::move(*all)); });
    });
}

// ------------------------------------------------------------------------------------------- of this node

void yard::state::groups_here(groups_question what, std::function<void(groups_answer)> done) {
    struct gathered {
        std::mutex mutex;
        std::map<std::string, std::uint64_t> all;
    };
    auto into = std::make_shared<gathered>();
    on_every_loop(
        loops, hubs,
        [into, what = std::move(what)](hub& each) {
            std::lock_guard lock(into->mutex);
            each.add_groups(into->all, what.pattern, what.limit);
        },
        [into, done = std::move(done)] {
            done({into->all.begin(), into->all.end()});
        });
}

void yard::state::command_here(command_question what, std::function<void(std::uint64_t)> done) {
    auto count = std::make_shared<std::atomic<std::uint64_t>>(0);
    on_every_loop(
        loops, hubs,
        [count, what = std::move(what)](hub& each) {
            count->fetch_add(each.command(what.whom, what.what), std::memory_order_relaxed);
        },
        [count, done = std::move(done)] { done(count->load()); });
}

void yard::state::figures_here(std::function<void(figures_answer)> done) {
    struct gathered {
        std::mutex mutex;
        figures_answer told;
        std::unordered_set<std::string> users;
    };
    auto into = std::make_shared<gathered>();
    into->told.all.id = directory.node;
    into->told.all.name = directory.node_name;
    into->told.all.version = MADANG_VERSION;
    into->told.uptime_s =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
    on_every_loop(
        loops, hubs,
        [into](hub& each) {
            std::lock_guard lock(into->mutex);
            each.add_figures(into->told.all, into->users);
        },
        [into, done = std::move(done)] {
            into->told.all.users = into->users.size();
            done(std::move(into->told));
        });
}

// A node that does not answer before its link is gone is left out.
template <class Answer>
void yard::state::ask_every_node(stream_verb what, const std::string& body, std::function<void(Answer&&)> add,
                                 std::function<void()> done) {
    const auto all = present_routes();
    struct gathering {
        std::mutex mutex;
        std::size_t left;
        std::function<void(Answer&&)> add;
        std::function<void()> done;
        void one_less() {
            std::unique_lock lock(mutex);
            const bool last = --left == 0;
            lock.unlock();
            if (last) done();
        }
    };
    std::vector<std::size_t> linked;
    for (std::size_t peer = 0; all && peer < all->peers.size(); ++peer)
        if (!all->peers[peer].hubs.empty()) linked.push_back(peer);
    auto into = std::make_shared<gathering>();
    into->left = linked.size() + 1;
    into->add = std::move(add);
    into->done = std::move(done);
    for (const auto peer : linked) {
        auto call =
            directory.calls.ask(peer, all->peers[peer].link, {}, what, body, [into](result<std::string> got) {
                if (auto answer = got ? from_call_body<Answer>(*got) : result<Answer>(got.error())) {
                    std::lock_guard lock(into->mutex);
                    into->add(std::move(*answer));
                }
                into->one_less();
            });
        if (call) send_call(this_hub != nullptr ? this_hub->on().index() : 0, {peer, std::move(*call)});
    }
    into->one_less();
}

void yard::state::answer_for_node(const peer_parcels::call& what, stream_calls::answer done) {
    if (what.what == stream_verb::groups) {
        auto asked = from_call_body<groups_question>(what.body);
        if (!asked) return done(asked.error());
        groups_here(std::move(*asked),
                    [done = std::move(done)](groups_answer all) { done(to_call_body(all)); });
    } else if (what.what == stream_verb::command) {
        auto asked = from_call_body<command_question>(what.body);
        if (!asked) return done(asked.error());
        command_here(std::move(*asked),
                     [done = std::move(done)](std::uint64_t count) { done(to_call_body(count)); });
    } else if (what.what == stream_verb::figures) {
        figures_here([done = std::move(done)](figures_answer all) { done(to_call_body(all)); });
    } else if (what.what == stream_verb::session_mail) {
        session_mail_here(what.body, std::move(done));
    } else {
        done(fail(errc::bad_request, "group"));
    }
}

void yard::back_up(std::filesystem::path to, answer<void> done) {
    auto& all = state_->directory;
    all.asked.fetch_add(1, std::memory_order_relaxed);
    all.kept->back_up(std::move(to), [&all, done = std::move(done)](result<void> made) mutable {
        if (auto tell = std::exchange(done, nullptr)) tell(std::move(made));
        all.answered();
    });
}

void yard::leave_stale() {
    for (auto& each : state_->directory.kept->stale_presence()) {
        const auto home = state_->hubs.front()->home_of(each.group);
        auto mail = std::make_shared<envelope>();
        mail->parcels.push_back(parcels::stale{std::move(each)});
        caf::anon_send(state_->directory.hubs[home], std::move(mail));
    }
}

}  // namespace madang
