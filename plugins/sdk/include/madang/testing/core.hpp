// The test kit's server without its public face: madang_host_api over plain data. Everything that a plugin
// does runs on the test's thread, in run(); only the layer, payloads, logs and replies may be called from
// others.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <thread>

#include "madang/testing/jobs.hpp"
#include "madang/testing/names.hpp"
#include "madang/testing/streams.hpp"

namespace madang::testing::detail {

class Core {
  public:
    struct PluginHost {  // madang_host
        Core* core;
        std::string config;
    };

    Core() { set_up_jobs(); }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    static const madang_host_api& api() {
        static const madang_host_api table = make_api();
        return table;
    }
    madang_host* add_host(std::string_view config) {
        return reinterpret_cast<madang_host*>(&hosts_.emplace_back(PluginHost{this, std::string(config)}));
    }

    // -- Driven by the test
    // -------------------------------------------------------------------------------------
    Connection& connect(ScopeData scope) {
        Connection& connection = connections_.emplace_back();
        connection.core = this;
        connection.scope = std::move(scope);
        for (const SocketRoute& route : socket_routes_) {
            auto args = route.pattern.match(connection.scope.fields[MADANG_SCOPE_PATH]);
            if (!args) continue;
            connection.scope.lists[MADANG_SCOPE_URL_ARGS] = std::move(*args);
            connection.route = &route;
            break;
        }
        if (connection.route == nullptr) {
            connection.http_status = 404;
            connection.state = State::closed;
            return connection;
        }
        connection.channel = "test.inmemory!" + std::to_string(connections_.size());
        const madang_consumer_class& table = connection.route->table;
        for (const std::string& group : connection.route->groups)
            connection.groups[group] = {MADANG_TO_HANDLER, now_ms_};
        connection.consumer = table.create(table.context, handle(connection));
        if (connection.consumer == nullptr) {
            connection.http_status = 500;
            connection.state = State::closed;
            return connection;
        }
        returned(connection, table.connect(connection.consumer));
        run();
        return connection;
    }
    void receive(Connection& connection, madang_frame frame, std::string_view bytes) {
        if (connection.state != State::open) throw Failure("sending on a connection that is not open");
        if (connection.route->max_message_bytes != 0 && bytes.size() > connection.route->max_message_bytes) {
            end(connection, 1009, "message too large");
        } else {
            Block& block = *new Block(bytes, payloads_alive_);
            returned(connection, connection.route->table.receive(connection.consumer, frame, block.handle()));
            block.release();
        }
        run();
    }
    void disconnect(Connection& connection, std::uint16_t code) {
        end(connection, code, {});
        run();
    }
    // Everything that is due, until nothing is left.
    void run() {
        for (;;) {
            std::function<void()> task;
            {
                const std::lock_guard lock(mutex_);
                if (tasks_.empty()) return;
                task = std::move(tasks_.front());
                tasks_.pop_front();
            }
            task();
        }
    }
    // Runs until holds(), for at most `timeout` of real time while other threads have yet to send.
    template <class Condition>
    bool run_until(std::chrono::milliseconds timeout, Condition holds) {
        const auto deadline = std::chrono::steady_clock::now() + timeout;
        for (;;) {
            run();
            if (holds()) return true;
            std::unique_lock lock(mutex_);
            if (!changed_.wait_until(lock, deadline, [&] { return !tasks_.empty(); })) return false;
        }
    }
    void advance(std::chrono::milliseconds time) {
        const std::uint64_t until = now_ms_ + static_cast<std::uint64_t>(time.count());
        for (;;) {
            run();
            Connection* next = nullptr;
            std::uint64_t id = 0;
            std::uint64_t due = until + 1;
            const auto late = answers_.empty() ? until + 1 : answers_.begin()->first;
            for (Connection& connection : connections_)
                for (const auto& [timer_id, timer] : connection.timers)
                    if (timer.due_ms < due) next = &connection, id = timer_id, due = timer.due_ms;
            const auto job = jobs_.next_due().value_or(until + 1);
            if (job <= until && job <= due && job <= late) {
                now_ms_ = std::max<std::uint64_t>(now_ms_, job);
                jobs_.run_next();
                continue;
            }
            if (late <= until && late <= due) {
                now_ms_ = std::max<std::uint64_t>(now_ms_, late);
                const auto answer = std::move(answers_.extract(answers_.begin()).mapped());
                answer();
                continue;
            }
            if (next == nullptr) break;
            now_ms_ = std::max<std::uint64_t>(now_ms_, due);
            Timer& timer = next->timers[id];
            timer.due_ms = now_ms_ + timer.repeat_ms;
            if (timer.repeat_ms == 0) next->timers.erase(id);
            returned(*next, next->table().timer(next->consumer, id));
        }
        now_ms_ = std::max<std::uint64_t>(now_ms_, until);
    }
    PendingRequest& request(ScopeData scope, std::string_view body) {
        PendingRequest& pending = requests_.emplace_back();
        pending.core = this;
        pending.scope = std::move(scope);
        Block& block = *new Block(body, payloads_alive_);
        pending.body.emplace(block);
        block.release();
        pending.answer = Answer{404, {}, {}};
        const std::string_view method = pending.scope.fields[MADANG_SCOPE_METHOD];
        for (const ViewRoute& route : view_routes_) {
            auto args = route.pattern.match(pending.scope.fields[MADANG_SCOPE_PATH]);
            if (!args) continue;
            bool allowed = false;
            madang::detail::split(route.methods, ',', [&](std::string_view one) {
                allowed = trimmed(one) == method;
                return !allowed;
            });
            if (!allowed) {
                pending.answer->status = 405;
                continue;
            }
            pending.scope.lists[MADANG_SCOPE_URL_ARGS] = std::move(*args);
            pending.answer.reset();
            const auto status =
                route.table.handle(route.table.context, reinterpret_cast<madang_request*>(&pending));
            const std::lock_guard lock(mutex_);
            if (status != MADANG_OK && !pending.answer) pending.answer = Answer{500, {}, {}};
            break;
        }
        {
            const std::lock_guard lock(mutex_);
            if (pending.answer) pending.body.reset();
        }
        run();
        return pending;
    }
    void end_all() {
        for (const bool background : {false, true}) {
            for (Connection& connection : connections_)
                if ((connection.background != nullptr) == background) end(connection, 1001, {});
            run();
        }
    }
    void channel_send(std::string_view channel, std::string_view type, std::string_view bytes) {
        Block& block = *new Block(bytes, payloads_alive_);
        const auto status = send_to_channel(channel, type, block);
        block.release();
        if (status != MADANG_OK) throw Failure("channel_send: " + std::string(describe(status)));
        run();
    }
    // How often the background consumer of that channel was made anew.
    unsigned restarts(std::string_view channel) const {
        for (const BackgroundRoute& route : background_routes_)
            if (route.channel == channel) return route.restarts;
        throw Failure("no background consumer has the channel " + std::string(channel));
    }
    void group_send(std::string_view group, std::string_view type, std::string_view bytes) {
        Block& block = *new Block(bytes, payloads_alive_);
        const auto status = send_to_group(group, type, block);
        block.release();
        if (status != MADANG_OK) throw Failure("group_send: " + std::string(describe(status)));
        run();
    }

