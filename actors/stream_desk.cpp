#include "actors/stream_desk.hpp"

#include <utility>

#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

constexpr std::size_t behind_limit = 4096;  // events of a group that wait behind one publication
constexpr std::size_t repaired_at_once = 4096;
constexpr std::size_t renewed_limit = 200'000;  // groups

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
    const auto& all = namespaces_.now();
    const auto* options = all.any_history() ? all.of_group(group) : nullptr;
    return options != nullptr && options->keeps_history() ? options : nullptr;
}

void stream_desk::send(const std::string& group, event&& what, std::shared_ptr<publish_ticket> ticket) {
    const auto* options = keeping(group);
    const bool kept = options != nullptr && !(ticket && ticket->skip_history);
    // A key is remembered by the store, also where nothing else is kept.
    if (what.what == event::kind::publication && (kept || (ticket && !ticket->key.empty()))) {
        commands::publish command;
        command.group = group;
        command.what.time_ms = what.time_ms;
        if (ticket) command.idempotency_key = ticket->key;
        command.key_only = !kept;
        if (kept) {
            command.what = to_publication(what);
            command.history_size = options->history_size;
            command.history_ttl_ms = options->history_ttl.count();
            command.meta_ttl_ms = options->history_meta_ttl.count();
            command.new_epoch = host_.random_epoch();
        }
        const auto how = durability_of(group);
        auto& context = kept ? stage_in_stream(how, std::move(command), desk_batch::purpose::publish, group)
                             : stage(how, std::move(command), desk_batch::purpose::publish, group);
        context.kept = kept;
        context.what = std::move(what);
        context.ticket = std::move(ticket);
        auto& store = in_store_[group];
        ++store.count;
        store.last = &context;
        return;
    }
    const auto* rules = options != nullptr ? options : namespaces_.now().of_group(group);
    if (rules == nullptr || rules->ordered) {
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
    } else if (each.kept && !holds(each)) {
        // Its offset is of a life that the stream may not have any more: whoever is here now knows another.
        // If it went along with the stream, members find it there.
        host_.count_refused();
        if (done)
            done(
                fail(errc::busy, "the group's node is another; whether it has the publication is not known"));
    } else {
        auto& at = std::get<published>(*answer);
        if (each.kept)
            each.what.offset = at.at.offset;
        else
            at.at = {};
        if (each.kept && !at.repeated) {
            if (const auto known = epochs_.find(each.group); known != epochs_.end())
                note_epoch(known->second, each.group, at.at.epoch);
        }
        if (!at.repeated) host_.hand_to_group(each.group, std::move(each.what));
        if (done) done(std::move(at.at));
    }
    for (auto& next : each.behind) host_.hand_to_group(each.group, std::move(next));
}

// ------------------------------------------------------------------------------------------- tenures

desk_batch::waiting& stream_desk::stage_in_stream(durability how, store_request&& request,
                                                  desk_batch::purpose why, const std::string& group) {
    const auto tenure = host_.tenure_of(group);
    bool renewing = false;
    if (tenure != 0) {
        const auto known = renewed_.find(group);
        const bool is_new = known == renewed_.end() || known->second.tenure != tenure;
        renewing = is_new || !known->second.done;
        if (is_new) renew(how, group, tenure);
    }
    auto& context = stage(how, std::move(request), why, group);
    context.tenure = tenure;
    context.renewing = renewing;
    return context;
}

void stream_desk::renew(durability how, const std::string& group, std::uint64_t tenure) {
    note_tenure(group, tenure, false);
    commands::renew renew{group, host_.random_epoch(), host_.now_ms()};
    stage(how, std::move(renew), desk_batch::purpose::renew, group).tenure = tenure;
}

void stream_desk::note_tenure(const std::string& group, std::uint64_t tenure, bool done) {
    if (renewed_.size() >= renewed_limit) {
        std::erase_if(renewed_,
                      [&](const auto& each) { return each.second.tenure != host_.tenure_of(each.first); });
        if (renewed_.size() > renewed_limit / 2) {
            for (const auto& [name, each] : renewed_) forgotten_.insert(each.tenure);
            renewed_.clear();
        }
    }
    renewed_.insert_or_assign(group, renewal{tenure, done});
}

bool stream_desk::has_begun(const std::string& group, std::uint64_t tenure) const {
    const auto known = renewed_.find(group);
    return (known != renewed_.end() && known->second.tenure == tenure) || forgotten_.contains(tenure);
}

bool stream_desk::is_settled(const std::string& group, std::uint64_t tenure) const {
    const auto known = renewed_.find(group);
    return known != renewed_.end() && known->second.tenure == tenure && known->second.done;
}

void stream_desk::adopted(const std::string& group, const position& at) {
    note_tenure(group, host_.tenure_of(group), true);
    if (const auto told = epochs_.find(group); told != epochs_.end())
        note_epoch(told->second, group, at.epoch);
}

