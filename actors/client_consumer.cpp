#include <algorithm>
#include <random>

#include "actors/client_consumer_impl.hpp"
#include "actors/session_services.hpp"
#include "actors/stream_desk.hpp"
#include "broker/core/clock.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

client_consumer& of(madang_consumer* consumer) { return *reinterpret_cast<client_consumer*>(consumer); }

// What the session is to know of its connection. The scope is shared with whoever answers its questions
// later.
session_entry entry_of(connection& at) {
    session_entry entry = *at.entry();
    entry.known = std::make_shared<const scope>(at.get_scope());
    return entry;
}

}  // namespace

client_consumer::client_consumer(connection& at, const session_services& services)
    : at_(at), services_(services), session_(*this, services.limits, entry_of(at)) {
    at_.set_client(this);
}

client_consumer::~client_consumer() { at_.set_client(nullptr); }

template <class T>
std::function<void(T)> client_consumer::here(std::function<void(T)> done) {
    return [post = at_.poster(), done = std::move(done)](T answer) {
        // Shared, since std::function copies and answers may be large.
        post([done, answer = std::make_shared<T>(std::move(answer))] { done(std::move(*answer)); });
    };
}

// ------------------------------------------------------------------------------------------- groups

void client_consumer::subscribe(std::string_view group, const subscribe_spec& how, answer<subscribed> done) {
    auto ask = std::make_shared<subscribe_ticket>();
    ask->how = how;
    ask->done = std::move(done);
    std::shared_ptr<const member_info> info;
    if (how.presence || how.join_leave)
        info = std::make_shared<const member_info>(member_info{how.who, how.presence, how.join_leave});
    if (info) told_.push_back({std::string(group), info});
    const auto status = at_.subscribe(group, info, ask);
    if (status != MADANG_OK)
        here<result<subscribed>>(std::move(ask->done))(
            fail(status == MADANG_BUSY ? errc::limit_exceeded : errc::bad_request));
}

void client_consumer::go_live(std::string_view group, bool joins) {
    at_.join(group, joins ? delivery::client_and_joins : delivery::client, nullptr);
}

void client_consumer::unsubscribe(std::string_view group) {
    std::erase_if(told_, [&](const auto& each) { return each.group == group; });
    at_.group_discard(group);
}

std::shared_ptr<const member_info> client_consumer::info(std::string_view group) const {
    for (const auto& each : told_)
        if (each.group == group) return each.info;
    return nullptr;
}

void client_consumer::on_stream_lost(std::string_view group) {
    if (session_.on_stream_lost(group)) at_.on().metrics().add(counter::streams_lost);
}

void client_consumer::on_held(const batch& what, std::size_t from, std::size_t to) {
    for (auto i = from; i < to; ++i) {
        const auto& e = what.events()[i];
        group_news news;
        if (e.what == event::kind::message) continue;
        if (e.what == event::kind::publication)
            news.published = to_publication(e);
        else
            news.what = e.what == event::kind::join ? group_news::kind::join : group_news::kind::leave;
        news.who = e.who;
        session_.on_news(what.group(), news);
    }
}

// ------------------------------------------------------------------------------------------- the client

void client_consumer::send(std::string_view lines) { at_.send(MADANG_TEXT, payload::copy_of(lines)); }
void client_consumer::disconnect(std::uint16_t code, std::string_view reason) { at_.close(code, reason); }

void client_consumer::set_timer(session_timer which, std::chrono::milliseconds delay) {
    const auto id = static_cast<std::uint64_t>(which);
    if (delay.count() < 0)
        at_.timer_cancel(id);
    else
        at_.timer_start(id, static_cast<std::uint64_t>(delay.count()), 0);
}

std::int64_t client_consumer::now_ms() const { return unix_ms(); }

double client_consumer::random() {
    thread_local std::minstd_rand random{std::random_device{}()};
    return std::uniform_real_distribution<double>{0, 1}(random);
}

// ------------------------------------------------------------------------------------------- questions

void client_consumer::publish(publish_request what, answer<position> done) {
    services_.streams.publish(std::move(what), done ? here<result<position>>(std::move(done)) : nullptr);
}
void client_consumer::history(history_request what, answer<history_page> done) {
    services_.streams.history(std::move(what), here<result<history_page>>(std::move(done)));
}
void client_consumer::presence(presence_request what, answer<presence_page> done) {
    services_.streams.presence(std::move(what), here<result<presence_page>>(std::move(done)));
}
void client_consumer::presence_stats(std::string group, answer<presence_counts> done) {
    services_.streams.presence_stats(std::move(group), here<result<presence_counts>>(std::move(done)));
}