    // Throws Failure.
    void declare_namespace(std::string_view name, std::string_view json) {
        if (const auto wrong = streams_.declare(name, json))
            throw Failure("namespace " + std::string(name) + ": " + *wrong);
    }
    void delay_answers(std::chrono::milliseconds delay) {
        answer_delay_ = static_cast<std::uint64_t>(delay.count());
    }
    std::vector<Stored> history(std::string_view group) {
        run();
        streams_.expire(group, now_ms_);
        return streams_.stream(group).kept;
    }
    std::vector<std::string> present(std::string_view group) {
        run();
        std::vector<std::string> clients;
        for (const auto& each : members(group)) clients.push_back(each.second->channel);
        return clients;
    }
    // Calls the handler of a method, or with "" those of messages.
    PendingRpc& rpc(PendingRpc&& made) {
        PendingRpc& pending = calls_.emplace_back(std::move(made));
        pending.core = this;
        const std::string& method = pending.fields[MADANG_RPC_METHOD];
        bool found = false;
        for (const RpcRoute& route : rpc_routes_) {
            if (route.method != method) continue;
            found = true;
            const auto status = route.handler(route.context, reinterpret_cast<madang_rpc*>(&pending));
            const std::lock_guard lock(mutex_);
            if (!method.empty() && status != MADANG_OK && !pending.answer)
                pending.answer = RpcAnswer{100, "internal"};
        }
        if (!found && !method.empty()) pending.answer = RpcAnswer{104, "method not found"};
        run();
        return pending;
    }
    // Throws Refusal.
    json enqueue(std::string_view text, const std::string& idempotency_key,
                 const std::string& correlation_id);
    JobEngine& jobs() noexcept { return jobs_; }
    std::optional<RpcAnswer> answer_of(const PendingRpc& pending) const {
        const std::lock_guard lock(mutex_);
        return pending.answer;
    }
    std::optional<Answer> answer_of(const PendingRequest& pending) const {
        const std::lock_guard lock(mutex_);
        return pending.answer;
    }
    std::vector<LogLine> logs() const {
        const std::lock_guard lock(mutex_);
        return logs_;
    }
    const std::vector<Report>& reports() const noexcept { return reports_; }
    std::int64_t payloads_alive() const noexcept { return payloads_alive_; }
    std::uint64_t now_ms() const noexcept { return now_ms_; }