void stream_desk::begin_anew(const std::string& group) {
    const auto tenure = host_.tenure_of(group);
    const auto known = renewed_.find(group);
    if (tenure == 0 || (known != renewed_.end() && known->second.tenure == tenure)) return;
    renew(durability_of(group), group, tenure);
}

durability stream_desk::durability_of(std::string_view group) const noexcept {
    const auto* options = namespaces_.now().of_group(group);
    return options != nullptr ? options->history_durability : durability::buffered;
}

void stream_desk::ask_as_it_is(durability how, store_request&& what,
                               std::function<void(store_answer&&)> done) {
    stage(how, std::move(what), desk_batch::purpose::plain, {}).asked = std::move(done);
}

bool stream_desk::holds(const desk_batch::waiting& each) const {
    if (host_.tenure_of(each.group) != each.tenure) return false;
    if (!each.renewing) return true;
    const auto known = renewed_.find(each.group);
    return known != renewed_.end() && known->second.tenure == each.tenure && known->second.done;
}

void stream_desk::complete_renew(desk_batch::waiting& each, store_answer&& answer) {
    const auto known = renewed_.find(each.group);
    if (known == renewed_.end() || known->second.tenure != each.tenure) return;
    if (!answer) {  // whatever is asked next tries it again
        renewed_.erase(known);
        return;
    }
    known->second.done = true;
    const auto& epoch = std::get<position>(*answer).epoch;
    if (const auto told = epochs_.find(each.group); told != epochs_.end() && !epoch.empty())
        note_epoch(told->second, each.group, epoch);
}

void stream_desk::ask(const std::string& group, store_request&& what,
                      std::function<void(store_answer&&)> done) {
    stage_in_stream(durability_of(group), std::move(what), desk_batch::purpose::question, group).asked =
        std::move(done);
}

// ------------------------------------------------------------------------------------------- members

void stream_desk::joined(const std::string& group, std::uint64_t id, std::shared_ptr<const member_info> info,
                         std::shared_ptr<subscribe_ticket> ask) {
    if (info && info->presence) {
        auto& known = present_[group][id];
        known = {info, false};
        enter(group, id, std::move(info));
    }
    if (!ask) return;
    if (keeps(group) && (ask->how.positioned || ask->how.recover_since))
        ask_history(group, std::move(ask), false);
    else
        host_.answer(std::move(ask), subscribed{});
}

void stream_desk::ask_history(const std::string& group, std::shared_ptr<subscribe_ticket> ask,
                              bool top_only) {
    const auto* options = namespaces_.now().of_group(group);
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
    stage_in_stream(options->history_durability, std::move(query), desk_batch::purpose::subscribe, group)
        .ask = std::move(ask);
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
    if (!holds(each))
        return host_.answer(std::move(each.ask), fail(errc::busy, "the group's node is another by now"));
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
    if (ask.how.positioned) note_epoch(epochs_[each.group], each.group, page.top.epoch);
    made.missed = std::move(page.publications);
    made.top = std::move(page.top);
    host_.answer(std::move(each.ask), std::move(made));
}

void stream_desk::note_epoch(std::string& known, const std::string& group, const std::string& now) {
    if (known == now) return;
    const bool was_told = !known.empty();
    known = now;
    if (was_told) host_.stream_began(group);
}

void stream_desk::emptied(const std::string& group) { epochs_.erase(group); }

void stream_desk::left(const std::string& group, std::uint64_t id) {
    const auto found = present_.find(group);
    if (found == present_.end()) return;
    const auto who = found->second.find(id);
    if (who == found->second.end()) return;
    auto info = std::move(who->second.info);
    found->second.erase(who);
    if (found->second.empty()) present_.erase(found);
    leave(group, id, std::move(info));
}

desk_batch::waiting& stream_desk::enter(const std::string& group, std::uint64_t id,
                                        std::shared_ptr<const member_info> who) {
    commands::enter command{group, {who->who, host_.now_ms()}, incarnation_};
    auto& context = stage(durability::buffered, std::move(command), desk_batch::purpose::enter, group);
    context.id = id;
    context.member = std::move(who);
    return context;
}

desk_batch::waiting& stream_desk::leave(const std::string& group, std::uint64_t id,
                                        std::shared_ptr<const member_info> who, std::string stale_of) {
    commands::leave command{group, who->who.client, host_.now_ms(), stale_of};
    auto& context = stage(durability::buffered, std::move(command), desk_batch::purpose::leave, group);
    context.id = id;
    context.member = std::move(who);
    context.stale_of = std::move(stale_of);
    return context;
}

