// The test kit: consumers and views without a server and without sockets, as Channels' WebsocketCommunicator
// and HttpCommunicator do it. Needs nlohmann/json.
//
//     madang::testing::Server server;
//     server.load();                          // the plugin linked into this test; or load_file, or setup
//     madang::testing::Communicator ann(server, "/ws/chat/yard/");
//     ASSERT_TRUE(ann.connect());
//     ann.send_json({{"message", "hello"}});
//     EXPECT_EQ(ann.receive_json()["message"], "hello");
//
// Everything runs on the test's thread, in a fixed order, sync consumers too: when a call returns, all that
// followed from it has happened. A plugin's own threads may send to the layer and answer requests; that is
// what the timeouts are for. Not for other threads itself. What is expected and does not come is thrown as
// Failure, which fails the test.
#pragma once

#include <dlfcn.h>

#include "madang/jobs.hpp"
#include "madang/testing/core_jobs.hpp"
#include "madang/testing/core_streams.hpp"

namespace madang::testing {

// A client of the client protocol that calls.
struct Caller {
    std::string user = {};                // "" for an anonymous user
    std::string client = "client-1";      // the connection's id
    std::string conn_info = {};           // of its token: JSON or ""
    std::string transport = "websocket";  // or "http_stream", "sse"
};
// What it hears.
struct RpcResponse {
    std::uint32_t code = 0;  // 0: answered; 104: no such method; 100: the handler failed
    std::string message;     // of what went wrong
    json data;               // the answer; null without any
    explicit operator bool() const noexcept { return code == 0; }  // answered
};

// The server that a test has: one per test, on the test's thread. Its clock stands still but for advance().
class Server {
  public:
    Server() = default;
    // Ends every consumer, then destroys the plugins.
    ~Server() {
        core_.delay_answers({});
        core_.end_all();
        for (auto& [descriptor, plugin] : loaded_) descriptor->destroy(plugin);
        plugins_.clear();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // config: the plugin's section of the configuration. Throws Failure with the reason when the plugin
    // refuses.
    void load(const json& config = json::object(), madang_plugin_entry_fn entry = &madang_plugin_entry) {
        load_entry(entry, config);
    }
    // A built one, by its path (MADANG_TEST_PLUGIN), which stays loaded until the process ends.
    void load_file(const std::string& path, const json& config = json::object()) {
        void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never unloaded, as in the server
        if (library == nullptr) throw Failure(::dlerror());
        void* entry = ::dlsym(library, MADANG_PLUGIN_ENTRY);
        if (entry == nullptr) throw Failure(path + " exports no " MADANG_PLUGIN_ENTRY);
        load_entry(reinterpret_cast<madang_plugin_entry_fn>(entry), config);
    }
    // Without a plugin: registers what a test needs, e.g. server.setup([](auto& p) { p.template
    // websocket<X>("/x/"); }).
    template <class Setup>
    void setup(Setup setup, const json& config = json::object()) {
        plugins_.push_back(std::make_unique<Plugin>(core_.add_host(config.dump()), detail::Core::api()));
        setup(*plugins_.back());
        core_.run();  // background consumers start
    }
    // A consumer's class alone, as Plugin::websocket.
    template <class Consumer, class... Arguments>
    void websocket(std::string_view pattern, const RouteOptions& options = {}, Arguments&&... arguments) {
        setup([&](Plugin& plugin) {
            plugin.websocket<Consumer>(pattern, options, std::forward<Arguments>(arguments)...);
        });
    }

    // A background consumer's class alone, as Plugin::background; it starts at once.
    template <class Consumer, class... Arguments>
    void background(std::string_view channel, const BackgroundOptions& options = {},
                    Arguments&&... arguments) {
        setup([&](Plugin& plugin) {
            plugin.background<Consumer>(channel, options, std::forward<Arguments>(arguments)...);
        });
    }

    // The clock stands still but for this; timers fire in the order in which they are due.
    void advance(std::chrono::milliseconds time) { core_.advance(time); }
    // As from outside, to all of the group.
    void group_send(std::string_view group, std::string_view type, const json& content) {
        core_.group_send(group, type, content.dump());
    }

    // To the consumer with that channel name, a background consumer, say.
    void send(std::string_view channel, std::string_view type, const json& content) {
        core_.channel_send(channel, type, content.dump());
    }
    // How often the background consumer of that channel failed and was made anew: at once, then by the clock.
    unsigned restarts(std::string_view channel) const { return core_.restarts(channel); }

    // As from outside: by the server's API, or another plugin. Throws Failure when it is refused.
    void publish(std::string_view group, const json& content, const PublishOptions& options = {}) {
        // A delayed answer comes when this has returned.
        const auto code = std::make_shared<std::uint32_t>(0);
        Layer(own_host()).publish(group, content, options, [code](const Published& done) {
            *code = done.code;
        });
        core_.run();
        if (*code != 0) throw Failure("publish: refused with " + std::to_string(*code));
    }
    // What the group's history holds, oldest first.
    std::vector<json> history(std::string_view group) {
        std::vector<json> list;
        for (const auto& each : core_.history(group)) list.push_back(json::parse(each.data->bytes()));
        return list;
    }
    // The channel names of the group's members.
    std::vector<std::string> presence(std::string_view group) { return core_.present(group); }
    // What [namespace.NAME] of the configuration file says; after the plugins were loaded, as it is stronger.
    void declare_namespace(std::string_view name, const json& options) {
        core_.declare_namespace(name, options.dump());
    }
    // Answers of publish, history, presence and last_seen come only when the clock was advanced by so much.
    void delay_answers(std::chrono::milliseconds delay) { core_.delay_answers(delay); }
    // A client's call. Throws Failure when it is not answered within a second of real time.
    RpcResponse rpc(std::string_view method, const json& data = nullptr, const Caller& who = {});
    // A client's message, which nobody answers.
    void message(const json& data, const Caller& who = {});

    // -- Jobs. A job that is due runs when the clock is advanced (by 0ms for what is due now), and so do its
    // retries and what follows it; delays are without their jitter. Not checked, as the server does: schemas,
    // sizes, limits.

    // From here on a job runs in place, within the call that enqueues it, whatever its countdown, and so do
    // its retries; not when the clock is advanced.
    void eager_jobs() { core_.jobs().eager = true; }
    // As from outside. The id, of a workflow as the server answers it. Throws Failure when it is refused.
    std::string enqueue(const Work& what) {
        std::string id;
        try {
            id = core_.enqueue(what.dump(), {}, {})["jobs"][0]["id"];
        } catch (const detail::Refusal& why) {
            throw Failure("enqueue: " + std::to_string(why.code) + " " + why.message);
        }
        core_.run();
        return id;
    }
    // What is known of it now. Throws Failure for an id that there is not.
    TestJob job(std::string_view id) {
        const auto* found = core_.jobs().find_or_null(id);
        if (found == nullptr) throw Failure("there is no job " + std::string(id));
        return found->known;
    }
    // All there ever were, of one task or, with "", of any.
    std::vector<TestJob> jobs(std::string_view task = {}) {
        std::vector<TestJob> list;
        for (const auto& each : core_.jobs().jobs())
            if (task.empty() || each.known.task == task) list.push_back(each.known);
        return list;
    }
    // A job, also while it runs, from on_progress; or a workflow, by the id that it was answered with.
    // False: it is over, or not known.
    bool cancel_job(std::string_view id) { return core_.jobs().cancel(id) != 0; }
    // The job's next check() throws. Throws Failure unless it runs: call it from on_progress.
    void reach_soft_limit(std::string_view id) {
        auto* found = core_.jobs().find_or_null(id);
        if (found == nullptr || !found->runs) throw Failure("that job does not run");
        found->stop = MADANG_JOB_SOFT_LIMIT;
    }
    // Called at each report of progress, within the task's call.
    void on_progress(std::function<void(const TestJob&)> call) { core_.jobs().on_progress = std::move(call); }
    // Now, as an operator may. As the clock is advanced, schedules fire by themselves.
    void fire_schedule(std::string_view name) {
        const auto found = core_.jobs().schedules.find(name);
        if (found == core_.jobs().schedules.end()) throw Failure("there is no schedule " + std::string(name));
        core_.jobs().fire(found->second.what);
        core_.run();
    }

    // What consumers failed with, oldest first.
    const std::vector<Report>& reports() const noexcept { return core_.reports(); }
    std::vector<LogLine> logs() const { return core_.logs(); }  // what plugins logged, oldest first
    // After the last client left: 0, or a reference was leaked.
    std::int64_t payloads_alive() const noexcept { return core_.payloads_alive(); }

  private:
    friend class Communicator;
    friend class HttpCommunicator;

    void load_entry(madang_plugin_entry_fn entry, const json& config) {
        const madang_plugin_descriptor* descriptor = entry();
        if (descriptor == nullptr || descriptor->magic != MADANG_ABI_MAGIC ||
            descriptor->abi_major != MADANG_ABI_MAJOR)
            throw Failure("not a plugin of this ABI");
        madang_plugin* plugin = descriptor->init(core_.add_host(config.dump()), &detail::Core::api());
        if (plugin == nullptr) {
            const auto lines = core_.logs();
            throw Failure("the plugin refused to load: " + (lines.empty() ? "" : lines.back().message));
        }
        loaded_.emplace_back(descriptor, plugin);
        core_.run();
    }

    const Host& own_host() {
        if (!own_host_) own_host_.emplace(core_.add_host("{}"), detail::Core::api());
        return *own_host_;
    }

    detail::Core core_;
    std::optional<Host> own_host_;
    std::vector<std::pair<const madang_plugin_descriptor*, madang_plugin*>> loaded_;
    std::vector<std::unique_ptr<Plugin>> plugins_;
};

inline RpcResponse Server::rpc(std::string_view method, const json& data, const Caller& who) {
    detail::PendingRpc made;
    made.scope.fields[MADANG_SCOPE_USER_ID] = who.user;
    const std::string values[] = {std::string(method), data.is_null() ? "" : data.dump(),
                                  who.client,          who.user,
                                  who.conn_info,       who.transport};
    std::copy(std::begin(values), std::end(values), made.fields);
    auto& pending = core_.rpc(std::move(made));
    if (method.empty()) return {};
    std::optional<detail::RpcAnswer> answer;
    core_.run_until(std::chrono::seconds(1), [&] {
        answer = core_.answer_of(pending);
        return answer.has_value();
    });
    if (!answer) throw Failure("the rpc call was not answered");
    if (answer->code != 0) return {answer->code, answer->text, {}};
    return {0, {}, answer->text.empty() ? json() : json::parse(answer->text)};
}
inline void Server::message(const json& data, const Caller& who) { (void)rpc({}, data, who); }

// What the client says of itself, before it connects or asks.
template <class Self>
class ClientScope {
  public:
    // claims: what the token says; "sub" is added. Without user(): anonymous.
    Self& user(std::string_view id, json claims = json::object()) {
        claims["sub"] = id;
        scope_.fields[MADANG_SCOPE_USER_ID] = id;
        scope_.fields[MADANG_SCOPE_USER_JSON] = claims.dump();
        return self();
    }
    // As Django has it; without it there is none.
    Self& session(const json& session) {
        scope_.fields[MADANG_SCOPE_SESSION_JSON] = session.dump();
        return self();
    }
    // One more; its name in any case.
    Self& header(std::string name, std::string_view value) {
        for (char& c : name)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
        scope_.lists[MADANG_SCOPE_HEADERS].emplace_back(std::move(name), value);
        return self();
    }
    // One more.
    Self& cookie(std::string_view name, std::string_view value) {
        return header("cookie", std::string(name).append("=").append(value));
    }
    // Where it comes from; without it 127.0.0.1, port 50000.
    Self& client(std::string_view address, std::uint16_t port) {
        scope_.fields[MADANG_SCOPE_CLIENT_ADDRESS] = address;
        scope_.fields[MADANG_SCOPE_CLIENT_PORT] = std::to_string(port);
        return self();
    }

