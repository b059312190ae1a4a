// The yard as stream_port: to the groups' homes, to the store, to every loop.
#include <limits>

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

// Two searches for a byte, which are vector code; find_first_of("\n\r") is a call per byte.
bool on_one_line(std::string_view json) noexcept {
    return json.find('\n') == std::string_view::npos && json.find('\r') == std::string_view::npos;
}

// One query, past the groups' homes: the store orders it by itself.
template <class T>
void ask(hub_directory& all, store_request&& what, stream_port::answer<T> done) {
    std::vector<store_request> batch;
    batch.push_back(std::move(what));
    all.asked.fetch_add(1, std::memory_order_relaxed);
    all.kept->submit(std::move(batch), durability::buffered,
                     [&all, done = std::move(done)](std::vector<store_answer> answers) mutable {
                         auto& answer = answers.front();
                         if (auto tell = std::exchange(done, nullptr)) {
                             if (answer)
                                 tell(std::move(std::get<T>(*answer)));
                             else
                                 tell(answer.error());
                         }
                         all.answered();
                     });
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

// Why a group cannot be asked for what `has` looks for; nothing when it can.
std::optional<error> refusal(const namespace_table& all, std::string_view group,
                             bool (*has)(const namespace_options&) noexcept) {
    if (!valid_group_name(group)) return fail(errc::bad_request, "channel");
    const auto* options = all.of_group(group);
    if (options == nullptr) return fail(errc::unknown_channel);
    if (!has(*options)) return fail(errc::not_available);
    return std::nullopt;
}

}  // namespace

const namespace_table& yard::namespaces() const noexcept { return *state_->directory.namespaces; }
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
    made.request_id = working_for::request_id();
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
    queries::history query;
    query.now_ms = unix_ms();
    query.meta_ttl_ms = namespaces().of_group(what.group)->history_meta_ttl.count();
    query.new_epoch = random_epoch();
    query.most = std::numeric_limits<std::size_t>::max();  // pages: what does not fit is asked for next
    query.what = std::move(what);
    ask<history_page>(state_->directory, std::move(query), std::move(done));
}

void yard::remove_history(std::string group, answer<position> done) {
    if (const auto why = refusal(namespaces(), group, has_history)) return done(*why);
    ask<position>(state_->directory, commands::remove_history{std::move(group), unix_ms()}, std::move(done));
}

void yard::presence(presence_request what, answer<presence_page> done) {
    if (const auto why = refusal(namespaces(), what.group, has_presence)) return done(*why);
    ask<presence_page>(state_->directory, queries::presence{std::move(what)}, std::move(done));
}

void yard::presence_stats(std::string group, answer<presence_counts> done) {
    if (const auto why = refusal(namespaces(), group, has_presence)) return done(*why);
    ask<presence_counts>(state_->directory, queries::presence_stats{std::move(group)}, std::move(done));
}

void yard::last_seen(std::string group, std::size_t limit, answer<std::vector<last_seen_entry>> done) {
    if (const auto why = refusal(namespaces(), group, has_presence)) return done(*why);
    ask<std::vector<last_seen_entry>>(state_->directory, queries::last_seen{std::move(group), limit},
                                      std::move(done));
}

void yard::groups(std::string pattern, std::size_t limit, answer<std::map<std::string, std::uint64_t>> done) {
    struct gathered {
        std::mutex mutex;
        std::map<std::string, std::uint64_t> all;
    };
    auto into = std::make_shared<gathered>();
    on_every_loop(
        state_->loops, state_->hubs,
        [into, pattern = std::move(pattern), limit](hub& each) {
            std::lock_guard lock(into->mutex);
            each.add_groups(into->all, pattern, limit);
        },
        [into, done = std::move(done)] { done(std::move(into->all)); });
}

void yard::command(client_selector whom, client_command what, answer<std::size_t> done) {
    auto count = std::make_shared<std::atomic<std::size_t>>(0);
    on_every_loop(
        state_->loops, state_->hubs,
        [count, whom = std::move(whom), what = std::move(what)](hub& each) {
            count->fetch_add(each.command(whom, what), std::memory_order_relaxed);
        },
        [count, done = std::move(done)] {
            if (done) done(count->load());
        });
}

void yard::figures(answer<std::vector<node_figures>> done) {
    struct gathered {
        std::mutex mutex;
        node_figures all;
        std::unordered_set<std::string> users;
    };
    auto into = std::make_shared<gathered>();
    into->all.id = into->all.name = node();
    into->all.version = MADANG_VERSION;
    into->all.uptime =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - state_->began);
    on_every_loop(
        state_->loops, state_->hubs,
        [into](hub& each) {
            std::lock_guard lock(into->mutex);
            each.add_figures(into->all, into->users);
        },
        [into, done = std::move(done)] {
            into->all.users = into->users.size();
            done(std::vector{std::move(into->all)});
        });
}

void yard::leave_stale() {
    for (auto& [group, client] : state_->directory.kept->stale_presence()) {
        const auto home = state_->hubs.front()->home_of(group);
        auto mail = std::make_shared<envelope>();
        mail->parcels.push_back(parcels::stale{group, client});
        caf::anon_send(state_->directory.hubs[home], std::move(mail));
    }
}

}  // namespace madang
