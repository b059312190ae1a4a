#include "broker/net/cluster_links.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "broker/auth/secrets.hpp"
#include "broker/cluster/dial_plan.hpp"
#include "broker/core/log.hpp"
#include "broker/core/net_address.hpp"
#include "broker/core/options.hpp"
#include "broker/net/cluster_link.hpp"
#include "broker/net/cluster_socket.hpp"
#include "broker/net/link_options.hpp"
#include "broker/net/listener.hpp"
#include "broker/net/name_look_up.hpp"
#include "broker/net/socket_address.hpp"
#include "broker/net/tls_context.hpp"

namespace madang {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto tick_pause = 100ms;
constexpr auto long_away = 5 * tick_pause;
constexpr auto farewell_limit = 500ms;
// 800 connections in a second: a flood of them takes neither a core nor the links' turns. What is more waits
// in the kernel's queue.
constexpr int accepts_at_a_time = 16;
constexpr auto accept_pause = 20ms;
constexpr auto starved_pause = 100ms;
constexpr int waiting_connections = 128;  // 160 ms of them
constexpr auto log_pause = 1s;            // between two lines of one reason

}  // namespace

struct cluster_links::state final : link_hub {
    state(const options& how, peer_hello who, cluster_links_host& told, metrics& all_counts)
        : link_hub(log_pause),
          settings(how),
          all_counts(all_counts),
          listening(io),
          accepting(io),
          ticking(io),
          plan(how.cluster_join, who.from.name, how.cluster_nodes, [this] { return dice(); }) {
        self = std::move(who);
        heartbeat = how.cluster_heartbeat;
        timeout = how.cluster_timeout;
        handshake_timeout = how.cluster_handshake_timeout;
        book.emplace(self.from, how.cluster_nodes);
        host = &told;
        counts = &all_counts.new_shard();
    }

    bool with_tls() const { return !settings.cluster_certificate.empty(); }
    std::string load() {
        return tls.load(settings.cluster_certificate, settings.cluster_key, settings.cluster_ca,
                        self.from.name);
    }
    std::string open();
    std::string check_plain() const;
    std::string check_words() const;

    // -- On the links' thread
    void run();
    void accept();
    bool accept_one();
    void make_room();
    void tick();
    void dial(const std::string& address);
    void resolved(const std::string& address, std::vector<std::string> places, const std::string& why);
    bool connect(const std::string& address, const std::string& place);
    void dial_ended(const std::string& address, bool linked, const std::string& why);
    void leave();
    void finish();
    template <class Fn>
    void each_link(Fn fn) {  // which may end links
        std::vector<std::shared_ptr<cluster_link>> all;
        for (const auto& [id, link] : links) all.push_back(link);
        for (const auto& link : all) fn(*link);
    }

    std::string fresh_nonce() override { return random_bytes(hello_nonce_bytes); }
    void replace(link_book::link_id which) override {
        const auto it = links.find(which);
        if (it == links.end()) return;
        const auto keep = it->second;
        keep->end("replaced", "the node made another link");
    }
    void over(cluster_link& which) override;
    void came_up(cluster_link& which) override {
        if (!which.from().dialed) return;
        plan.met(which.from().target, which.from().remote, which.peer()->from.name);
        dial_ended(which.from().target, true, {});
    }
    bool full_of_workers() const override {
        const auto joined = std::ranges::count_if(
            links, [](const auto& each) { return each.second->is_worker() && each.second->up(); });
        return static_cast<std::size_t>(joined) >= settings.worker_connections;
    }

    const options settings;
    metrics& all_counts;
    cluster_tls tls;
    std::uint16_t port = 0;
    asio::posix::stream_descriptor listening;
    asio::steady_timer accepting, ticking;
    std::minstd_rand dice{std::random_device{}()};
    dial_plan plan;
    std::map<link_book::link_id, std::shared_ptr<cluster_link>> links;  // oldest first
    link_book::link_id last_id = 0;
    bool leaving = false;
    clock::time_point farewell_ends;
    std::optional<clock::time_point> ticked;
    std::optional<name_look_up> names;
    std::thread thread;
};

std::string cluster_links::state::check_plain() const {
    auto why = lacks_certificates("cluster-listen " + settings.cluster_listen, settings.cluster_listen);
    for (const auto& each : settings.cluster_join)
        if (why.empty()) why = lacks_certificates("join " + each, each);
    return why;
}

std::string cluster_links::state::check_words() const {
    if (auto why = check_link_options(settings, self.from.name); !why.empty()) return why;
    for (const auto& each : settings.cluster_join)
        if (!is_link_address(each)) return "join \"" + each + "\" is no address: write HOST:PORT";
    if (!settings.cluster_advertise.empty() && !is_link_address(settings.cluster_advertise))
        return "cluster-advertise \"" + settings.cluster_advertise + "\" is no address: write HOST:PORT";
    if (settings.cluster_timeout < 2 * settings.cluster_heartbeat)
        return "cluster-timeout is less than two of cluster-heartbeat: every node would look dead";
    return {};
}