  private:
    static PluginHost& of(madang_host* host) { return *reinterpret_cast<PluginHost*>(host); }
    static Connection& of(madang_connection* connection) {
        return *reinterpret_cast<Connection*>(connection);
    }
    static PendingRequest& of(madang_request* request) { return *reinterpret_cast<PendingRequest*>(request); }
    static const ScopeData& of(const madang_scope* scope) {
        return *reinterpret_cast<const ScopeData*>(scope);
    }
    static madang_connection* handle(Connection& c) { return reinterpret_cast<madang_connection*>(&c); }

    void post(std::function<void()> task) {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
        changed_.notify_all();
    }
    // The last that a replying thread does here: with it the test may end, and all this with it.
    void answered(PendingRequest& pending, Answer answer) {
        const std::lock_guard lock(mutex_);
        pending.answer = std::move(answer);
        pending.body.reset();
        tasks_.push_back([] {});  // wakes whoever waits
        changed_.notify_all();
    }
    void answered(PendingRpc& pending, RpcAnswer answer) {
        const std::lock_guard lock(mutex_);
        if (!pending.answer) pending.answer = std::move(answer);
        tasks_.push_back([] {});
        changed_.notify_all();
    }
    void returned(Connection& connection, madang_status status) {
        if (status != MADANG_OK) end(connection, 1011, "the consumer failed");
    }
    // Closes now; the consumer is told and destroyed after the call that it is in.
    void end(Connection& connection, std::uint16_t code, std::string_view reason) {
        if (connection.state == State::closed) return;
        if (connection.state == State::connecting) connection.http_status = code == 1011 ? 500 : 403;
        connection.state = State::closed;
        connection.close_code = code;
        connection.close_reason = reason;
        connection.timers.clear();
        post([this, &connection, code] {
            const madang_consumer_class& table = connection.table();
            table.disconnect(connection.consumer, code);
            while (!connection.groups.empty())
                leave(connection, std::string(connection.groups.begin()->first));
            table.destroy(connection.consumer);
            connection.consumer = nullptr;
            if (connection.background != nullptr && code == 1011) begin_again(*connection.background);
        });
    }
    void tell(Connection& connection, std::string_view type, const BlockRef& payload) {
        if (connection.state == State::closed) return;
        returned(connection, connection.table().event(connection.consumer, to_abi(type), payload->handle()));
    }
    void deliver(Connection& connection, madang_delivery delivery, std::string_view type,
                 const BlockRef& payload) {
        if (connection.state == State::closed) return;
        if (delivery == MADANG_TO_SOCKET) {
            if (connection.state == State::open) connection.sent.push_back({Frame::text, payload->bytes()});
        } else {
            const madang_consumer_class& table = connection.table();
            if (table.events == nullptr) return tell(connection, type, payload);
            const madang_event event{to_abi(type), to_abi(payload->bytes()), payload->handle(),
                                     connection.delivering != nullptr ? connection.delivering->offset : 0};
            madang_events run{&event, 1, 0};
            returned(connection, table.events(connection.consumer, &run));
        }
    }
    void begin(BackgroundRoute& route) {
        Connection& connection = connections_.emplace_back();
        connection.core = this;
        connection.background = &route;
        connection.channel = route.channel;
        connection.scope.fields[MADANG_SCOPE_TYPE] = "channel";
        for (const std::string& group : route.groups) connection.groups[group] = {MADANG_TO_HANDLER, now_ms_};
        connection.consumer = route.table.create(route.table.context, handle(connection));
        if (connection.consumer == nullptr) {
            connection.state = State::closed;
            connection.groups.clear();
            return begin_again(route);
        }
        returned(connection, route.table.connect(connection.consumer));
        while (!route.waiting.empty() && connection.state != State::closed) {
            const auto [type, payload] = std::move(route.waiting.front());
            route.waiting.pop_front();
            tell(connection, type, payload);
        }
    }
    // As the server does: at once, then after 10 ms of the kit's clock, doubled each time.
    void begin_again(BackgroundRoute& route) {
        const unsigned before = route.restarts++;
        if (before == 0) return post([this, &route] { begin(route); });
        answers_.emplace(now_ms_ + std::min<std::uint64_t>(30'000, 10ull << std::min(before - 1, 12u)),
                         [this, &route] { begin(route); });
    }
    madang_status send_to_group(std::string_view group, std::string_view type, Block& payload) {
        if (!valid_group(group) || !valid_type(type)) return MADANG_INVALID;
        post([this, group = std::string(group), type = std::string(type), payload = BlockRef(payload)] {
            for (Connection& connection : connections_) {
                const auto found = connection.groups.find(group);
                if (found != connection.groups.end())
                    deliver(connection, found->second.delivery, type, payload);
            }
        });
        return MADANG_OK;
    }
    madang_status send_to_channel(std::string_view channel, std::string_view type, Block& payload) {
        if (!valid_channel(channel) || !valid_type(type)) return MADANG_INVALID;
        post([this, channel = std::string(channel), type = std::string(type), payload = BlockRef(payload)] {
            for (Connection& connection : connections_)
                if (connection.channel == channel && connection.state != State::closed)
                    return tell(connection, type, payload);
            for (BackgroundRoute& route : background_routes_)
                if (route.channel == channel && route.waiting.size() < route.queue)
                    route.waiting.emplace_back(type, payload);
        });
        return MADANG_OK;
    }
    madang_status accept(Connection& c, std::string_view subprotocol, const madang_pair* headers,
                         std::size_t count) {
        if (c.state == State::closed) return MADANG_CLOSED;
        if (c.state == State::open || c.background != nullptr) return MADANG_INVALID;
        const auto offered = [&](std::string_view name) {
            const Texts& list = c.scope.lists[MADANG_SCOPE_SUBPROTOCOLS];
            return std::any_of(list.begin(), list.end(), [&](const auto& one) { return one.first == name; });
        };
        if (!subprotocol.empty() && !offered(subprotocol)) return MADANG_INVALID;
        Texts given;
        for (std::size_t i = 0; i < count; ++i) {
            if (!valid_header(from_abi(headers[i].name), from_abi(headers[i].value))) return MADANG_INVALID;
            given.emplace_back(from_abi(headers[i].name), from_abi(headers[i].value));
        }
        if (subprotocol.empty()) {
            madang::detail::split(c.route->subprotocols, ',', [&](std::string_view one) {
                if (offered(trimmed(one))) subprotocol = trimmed(one);
                return subprotocol.empty();
            });
        }
        c.state = State::open;
        c.http_status = 101;
        c.subprotocol = subprotocol;
        c.headers = std::move(given);
        return MADANG_OK;
    }
    static bool valid_close_code(std::uint16_t code) {  // RFC 6455 7.4
        return code <= 1001 || code == 1003 || (code >= 1007 && code <= 1014) ||
               (code >= 3000 && code <= 4999);
    }
    static madang_status send(Connection& c, madang_frame frame, std::string_view bytes) {
        if (c.state == State::closed) return MADANG_CLOSED;
        if (c.state == State::connecting) return MADANG_INVALID;
        c.sent.push_back({static_cast<Frame>(frame), std::string(bytes)});
        return MADANG_OK;
    }

    static madang_background make_background() {
        madang_background t{};
        t.struct_size = sizeof t;
        t.add = [](madang_host* host, madang_str channel, const madang_consumer_class* table,
                   const madang_background_options* options) {
            Core& core = *of(host).core;
            const std::string_view name = from_abi(channel);
            if (!valid_channel(name) || name.find('!') != std::string_view::npos ||
                name.starts_with("specific."))
                return MADANG_INVALID;
            for (const BackgroundRoute& route : core.background_routes_)
                if (route.channel == name) return MADANG_INVALID;
            BackgroundRoute route{std::string(name), *table, {}, 1024, {}};
            for (std::size_t i = 0; i < table->groups_count; ++i) {
                route.groups.emplace_back(from_abi(table->groups[i]));
                if (!valid_group(route.groups.back())) return MADANG_INVALID;
            }
            if (options != nullptr && options->queue_events != 0) route.queue = options->queue_events;
            core.post([&core, &route = core.background_routes_.emplace_back(std::move(route))] {
                core.begin(route);
            });
            return MADANG_OK;
        };
        return t;
    }
    static madang_host_api make_api() {
        madang_host_api t{};
        t.struct_size = sizeof t;
        t.abi_major = MADANG_ABI_MAJOR;
        t.abi_minor = MADANG_ABI_MINOR;
        t.route_websocket = [](madang_host* host, madang_str pattern, const madang_consumer_class* table,
                               const madang_route_options* options) {
            auto parsed = Pattern::parse(from_abi(pattern));
            if (!parsed) return MADANG_INVALID;
            std::vector<std::string> groups;
            for (std::size_t i = 0; i < table->groups_count; ++i) {
                groups.emplace_back(from_abi(table->groups[i]));
                if (!valid_group(groups.back())) return MADANG_INVALID;
            }
            of(host).core->socket_routes_.push_back({std::move(*parsed), *table, std::move(groups),
                                                     options->max_message_bytes,
                                                     std::string(from_abi(options->subprotocols))});
            return MADANG_OK;
        };
        t.route_http = [](madang_host* host, madang_str methods, madang_str pattern, const madang_view* view,
                          const madang_route_options*) {
            auto parsed = Pattern::parse(from_abi(pattern));
            if (!parsed) return MADANG_INVALID;
            of(host).core->view_routes_.push_back(
                {std::move(*parsed), std::string(from_abi(methods)), *view});
            return MADANG_OK;
        };
        t.config_json = [](madang_host* host) { return to_abi(of(host).config); };
        t.payload_new = [](madang_host* host, madang_str bytes) {
            return (new Block(from_abi(bytes), of(host).core->payloads_alive_))->handle();
        };
        t.payload_retain = [](madang_payload* payload) { Block::of(payload).retain(); };
        t.payload_release = [](madang_payload* payload) { Block::of(payload).release(); };
        t.payload_bytes = [](const madang_payload* payload) {
            return to_abi(Block::of(const_cast<madang_payload*>(payload)).bytes());
        };
        t.payload_parsed = [](madang_payload* payload, const char* key, void* (*make)(madang_str),
                              void (*destroy)(void*)) {
            return Block::of(payload).parsed(key, make, destroy);
        };
        t.scope_get = [](const madang_scope* scope, madang_scope_field field) {
            return to_abi(of(scope).fields[field]);
        };
        t.scope_count = [](const madang_scope* scope, madang_scope_list list) {
            return of(scope).lists[list].size();
        };
        t.scope_at = [](const madang_scope* scope, madang_scope_list list, std::size_t index) {
            const auto& [name, value] = of(scope).lists[list][index];
            return madang_pair{to_abi(name), to_abi(value)};
        };
        t.connection_scope = [](madang_connection* c) {
            return reinterpret_cast<const madang_scope*>(&of(c).scope);
        };
        t.connection_channel = [](madang_connection* c) { return to_abi(of(c).channel); };
        t.accept = [](madang_connection* c, madang_str subprotocol, const madang_pair* headers,
                      std::size_t count) {
            return of(c).core->accept(of(c), from_abi(subprotocol), headers, count);
        };
        t.close = [](madang_connection* c, std::uint16_t code, madang_str reason) {
            if (of(c).state == State::closed) return MADANG_CLOSED;
            if (!valid_close_code(code) || of(c).background != nullptr) return MADANG_INVALID;
            if (of(c).state == State::connecting && code == 1011)
                code = 1000;  // 403, as any close before accept
            of(c).core->end(of(c), code == 0 ? 1000 : code, from_abi(reason).substr(0, 123));
            return MADANG_OK;
        };
        t.send = [](madang_connection* c, madang_frame frame, madang_str bytes) {
            return send(of(c), frame, from_abi(bytes));
        };
        t.send_payload = [](madang_connection* c, madang_frame frame, madang_payload* payload) {
            return send(of(c), frame, Block::of(payload).bytes());
        };
        t.group_add = [](madang_connection* c, madang_str group, madang_delivery delivery) {
            if (!valid_group(from_abi(group))) return MADANG_INVALID;
            if (of(c).state == State::closed) return MADANG_CLOSED;
            if (of(c).background != nullptr && delivery != MADANG_TO_HANDLER) return MADANG_INVALID;
            of(c)
                .groups.try_emplace(std::string(from_abi(group)), Membership{delivery, of(c).core->now_ms_})
                .first->second.delivery = delivery;
            return MADANG_OK;
        };
        t.group_discard = [](madang_connection* c, madang_str group) {
            if (!valid_group(from_abi(group))) return MADANG_INVALID;
            of(c).core->leave(of(c), std::string(from_abi(group)));
            return MADANG_OK;
        };
        t.timer_start = [](madang_connection* c, std::uint64_t id, std::uint64_t delay,
                           std::uint64_t repeat) {
            if (of(c).state == State::closed) return MADANG_CLOSED;
            if (!of(c).timers.contains(id) && of(c).timers.size() >= 16) return MADANG_BUSY;
            of(c).timers[id] = {of(c).core->now_ms_ + delay, repeat};
            return MADANG_OK;
        };
        t.timer_cancel = [](madang_connection* c, std::uint64_t id) { of(c).timers.erase(id); };
        t.report_error = [](madang_connection* c, madang_str where, madang_str what) {
            of(c).core->reports_.push_back({std::string(from_abi(of(c).table().name)),
                                            std::string(from_abi(where)), std::string(from_abi(what))});
        };
        t.group_send = [](madang_host* host, madang_str group, madang_str type, madang_payload* payload) {
            return of(host).core->send_to_group(from_abi(group), from_abi(type), Block::of(payload));
        };
        t.channel_send = [](madang_host* host, madang_str channel, madang_str type, madang_payload* payload) {
            return of(host).core->send_to_channel(from_abi(channel), from_abi(type), Block::of(payload));
        };
        t.request_scope = [](madang_request* r) {
            return reinterpret_cast<const madang_scope*>(&of(r).scope);
        };
        t.request_body = [](madang_request* r) { return (*of(r).body)->handle(); };
        t.reply = [](madang_request* r, std::uint16_t status, const madang_pair* headers, std::size_t count,
                     madang_str body) {
            Answer answer{status, {}, std::string(from_abi(body))};
            bool valid = status >= 200 && status <= 599;
            for (std::size_t i = 0; i < count; ++i) {
                valid = valid && valid_header(from_abi(headers[i].name), from_abi(headers[i].value));
                answer.headers.emplace_back(from_abi(headers[i].name), from_abi(headers[i].value));
            }
            if (!valid) answer = {500, {}, {}};
            of(r).core->answered(of(r), std::move(answer));
            return valid ? MADANG_OK : MADANG_INVALID;
        };
        t.log = [](madang_host* host, madang_log_level level, madang_str event, madang_str message) {
            const std::lock_guard lock(of(host).core->mutex_);
            of(host).core->logs_.push_back(
                {static_cast<Level>(level), std::string(from_abi(event)), std::string(from_abi(message))});
        };
        t.now_ms = [](madang_host* host) -> std::uint64_t { return of(host).core->now_ms_; };
        t.get_extension = [](madang_host*, const char* name) -> const void* {
            static const madang_streams streams = make_streams();
            static const madang_jobs jobs = make_jobs();
            if (std::string_view(name) == MADANG_JOBS) return &jobs;
            static const madang_background background = make_background();
            if (std::string_view(name) == MADANG_BACKGROUND) return &background;
            return std::string_view(name) == MADANG_STREAMS ? &streams : nullptr;
        };
        return t;
    }

    // -- Streams
    struct RpcRoute {
        std::string method;
        madang_rpc_handler handler;
        void* context;
    };
    static PendingRpc& of(const madang_rpc* call) {
        return *const_cast<PendingRpc*>(reinterpret_cast<const PendingRpc*>(call));
    }

    void leave(Connection& connection, const std::string& group) {
        if (connection.groups.erase(group) == 0 || !streams_.keeps_presence(group)) return;
        const std::string& user = connection.scope.fields[MADANG_SCOPE_USER_ID];
        for (const auto& each : members(group))
            if (each.second->scope.fields[MADANG_SCOPE_USER_ID] == user) return;
        if (!user.empty()) streams_.stream(group).seen[user] = now_ms_;
    }
    std::map<std::string, Connection*> members(std::string_view group) {  // by channel name
        std::map<std::string, Connection*> result;
        for (Connection& connection : connections_)
            if (connection.background == nullptr && connection.groups.contains(group))
                result.emplace(connection.channel, &connection);
        return result;
    }
    // Does `work` on the test's thread; it returns what tells its answer, which is called after the delay,
    // unless the consumer that asked is gone.
    template <class Work>
    void ask(Connection* who, void* context, madang_drop drop, Work work) {
        std::shared_ptr<void> kept(context, [drop](void* given) {
            if (drop != nullptr) drop(given);
        });
        post([this, who, kept = std::move(kept), work = std::move(work)] {
            auto tell = work();
            auto answer = [who, kept, tell = std::move(tell)] {
                if (who == nullptr || who->consumer != nullptr) tell(kept.get());
            };
            if (answer_delay_ == 0) return post(std::move(answer));
            answers_.emplace(now_ms_ + answer_delay_, std::move(answer));
        });
    }
    using Tell = std::function<void(void* context)>;

    std::pair<std::uint32_t, std::uint64_t> publish(const std::string& group, Stored what,
                                                    const std::string& key,
                                                    bool skip_history) {  // code, offset
        if (!nlohmann::json::accept(what.data->bytes())) return {107, 0};
        auto& answered = streams_.stream(group).answered;
        if (const auto before = answered.find(key);
            !key.empty() && before != answered.end() && before->second.second > now_ms_)
            return {0, before->second.first};
        what.time_ms = now_ms_;
        if (!skip_history) streams_.keep(group, what);
        if (!key.empty()) answered[key] = {what.offset, now_ms_ + 300'000};
        for (Connection& connection : connections_) {
            const auto found = connection.groups.find(group);
            if (found == connection.groups.end()) continue;
            connection.delivering = &what;
            deliver(connection, found->second.delivery, "publication", what.data);
            connection.delivering = nullptr;
        }
        return {0, what.offset};
    }
    static madang_position position_of(bool kept, std::uint64_t offset) {
        return kept ? madang_position{to_abi(Streams::epoch), offset} : madang_position{{nullptr, 0}, 0};
    }
    static madang_failure failure(std::uint32_t code) {
        return {code, to_abi(code == 108 ? "not available" : "bad request")};
    }

    static madang_streams make_streams();  // testing/core_streams.hpp

    static KitJob& of(const madang_job* job) {
        return *const_cast<KitJob*>(reinterpret_cast<const KitJob*>(job));
    }
    void set_up_jobs();  // these two: testing/core_jobs.hpp
    static madang_jobs make_jobs();

    std::atomic<std::int64_t> payloads_alive_ = 0;
    std::list<PluginHost> hosts_;
    std::list<SocketRoute> socket_routes_;
    std::list<BackgroundRoute> background_routes_;
    std::list<ViewRoute> view_routes_;
    std::list<Connection> connections_;  // kept to the end: a test may look at what was sent before a close
    std::list<PendingRequest> requests_;
    std::list<PendingRpc> calls_;
    std::vector<RpcRoute> rpc_routes_;
    Streams streams_;
    std::optional<Shown> shown_;  // the publication that a consumer last asked for
    JobEngine jobs_;
    std::map<std::string, std::pair<json, std::uint64_t>> enqueued_;  // by idempotency key: answer, until
    std::uint64_t answer_delay_ = 0;
    std::multimap<std::uint64_t, std::function<void()>> answers_;  // by when they are due
    std::vector<Report> reports_;
    std::atomic<std::uint64_t> now_ms_ = 1'000'000;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<std::function<void()>> tasks_;
    std::vector<LogLine> logs_;
};

}  // namespace madang::testing::detail