void client_consumer::ask_connect(connect_question what, gate_answer<connect_grant> done) {
    // The user is known to the hub before the session says so to anybody.
    services_.gate.connect(std::move(what),
                           here<verdict<connect_grant>>([this, done = std::move(done)](auto granted) {
                               done(std::move(granted));
                               at_.services().user_known(at_);
                           }));
}
void client_consumer::ask_refresh(const known_client& who, std::string token,
                                  gate_answer<refresh_grant> done) {
    services_.gate.refresh(who, std::move(token), here<verdict<refresh_grant>>(std::move(done)));
}
void client_consumer::ask_subscribe(const known_client& who, subscribe_question what,
                                    gate_answer<subscription_grant> done) {
    services_.gate.subscribe(who, std::move(what), here<verdict<subscription_grant>>(std::move(done)));
}
void client_consumer::ask_sub_refresh(const known_client& who, std::string group, std::string token,
                                      gate_answer<refresh_grant> done) {
    services_.gate.sub_refresh(who, std::move(group), std::move(token),
                               here<verdict<refresh_grant>>(std::move(done)));
}
void client_consumer::ask_publish(const known_client& who, std::string group, bool subscribed,
                                  std::string data, gate_answer<publish_grant> done) {
    services_.gate.publish(who, std::move(group), subscribed, std::move(data),
                           here<verdict<publish_grant>>(std::move(done)));
}
void client_consumer::ask_rpc(const known_client& who, std::string method, std::string data,
                              gate_answer<rpc_answer> done) {
    const auto* work = traced_work::current();
    if (work == nullptr || !work->sampled())
        return services_.gate.rpc(who, std::move(method), std::move(data),
                                  here<verdict<rpc_answer>>(std::move(done)));
    const auto span = std::make_shared<open_span>(*work, span_kind::internal, "rpc");
    span->set("rpc.method", method);
    const traced_work mine(span->work());
    services_.gate.rpc(who, std::move(method), std::move(data),
                       here<verdict<rpc_answer>>([span, done = std::move(done)](auto answer) {
                           if (!answer.yes) span->fail(answer.no.text());
                           span->end();
                           done(std::move(answer));
                       }));
}
result<void> client_consumer::may_see_presence(const known_client& who, std::string_view group,
                                               bool subscribed) {
    return services_.gate.may_see_presence(who, group, subscribed);
}
result<void> client_consumer::may_see_history(const known_client& who, std::string_view group,
                                              bool subscribed) {
    return services_.gate.may_see_history(who, group, subscribed);
}
const namespace_table& client_consumer::namespaces() const noexcept { return services_.streams.namespaces(); }
void client_consumer::on_message(const known_client& who, std::string_view data) {
    if (services_.on_message) services_.on_message(who, data);
}

// ------------------------------------------------------------------------------------------- the class

madang_consumer_class client_consumer_class(const session_services& services) noexcept {
    madang_consumer_class type{};
    type.struct_size = sizeof type;
    type.kind = MADANG_ASYNC;
    type.name = {"client", 6};
    type.context = const_cast<session_services*>(&services);
    type.create = [](void* context, madang_connection* port) {
        auto& at = static_cast<connection&>(*reinterpret_cast<connection_port*>(port));
        return reinterpret_cast<madang_consumer*>(
            new client_consumer(at, *static_cast<const session_services*>(context)));
    };
    type.connect = [](madang_consumer* consumer) {
        const auto accepted = of(consumer).accept();
        if (accepted == MADANG_OK) of(consumer).logic().start();
        return accepted;
    };
    type.receive = [](madang_consumer* consumer, madang_frame, madang_payload* bytes) {
        const auto text = payload::share(reinterpret_cast<payload_block*>(bytes));
        of(consumer).logic().on_message(text.bytes());
        return MADANG_OK;
    };
    type.event = [](madang_consumer*, madang_str, madang_payload*) { return MADANG_OK; };
    type.timer = [](madang_consumer* consumer, std::uint64_t which) {
        of(consumer).logic().on_timer(static_cast<session_timer>(which));
        return MADANG_OK;
    };
    type.disconnect = [](madang_consumer* consumer, std::uint16_t) {
        of(consumer).logic().ended();
        return MADANG_OK;
    };
    type.destroy = [](madang_consumer* consumer) { delete &of(consumer); };
    return type;
}

}  // namespace madang