std::string cluster_links::state::open() {
    if (auto why = check_words(); !why.empty()) return why;
    auto where = endpoint::parse(settings.cluster_listen);
    if (!where)
        return "cluster-listen " + settings.cluster_listen +
               " is not an address: write ADDRESS:PORT or [IPV6]:PORT";
    if (!with_tls()) {
        if (auto why = check_plain(); !why.empty()) return why;
    } else if (auto why = load(); !why.empty()) {
        return why;
    }
    self.address = settings.cluster_advertise;
    const auto any =
        where->address == *ip_address::parse("0.0.0.0") || where->address == *ip_address::parse("::");
    if (self.address.empty() && any)
        return "cluster-listen " + settings.cluster_listen +
               " stands for every address: say with --cluster-advertise HOST:PORT which one the others dial";
    std::string why;
    auto sockets = open_listeners(where->text(), "--cluster-listen", 1, port, why);
    if (sockets.empty()) return why;
    ::listen(sockets[0].get(), waiting_connections);
    listening.assign(sockets[0].get());
    sockets[0].release();
    where->port = port;
    if (self.address.empty()) self.address = where->text();
    return {};
}

void cluster_links::state::run() {
    ::pthread_setname_np(::pthread_self(), "cluster");
    sigset_t pipe;  // OpenSSL writes with write(2)
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    const auto stays = asio::make_work_guard(io);
    accept();
    tick();
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& e) {
            log_error("cluster.links_failed", {{"why", e.what()}});
        }
    }
}

void cluster_links::state::accept() {
    listening.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code ec) {
        if (ec || leaving) return;
        auto pause = clock::duration::zero();
        for (int i = 0; pause == clock::duration::zero(); ++i) {
            if (i == accepts_at_a_time) {
                pause = accept_pause;
            } else if (!accept_one()) {
                if (errno == EAGAIN || errno == EWOULDBLOCK) break;
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                    counts->add(labelled_counter::accept_errors,
                                errno == EMFILE || errno == ENFILE ? "descriptors" : "memory");
                    pause = starved_pause;
                }
            }
        }
        if (pause == clock::duration::zero()) return accept();
        accepting.expires_after(pause);
        accepting.async_wait([this](boost::system::error_code stopped) {
            if (!stopped && !leaving) accept();
        });
    });
}

