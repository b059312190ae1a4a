#include "broker/net/worker_dialer.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <map>

#include "broker/auth/secrets.hpp"
#include "broker/cluster/dial_plan.hpp"
#include "broker/core/log.hpp"
#include "broker/core/options.hpp"
#include "broker/net/cluster_link.hpp"
#include "broker/net/cluster_socket.hpp"
#include "broker/net/link_options.hpp"
#include "broker/net/name_look_up.hpp"

namespace madang {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto dialer_pause = 100ms;
constexpr auto dialer_log_pause = 10s;  // between two lines of one reason: it dials at least once a second

bool joins_with_tls(const options& settings) { return !settings.cluster_certificate.empty(); }

// A message that passes one descriptor (unix(7), SCM_RIGHTS).
struct passing {
    passing() {
        what.msg_iov = &bytes;
        what.msg_iovlen = 1;
        what.msg_control = room;
        what.msg_controllen = sizeof room;
    }
    char byte = 'j';
    iovec bytes{&byte, 1};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr what{};
};

class dialer final : public link_hub {
  public:
    dialer(const options& settings, std::vector<std::string> addresses, int control)
        : link_hub(dialer_log_pause),
          settings_(settings),
          addresses_(std::move(addresses)),
          control_(io, control),
          ticking_(io) {
        ::fcntl(control, F_SETFL, O_NONBLOCK);
        self.from.name = settings.node_name;
        self.cluster = settings.cluster_name;
        worker = worker_hello{.cluster = settings.cluster_name, .name = settings.node_name};
        heartbeat = settings.cluster_heartbeat;
        timeout = settings.cluster_timeout;
        handshake_timeout = settings.cluster_handshake_timeout;
        book.emplace(self.from, 1);
        counts = &all_counts_.new_shard();
    }

    void run() {
        wait();
        tick();
        io.run();
    }

  private:
    void wait() {
        control_.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code ec) {
            if (ec || !take()) return io.stop();
            wait();
        });
    }

    // False: the worker is gone.
    bool take() {
        passing got;
        const auto size = ::recvmsg(control_.native_handle(), &got.what, MSG_CMSG_CLOEXEC);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        const auto* rights = CMSG_FIRSTHDR(&got.what);
        if (size == 0 || rights == nullptr || rights->cmsg_type != SCM_RIGHTS) return false;
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        begin(file_handle(fd));
        return true;
    }

    // It wants another connection: what there was is none any more.
    void begin(file_handle local) {
        while (!links_.empty()) {
            const auto last = links_.begin()->second;
            if (last->up())
                last->end("replaced", "the worker made another link");
            else
                last->refuse(link_refusal::closed);
            links_.erase(last->from().id);
        }
        local_ = std::move(local);
        const auto which = ++last_id_;
        const auto address = addresses_[next_++ % addresses_.size()];
        if (endpoint::parse(address)) return dial(address, {address}, {});
        names_.begin(address,
                     [this, which, address](std::vector<std::string> places, const std::string& why) {
                         if (which == last_id_) dial(address, std::move(places), why);
                     });
    }

    void dial(const std::string& address, std::vector<std::string> places, const std::string& why) {
        auto local = std::exchange(local_, {});
        const auto refuse = [&](const std::string& text) {
            if (may_log(link_refusal::tls))
                log_warn("cluster.cannot_dial", {{"address", address}, {"why", text}});
        };
        if (places.empty()) return refuse(why.empty() ? "it stands for nothing" : why);
        const auto place = places[next_place_++ % places.size()];
        const auto where = endpoint::parse(place);
        if (!where) return refuse(place + " is no address");
        if (joins_with_tls(settings_)) {
            if (const auto wrong = tls_.load(settings_.cluster_certificate, settings_.cluster_key,
                                             settings_.cluster_ca, settings_.node_name);
                !wrong.empty())
                return refuse(wrong);
        } else if (!is_loopback(where->address)) {
            return refuse(place + " is not on loopback and there are no certificates");
        }
        auto fd = begin_dial(*where);
        if (!fd) return refuse(std::strerror(errno));
        const auto link = std::make_shared<cluster_link>(*this, std::move(fd), tls_.current(),
                                                         cluster_link::origin{last_id_, place, address, true},
                                                         std::move(local));
        links_.emplace(last_id_, link);
        link->start();
    }

    void tick() {
        const auto now = clock::now();
        const auto all = links_;
        for (const auto& [id, link] : all) link->tick(now);
        ticking_.expires_after(dialer_pause);
        ticking_.async_wait([this](boost::system::error_code ec) {
            if (!ec) tick();
        });
    }

    // -- link_hub
    std::string fresh_nonce() override { return random_bytes(hello_nonce_bytes); }
    void replace(link_book::link_id) override {}
    void over(cluster_link& which) override { links_.erase(which.from().id); }
    void came_up(cluster_link&) override {}
    bool full_of_workers() const override { return false; }  // nobody joins it

    const options settings_;
    const std::vector<std::string> addresses_;
    metrics all_counts_;
    cluster_tls tls_;
    asio::posix::stream_descriptor control_;
    asio::steady_timer ticking_;
    std::map<link_book::link_id, std::shared_ptr<cluster_link>> links_;  // one
    file_handle local_;                                                  // while its address is looked up
    link_book::link_id last_id_ = 0;
    std::size_t next_ = 0, next_place_ = 0;
    name_look_up names_{[this](std::function<void()> fn) { asio::post(io, std::move(fn)); }};
};

}  // namespace

std::string check_worker_join(const options& settings, const std::vector<std::string>& addresses) {
    if (auto why = check_link_options(settings, settings.node_name); !why.empty()) return why;
    if (addresses.empty()) return "--join has no address: write HOST:PORT";
    for (const auto& each : addresses) {
        if (!is_link_address(each)) return "--join \"" + each + "\" is no address: write HOST:PORT";
        if (joins_with_tls(settings)) continue;
        if (auto why = lacks_certificates("--join " + each, each); !why.empty()) return why;
    }
    if (!joins_with_tls(settings)) return {};
    return cluster_tls().load(settings.cluster_certificate, settings.cluster_key, settings.cluster_ca,
                              settings.node_name);
}

void run_worker_dialer(const options& settings, std::vector<std::string> addresses, int control) {
    dialer(settings, std::move(addresses), control).run();
}

int ask_worker_dialer(int control) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -1;
    file_handle mine(ends[0]), its(ends[1]);
    passing what;
    auto* rights = CMSG_FIRSTHDR(&what.what);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = its.get();
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    if (::sendmsg(control, &what.what, MSG_NOSIGNAL) != 1) return -1;
    return mine.release();
}

}  // namespace madang