void stream_desk::stale(const stale_entry& entry) {
    if (entry.incarnation == incarnation_) return;
    auto who = std::make_shared<member_info>();
    who->who.client = entry.client;
    const auto* options = namespaces_.now().of_group(entry.group);
    who->join_leave = options != nullptr && options->join_leave;
    leave(entry.group, 0, std::move(who), entry.incarnation);
}

void stream_desk::complete_presence(desk_batch::waiting& each, store_answer&& answer, event::kind what) {
    if (!answer) {
        unwritten_.insert_or_assign({each.group, each.member->who.client},
                                    unwritten{each.id, each.member, each.stale_of});
        return host_.presence_unwritten(unwritten_.size());
    }
    if (each.again) host_.count_repaired();
    auto& change = std::get<presence_change>(*answer);
    if (!change.changed || each.quiet) return;
    if (!each.stale_of.empty()) tell_consumers(each.group, change.who.who);
    if (!each.member->join_leave) return;
    event told;
    told.what = what;
    told.resident = node_of(each.id) == 0;
    told.only_here = !each.stale_of.empty();  // the others told theirs when the process was dead
    told.who = std::make_shared<const client_info>(std::move(change.who.who));
    send(each.group, std::move(told), nullptr);
}

// Whoever is there by now is entered, whoever is not leaves: what was meant when it was refused is past.
void stream_desk::repair_presence() {
    for (std::size_t i = 0; i < repaired_at_once && !unwritten_.empty(); ++i) {
        auto node = unwritten_.extract(unwritten_.begin());
        const auto& group = node.key().first;
        auto& each = node.mapped();
        const auto members = present_.find(group);
        const auto found =
            members == present_.end() ? decltype(members->second.begin()){} : members->second.find(each.id);
        const bool there = members != present_.end() && found != members->second.end();
        auto& context = there ? enter(group, each.id, found->second.info)
                              : leave(group, each.id, std::move(each.member), std::move(each.stale_of));
        context.again = true;
    }
    host_.presence_unwritten(unwritten_.size());
}

void stream_desk::tell_consumers(const std::string& group, const client_info& who) {
    const auto* options = namespaces_.now().of_group(group);
    if (options == nullptr || !options->crash_leaves) return;
    std::string body = "{\"client\":";
    append_json_string(body, who.client);
    body += ",\"user\":";
    append_json_string(body, who.user);
    body += '}';
    event made;
    made.type = "presence.leave";
    made.body = payload::copy_of(body);
    send(group, std::move(made), nullptr);
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

// ------------------------------------------------------------------------------------------- other nodes

void stream_desk::joined_before(const std::string& group, std::uint64_t id,
                                std::shared_ptr<const member_info> info) {
    auto& known = present_[group][id];
    const bool there = known.info != nullptr;
    known = {info, false};
    if (!there) enter(group, id, std::move(info)).quiet = true;
}

std::vector<std::pair<std::uint64_t, std::shared_ptr<const member_info>>> stream_desk::hand_over(
    const std::string& group) {
    std::vector<std::pair<std::uint64_t, std::shared_ptr<const member_info>>> ours;
    auto found = present_.extract(group);
    if (found.empty()) return ours;
    for (auto& [id, each] : found.mapped()) {
        leave(group, id, each.info).quiet = true;
        if (node_of(id) == 0) ours.emplace_back(id, std::move(each.info));
    }
    return ours;
}

std::vector<client_info> stream_desk::residents(const std::string& group) const {
    std::vector<client_info> ours;
    if (const auto found = present_.find(group); found != present_.end())
        for (const auto& [id, each] : found->second)
            if (node_of(id) == 0 && each.info->join_leave) ours.push_back(each.info->who);
    return ours;
}

std::vector<std::string> stream_desk::groups_with_members() const {
    std::vector<std::string> groups;
    for (const auto& [group, members] : present_) groups.push_back(group);
    return groups;
}

void stream_desk::node_left(std::uint64_t node) {
    doubt_node(node);
    confirm_node(node);
}

void stream_desk::doubt_node(std::uint64_t node) {
    for (auto& [group, members] : present_)
        for (auto& [id, each] : members)
            if (node_of(id) == node) each.doubted = true;
}

void stream_desk::confirm_node(std::uint64_t node) {
    std::vector<std::pair<std::string, std::uint64_t>> gone;
    for (const auto& [group, members] : present_)
        for (const auto& [id, each] : members)
            if (node_of(id) == node && each.doubted) gone.emplace_back(group, id);
    for (const auto& [group, id] : gone) left(group, id);
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
            case desk_batch::purpose::renew:
                complete_renew(each, std::move(answers[i]));
                break;
            case desk_batch::purpose::question:
                each.asked(!answers[i] || holds(each)
                               ? std::move(answers[i])
                               : store_answer(fail(errc::busy, "the group's node is another by now")));
                break;
            case desk_batch::purpose::plain:
                each.asked(std::move(answers[i]));
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