// False with errno. ECONNABORTED and the like (accept(2)) concern that connection only.
bool cluster_links::state::accept_one() {
    socket_address from;
    file_handle fd(
        ::accept4(listening.native_handle(), from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return false;
    tune_link(fd.get());
    make_room();
    const auto id = ++last_id;
    const auto link = std::make_shared<cluster_link>(*this, std::move(fd), tls.current(),
                                                     cluster_link::origin{id, from.text(), {}, false});
    links.emplace(id, link);
    link->start();
    return true;
}

// A node that shakes hands is done within a few round trips: whoever waits longest is the one to go, of those
// without a certificate first.
void cluster_links::state::make_room() {
    std::size_t waiting = 0;
    std::shared_ptr<cluster_link> oldest, stranger;
    for (const auto& [id, link] : links) {
        if (link->up() || link->from().dialed) continue;
        if (!oldest) oldest = link;
        if (!stranger && !link->proven()) stranger = link;
        ++waiting;
    }
    if (waiting >= settings.cluster_handshakes)
        (stranger ? stranger : oldest)->refuse(link_refusal::handshakes);
}

void cluster_links::state::tick() {
    const auto now = clock::now();
    // Where the whole machine stood still, the peers could not speak either.
    const auto away = ticked && now - *ticked > long_away ? now - *ticked - tick_pause : clock::duration{};
    ticked = now;
    each_link([now, away](cluster_link& link) { link.tick(now, away); });
    if (leaving) {
        if (links.empty() || now >= farewell_ends) return finish();
    } else {
        for (const auto& address : plan.due(now)) dial(address);
        host->tick();
    }
    ticking.expires_after(leaving ? 10ms : tick_pause);
    ticking.async_wait([this](boost::system::error_code ec) {
        if (!ec) tick();
    });
}

void cluster_links::state::dial(const std::string& address) {
    if (endpoint::parse(address)) return resolved(address, {address}, {});
    names->begin(address, [this, address](std::vector<std::string> places, const std::string& why) {
        if (!leaving) resolved(address, std::move(places), why);
    });
}

void cluster_links::state::resolved(const std::string& address, std::vector<std::string> places,
                                    const std::string& why) {
    std::string wrong = why;
    if (!with_tls()) {
        const auto gone = std::erase_if(places, [](const std::string& each) {
            const auto where = endpoint::parse(each);
            return !where || !is_loopback(where->address);
        });
        if (gone > 0)
            wrong =
                "it is not on loopback and there are no certificates: give --cluster-certificate, "
                "--cluster-key and --cluster-ca";
    }
    const auto now = clock::now();
    if (!wrong.empty() && !plan.failing(address) && may_log(link_refusal::tls))
        log_warn("cluster.cannot_dial", {{"address", address}, {"why", wrong}});
    const auto linked = [this](std::string_view node) { return book->has(node); };
    for (const auto& place : plan.resolved(address, places, linked, now))
        if (!connect(address, place)) dial_ended(address, false, std::strerror(errno));
}

// False with errno.
bool cluster_links::state::connect(const std::string& address, const std::string& place) {
    const auto where = endpoint::parse(place);
    auto fd = begin_dial(*where);
    if (!fd) return false;
    const auto id = ++last_id;
    const auto link = std::make_shared<cluster_link>(*this, std::move(fd), tls.current(),
                                                     cluster_link::origin{id, place, address, true});
    links.emplace(id, link);
    link->start();
    return true;
}

void cluster_links::state::dial_ended(const std::string& address, bool linked, const std::string& why) {
    if (plan.ended(address, linked, clock::now()) && !why.empty())
        log_info("cluster.dial_failed", {{"address", address}, {"why", why}});
}

void cluster_links::state::over(cluster_link& which) {
    const auto& from = which.from();
    const auto& peer = which.peer();
    if (which.is_worker()) {
        // It is no business of the plan's.
    } else if (which.up()) {
        plan.lost(peer->from.name, clock::now());
    } else if (from.dialed) {
        if (peer) plan.met(from.target, from.remote, peer->from.name);
        const bool well = peer && (peer->from.name == self.from.name || book->has(peer->from.name));
        dial_ended(from.target, well,
                   peer ? std::string() : "no node answered; it is dialed again and again");
    }
    links.erase(from.id);
}

void cluster_links::state::leave() {
    leaving = true;
    farewell_ends = clock::now() + farewell_limit;
    boost::system::error_code ignored;
    listening.close(ignored);
    accepting.cancel();
    each_link([](cluster_link& link) { link.leave(); });
    ticking.cancel();
    tick();
}

void cluster_links::state::finish() {
    each_link([](cluster_link& link) { link.end("stopped", "this node stops"); });
    io.stop();
}

cluster_links::cluster_links(const options& settings, peer_hello self, cluster_links_host& host,
                             metrics& counts)
    : state_(std::make_unique<state>(settings, std::move(self), host, counts)) {}

cluster_links::~cluster_links() { stop(); }

std::string cluster_links::open() { return state_->open(); }
std::uint16_t cluster_links::port() const noexcept { return state_->port; }
const std::string& cluster_links::address() const noexcept { return state_->self.address; }

void cluster_links::start() {
    state_->names.emplace([this](std::function<void()> fn) { post(std::move(fn)); });
    state_->thread = std::thread([this] { state_->run(); });
}

void cluster_links::stop() {
    if (!state_->thread.joinable()) return;
    asio::post(state_->io, [this] { state_->leave(); });
    state_->thread.join();
    state_->names.reset();
}

std::string cluster_links::reload() {
    if (!state_->with_tls()) return {};
    auto why = state_->load();
    if (why.empty()) {
        log_info("cluster.certificate_loaded", {{"file", state_->settings.cluster_certificate}});
    } else {
        log_error("cluster.certificate_kept", {{"why", why}});
    }
    return why;
}

std::optional<double> cluster_links::certificate_end() const {
    const auto settings = state_->tls.current();
    if (!settings) return std::nullopt;
    return madang::certificate_end(*settings);
}

void cluster_links::send_beat(std::string_view bytes) {
    if (bytes.empty() || bytes.size() > beat_bytes_limit) {
        log_error("cluster.beat_too_large", {{"bytes", bytes.size()}});
        return;
    }
    for (const auto& [id, link] : state_->links) link->send_beat(bytes);
}

void cluster_links::want(const std::vector<std::string>& addresses) { state_->plan.want(addresses); }

void cluster_links::drop(const node_id& who, const std::string& why) {
    state_->each_link([&](cluster_link& link) {
        if (link.up() && !link.is_worker() && !link.over() && link.peer()->from == who)
            link.end("dropped", why);
    });
}

void cluster_links::post(std::function<void()> fn) { asio::post(state_->io, std::move(fn)); }

std::vector<cluster_links::link_status> cluster_links::links() const {
    std::vector<link_status> list;
    for (const auto& [id, link] : state_->links)
        if (link->up() && !link->is_worker()) list.push_back(link->status());
    return list;
}

}  // namespace madang
