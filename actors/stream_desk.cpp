#include "actors/stream_desk.hpp"

#include <utility>

namespace madang {
namespace {

constexpr std::size_t behind_limit = 4096;  // events of a group that wait behind one publication

}  // namespace

desk_batch::waiting& stream_desk::stage(durability how, store_request&& request, desk_batch::purpose why,
                                        std::string group) {
    auto& batch = staged_[static_cast<std::size_t>(how)];
    if (!batch) {
        batch = std::make_shared<desk_batch>();
        host_.touched();
    }
    batch->requests.push_back(std::move(request));
    auto& context = batch->contexts.emplace_back();
    context.why = why;
    context.group = std::move(group);
    return context;
}

void stream_desk::flush() {
    for (auto how : {durability::buffered, durability::synced})
        if (auto batch = std::exchange(staged_[static_cast<std::size_t>(how)], nullptr))
            host_.submit(std::move(batch), how);
}

// ------------------------------------------------------------------------------------------- publications

const namespace_options* stream_desk::keeping(std::string_view group) const noexcept {
    const auto* options = namespaces_.any_history() ? namespaces_.of_group(group) : nullptr;
    return options != nullptr && options->keeps_history() ? options : nullptr;
}

void stream_desk::send(const std::string& group, event&& what, std::shared_ptr<publish_ticket> ticket) {
    const auto* options = keeping(group);
    if (options != nullptr && what.what == event::kind::publication && !(ticket && ticket->skip_history)) {
        commands::publish command;
        command.group = group;
        command.what = to_publication(what);
        if (ticket) command.idempotency_key = ticket->key;
        command.history_size = options->history_size;
        command.history_ttl_ms = options->history_ttl.count();
        command.meta_ttl_ms = options->history_meta_ttl.count();
        command.new_epoch = host_.random_epoch();
        auto& context =
            stage(options->history_durability, std::move(command), desk_batch::purpose::publish, group);
        context.what = std::move(what);
        context.ticket = std::move(ticket);
        auto& store = in_store_[group];
        ++store.count;
        store.last = &context;
        return;
    }
    if (options != nullptr && options->ordered) {
        if (const auto found = in_store_.find(group); found != in_store_.end()) {
            auto& behind = found->second.last->behind;
            if (behind.size() < behind_limit)
                behind.push_back(std::move(what));
            else
                host_.count_refused();
            if (ticket && ticket->done) ticket->done(position{});
            return;
        }
    }
    host_.hand_to_group(group, std::move(what));
    if (ticket && ticket->done) ticket->done(position{});
}

void stream_desk::complete_publish(desk_batch::waiting& each, store_answer&& answer) {
    const auto store = in_store_.find(each.group);
    if (--store->second.count == 0) in_store_.erase(store);
    const auto& done = each.ticket ? each.ticket->done : stream_port::answer<position>{};
    if (!answer) {
        host_.count_refused();
        if (done) done(answer.error());
    } else {
        auto& at = std::get<published>(*answer);
        each.what.offset = at.at.offset;
        if (!at.repeated) host_.hand_to_group(each.group, std::move(each.what));
        if (done) done(std::move(at.at));
    }
    for (auto& next : each.behind) host_.hand_to_group(each.group, std::move(next));
}

// ------------------------------------------------------------------------------------------- members

void stream_desk::joined(const std::string& group, std::uint64_t id, std::shared_ptr<const member_info> info,
                         std::shared_ptr<subscribe_ticket> ask) {
    if (info && info->presence) {
        auto& known = present_[group][id];
        known = {info, false};
        commands::enter command{group, {info->who, host_.now_ms()}, incarnation_};
        stage(durability::buffered, std::move(command), desk_batch::purpose::enter, group).member =
            std::move(info);
    }
    if (!ask) return;
    if (keeps(group) && (ask->how.positioned || ask->how.recover_since))
        ask_history(group, std::move(ask), false);
    else
        host_.answer(std::move(ask), subscribed{});
}

void stream_desk::ask_history(const std::string& group, std::shared_ptr<subscribe_ticket> ask,
                              bool top_only) {
    const auto* options = namespaces_.of_group(group);
    queries::history query;
    query.what.group = group;
    query.now_ms = host_.now_ms();
    query.meta_ttl_ms = options->history_meta_ttl.count();
    query.new_epoch = host_.random_epoch();
    if (!top_only && ask->how.recover_since) {
        if (ask->how.cache) {
            query.what.limit = 1;
            query.what.reverse = true;
        } else {
            query.what.limit = ask->how.recover_limit;
            query.what.since = ask->how.recover_since;
        }
    }
    query.most = query.what.limit;
    stage(options->history_durability, std::move(query), desk_batch::purpose::subscribe, group).ask =
        std::move(ask);
}

namespace {

// Everything from behind `since` to the top.
bool unbroken(const position& since, const history_page& page) {
    auto next = since.offset;
    for (const auto& each : page.publications)
        if (each.offset != ++next) return false;
    return next == page.top.offset && (since.epoch.empty() || since.epoch == page.top.epoch);
}

}  // namespace

void stream_desk::complete_subscribe(desk_batch::waiting& each, store_answer&& answer) {
    auto& ask = *each.ask;
    if (!answer) {
        // Something is missing, which is an answer: with the position of now it is told. (The second question
        // has no `since`, so it does not come here again.)
        if (answer.error().code == errc::unrecoverable_position && ask.how.recover_since) {
            ask.how.recover_since.reset();
            ask.how.positioned = true;
            return ask_history(each.group, each.ask, true);
        }
        return host_.answer(std::move(each.ask), answer.error());
    }
    auto& page = std::get<history_page>(*answer);
    subscribed made;
    if (ask.how.recover_since && ask.how.cache) {
        made.recovered = !page.publications.empty() || page.top == *ask.how.recover_since;
        if (!page.publications.empty() && page.top.epoch == ask.how.recover_since->epoch &&
            page.publications.front().offset <= ask.how.recover_since->offset)
            page.publications.clear();  // it has the latest
    } else if (ask.how.recover_since) {
        made.recovered = unbroken(*ask.how.recover_since, page);
        if (!made.recovered) page.publications.clear();
    }
    made.missed = std::move(page.publications);
    made.top = std::move(page.top);
    host_.answer(std::move(each.ask), std::move(made));
}

void stream_desk::left(const std::string& group, std::uint64_t id) {
    const auto found = present_.find(group);
    if (found == present_.end()) return;
    const auto who = found->second.find(id);
    if (who == found->second.end()) return;
    auto info = std::move(who->second.info);
    found->second.erase(who);
    if (found->second.empty()) present_.erase(found);
    leave(group, std::move(info));
}

void stream_desk::leave(const std::string& group, std::shared_ptr<const member_info> who) {
    commands::leave command{group, who->who.client, host_.now_ms()};
    stage(durability::buffered, std::move(command), desk_batch::purpose::leave, group).member =
        std::move(who);
}

void stream_desk::stale(const std::string& group, const std::string& client) {
    auto who = std::make_shared<member_info>();
    who->who.client = client;
    const auto* options = namespaces_.of_group(group);
    who->join_leave = options != nullptr && options->join_leave;
    leave(group, std::move(who));
}

void stream_desk::complete_presence(desk_batch::waiting& each, store_answer&& answer, event::kind what) {
    if (!answer) return;  // the store's health says why; presence is repaired at its next change or start
    auto& change = std::get<presence_change>(*answer);
    if (!change.changed || !each.member->join_leave) return;
    event told;
    told.what = what;
    told.who = std::make_shared<const client_info>(std::move(change.who.who));
    send(each.group, std::move(told), nullptr);
}

void stream_desk::doubt(const std::string& group) {
    if (const auto found = present_.find(group); found != present_.end())
        for (auto& [id, each] : found->second) each.doubted = true;
}

void stream_desk::confirm(const std::string& group) {
    const auto found = present_.find(group);
    if (found == present_.end()) return;
    std::vector<std::uint64_t> gone;
    for (const auto& [id, each] : found->second)
        if (each.doubted) gone.push_back(id);
    for (const auto id : gone) left(group, id);
}

// ------------------------------------------------------------------------------------------- answers

void stream_desk::complete(desk_batch& batch, std::vector<store_answer>&& answers) {
    for (std::size_t i = 0; i < batch.contexts.size(); ++i) {
        auto& each = batch.contexts[i];
        switch (each.why) {
            case desk_batch::purpose::publish:
                complete_publish(each, std::move(answers[i]));
                break;
            case desk_batch::purpose::subscribe:
                complete_subscribe(each, std::move(answers[i]));
                break;
            case desk_batch::purpose::enter:
                complete_presence(each, std::move(answers[i]), event::kind::join);
                break;
            case desk_batch::purpose::leave:
                complete_presence(each, std::move(answers[i]), event::kind::leave);
                break;
        }
    }
}

std::size_t stream_desk::present() const noexcept {
    std::size_t count = 0;
    for (const auto& [group, members] : present_) count += members.size();
    return count;
}

}  // namespace madang