  protected:
    // @cond
    ClientScope(std::string_view type, std::string_view method, std::string_view scheme,
                std::string_view target) {
        const auto question = target.find('?');
        auto& fields = scope_.fields;
        fields[MADANG_SCOPE_TYPE] = type;
        fields[MADANG_SCOPE_HTTP_VERSION] = "1.1";
        fields[MADANG_SCOPE_METHOD] = method;
        fields[MADANG_SCOPE_SCHEME] = scheme;
        fields[MADANG_SCOPE_RAW_PATH] = target.substr(0, question);
        fields[MADANG_SCOPE_PATH] = percent_decoded(target.substr(0, question));
        if (question != std::string_view::npos)
            fields[MADANG_SCOPE_QUERY_STRING] = target.substr(question + 1);
        fields[MADANG_SCOPE_SERVER_ADDRESS] = "127.0.0.1";
        fields[MADANG_SCOPE_SERVER_PORT] = "8000";
        fields[MADANG_SCOPE_REQUEST_ID] = "test";
        client("127.0.0.1", 50'000);
    }
    detail::ScopeData scope_;
    // @endcond

  private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

// How a handshake was answered.
struct Connected {
    bool accepted = false;     // the consumer accepted it
    std::string subprotocol;   // given to accept, or the route's; "" without one
    Texts headers;             // given to accept
    std::uint16_t status = 0;  // 101; refused: 403, 404 (no route), 500 (failed); 0: no answer yet
    explicit operator bool() const noexcept { return accepted; }  // as accepted
};

// One client of one consumer. The server must outlive it.
class Communicator : public ClientScope<Communicator> {
  public:
    static constexpr std::chrono::milliseconds default_timeout{1000};  // real time

    // target: a path, with a query if it likes.
    Communicator(Server& server, std::string_view target)
        : ClientScope("websocket", "GET", "ws", target), server_(&server) {}
    Communicator(const Communicator&) = delete;
    Communicator& operator=(const Communicator&) = delete;
    // The connection is lost (1006), if it is not closed already.
    ~Communicator() {
        if (connection_ != nullptr) server_->core_.disconnect(*connection_, 1006);
    }

    // Offered, the favourite first.
    Communicator& subprotocols(std::initializer_list<std::string_view> offered) {
        for (const auto name : offered) scope_.lists[MADANG_SCOPE_SUBPROTOCOLS].emplace_back(name, "");
        return *this;
    }
    // The handshake, once. Everything that says who the client is comes before it.
    Connected connect() {
        if (connection_ != nullptr) throw Failure("connect is called once");
        connection_ = &server_->core_.connect(scope_);
        return {connection_->http_status == 101, connection_->subprotocol, connection_->headers,
                connection_->http_status};
    }

    // A whole message; the consumer has handled it when this returns.
    void send_text(std::string_view text) { server_->core_.receive(connection(), MADANG_TEXT, text); }
    // Likewise.
    void send_binary(std::string_view bytes) { server_->core_.receive(connection(), MADANG_BINARY, bytes); }
    void send_json(const json& value) { send_text(value.dump()); }  // likewise, as text

    // The next message that the consumer sent; also one that it sent before it closed. Throws Failure: none
    // came in time, or it is binary.
    std::string receive_text(std::chrono::milliseconds timeout = default_timeout) {
        return receive(Frame::text, timeout);
    }
    // Likewise, and binary.
    std::string receive_binary(std::chrono::milliseconds timeout = default_timeout) {
        return receive(Frame::binary, timeout);
    }
    // Likewise, and text that is JSON.
    json receive_json(std::chrono::milliseconds timeout = default_timeout) {
        return json::parse(receive_text(timeout));
    }
    // True when nothing is there; wait only where another thread might send.
    bool receive_nothing(std::chrono::milliseconds wait = {}) {
        return !server_->core_.run_until(wait, [&] { return !connection().sent.empty(); });
    }
    // The code with which the consumer closed; everything it sent must have been received.
    std::uint16_t receive_close(std::chrono::milliseconds timeout = default_timeout) {
        if (!server_->core_.run_until(timeout, [&] { return connection().state == detail::State::closed; }))
            throw Failure("the consumer did not close");
        if (!connection().sent.empty()) throw Failure("before the close: " + connection().sent.front().bytes);
        return connection().close_code;
    }
    std::string close_reason() const { return connection().close_reason; }  // the consumer's; "" without one
    // By either side.
    bool closed() const { return connection().state == detail::State::closed; }

    // The client closes; the consumer's disconnect has been called when this returns.
    void disconnect(std::uint16_t code = 1000) { server_->core_.disconnect(connection(), code); }

    std::string channel_name() const { return connection().channel; }  // the consumer's
    // Whether the consumer is a member.
    bool in_group(std::string_view group) const { return connection().groups.contains(group); }

  private:
    detail::Connection& connection() const {
        if (connection_ == nullptr) throw Failure("connect first");
        return *connection_;
    }
    std::string receive(Frame kind, std::chrono::milliseconds timeout) {
        auto& sent = connection().sent;
        server_->core_.run_until(
            connection().state == detail::State::closed ? std::chrono::milliseconds{} : timeout,
            [&] { return !sent.empty(); });
        if (sent.empty())
            throw Failure(closed() ? "closed, and nothing left to receive" : "nothing was received");
        if (sent.front().kind != kind)
            throw Failure("received the other kind of message: " + sent.front().bytes);
        std::string bytes = std::move(sent.front().bytes);
        sent.pop_front();
        return bytes;
    }

    Server* server_;
    detail::Connection* connection_ = nullptr;
};

// What a view answered.
struct HttpResponse {
    std::uint16_t status = 0;                             // 504: not in time
    Texts headers;                                        // as given by the view
    std::string body;                                     // as given by the view
    json json_body() const { return json::parse(body); }  // throws when it is not JSON
    // The first of that name, in any case; "" without one.
    std::string header(std::string_view name) const {
        for (const auto& [key, value] : headers)
            if (madang::detail::same_name(key, name)) return value;
        return {};
    }
};

// One request to a view.
class HttpCommunicator : public ClientScope<HttpCommunicator> {
  public:
    // target: a path, with a query if it likes.
    HttpCommunicator(Server& server, std::string_view method, std::string_view target)
        : ClientScope("http", method, "http", target), server_(&server) {}

    // Empty without it.
    HttpCommunicator& body(std::string_view bytes) {
        body_ = bytes;
        return *this;
    }
    // With its content-type.
    HttpCommunicator& json_body(const json& value) {
        return header("content-type", "application/json").body(value.dump());
    }
    // Asks. 504 when the view has not answered in time.
    HttpResponse get_response(std::chrono::milliseconds timeout = Communicator::default_timeout) {
        detail::PendingRequest& pending = server_->core_.request(scope_, body_);
        std::optional<detail::Answer> answer;
        server_->core_.run_until(timeout, [&] {
            answer = server_->core_.answer_of(pending);
            return answer.has_value();
        });
        if (!answer) return {504, {}, {}};
        return {answer->status, answer->headers, answer->body};
    }

  private:
    Server* server_;
    std::string body_;
};

}  // namespace madang::testing
