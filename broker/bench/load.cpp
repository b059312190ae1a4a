#include "broker/bench/load.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "broker/bench/client_words.hpp"
#include "broker/bench/proc.hpp"
#include "broker/bench/socket.hpp"

namespace madang::bench {

namespace {

constexpr std::size_t buffer_bytes = 512 * 1024;
constexpr std::size_t connects_at_once = 256;
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t patience = 20 * second;  // without any progress
constexpr std::int64_t probe_interval = second / 5;

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

}  // namespace

load::load(const target& server, load_spec spec)
    : server_(server),
      spec_(std::move(spec)),
      payload_(spec_.kind, spec_.payload),
      poll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(buffer_bytes + spec_.payload) {
    static int runs = 0;
    const auto run_name = "b" + std::to_string(getpid()) + "x" + std::to_string(++runs) + "x";
    if (spec_.members == 0 || spec_.groups == 0 || spec_.in_flight == 0 || spec_.stalled >= spec_.members)
        throw std::invalid_argument(
            "members, groups and in-flight must be at least 1, and one member must read");
    peers_.resize(std::size_t{spec_.groups} * spec_.members);
    for (std::size_t i = 0; group_names_.size() < spec_.groups; ++i)
        if (auto name = run_name + std::to_string(i); !spec_.takes_name || spec_.takes_name(name))
            group_names_.push_back(std::move(name));
    windows_.assign(spec_.groups, publication_window(spec_.members, spec_.in_flight));
}

load::~load() {
    for (auto& one : peers_)
        if (one.fd >= 0) close(one.fd);
    close(poll_);
}

bool load::is_client(std::size_t index) const {
    return !spec_.client_namespace.empty() && (spec_.route.empty() || index % spec_.members != 0);
}

const target& load::server_of(std::size_t index) const {
    const auto member = index % spec_.members;
    if (member == 0 && spec_.publishers_at) return *spec_.publishers_at;
    return member >= reading_members() && spec_.stalled_at ? *spec_.stalled_at : server_;
}

std::int64_t load::servers_cpu() const {
    return cpu_time(server_.pid()) + (spec_.publishers_at ? cpu_time(spec_.publishers_at->pid()) : 0);
}

std::string load::target_of(std::size_t index) const {
    if (is_client(index)) return std::string(client_route);
    if (spec_.route == "/ws/echo/") return spec_.route;
    return spec_.route + group_names_[index / spec_.members] + "/";
}

std::size_t load::publisher(std::size_t group, std::uint64_t sequence) const {
    const auto first = group * spec_.members;
    return spec_.in_flight == 1 && spec_.groups > 1 ? first + sequence % (spec_.members - spec_.stalled)
                                                    : first;
}

// The last members of each group are those that will stall.
std::size_t load::reading_members() const { return spec_.members - spec_.stalled; }

void load::open_one() {
    const auto index = started_++;
    const bool stalls = index % spec_.members >= reading_members();
    peers_[index].fd = start_connect(server_of(index).where(), index, stalls ? 4096 : 0);
    epoll_event event{EPOLLOUT, {.u64 = index}};
    epoll_ctl(poll_, EPOLL_CTL_ADD, peers_[index].fd, &event);
}

void load::connect() {
    auto heard = now_ns();
    for (std::size_t before = 0; open_ < peers_.size();) {
        while (started_ < peers_.size() && started_ - open_ < connects_at_once) open_one();
        poll(100);
        if (open_ != before) heard = now_ns();
        before = open_;
        if (now_ns() - heard > patience) throw std::runtime_error("the server no longer accepts connections");
    }
}

bool load::nothing_outstanding() const {
    return std::all_of(windows_.begin(), windows_.end(), [](auto& one) { return one.outstanding() == 0; });
}

void load::join() {
    std::vector<bool> joined(spec_.groups);
    for (const auto begin = now_ns(); std::find(joined.begin(), joined.end(), false) != joined.end();) {
        if (now_ns() - begin > 3 * patience)
            throw std::runtime_error("not every member receives what is published" +
                                     (last_other_.empty() ? "" : "; the server said: " + last_other_));
        ready_.clear();
        for (std::size_t i = 0; i < windows_.size(); ++i)
            if (!joined[i]) publish_one(i);
        publish_all();
        // Large groups first work off the notices of who joined, so the wait grows with the groups.
        const auto probe_end = now_ns() + probe_interval * (1 + spec_.members / 500);
        while (!nothing_outstanding() && now_ns() < probe_end) poll(20);
        for (std::size_t i = 0; i < windows_.size(); ++i) {
            if (windows_[i].outstanding() == 0) joined[i] = true;
            windows_[i].abandon();
        }
    }
    if (spec_.stalled == 0) return;
    for (std::size_t i = 0; i < peers_.size(); ++i)
        if (i % spec_.members >= reading_members()) epoll_ctl(poll_, EPOLL_CTL_DEL, peers_[i].fd, nullptr);
    for (auto& one : windows_) one.set_members(static_cast<std::uint32_t>(reading_members()));
}

load_result load::run() {
    result_ = {};
    other_ = 0;
    publishing_ = true;
    ready_.resize(windows_.size());
    for (std::size_t i = 0; i < ready_.size(); ++i) ready_[i] = i;
    publish_all();

    const auto begin = now_ns() + nanoseconds(spec_.warmup);
    const auto end = begin + nanoseconds(spec_.seconds);
    std::int64_t started = 0, server_cpu = 0, client_cpu = 0;
    auto heard = now_ns();
    for (std::uint64_t reads = reads_;;) {
        poll(100);
        const auto now = now_ns();
        if (!measuring_ && !started && now >= begin) {
            measuring_ = true;
            started = now_ns();
            server_cpu = servers_cpu();
            client_cpu = cpu_time(0);
        } else if (measuring_ && now >= end) {
            measuring_ = false;
            result_.server_cpu = static_cast<double>(servers_cpu() - server_cpu) * 1e-9;
            result_.seconds = static_cast<double>(now_ns() - started) * 1e-9;
            result_.client_cpu = static_cast<double>(cpu_time(0) - client_cpu) * 1e-9;
            publishing_ = false;
        }
        if (reads_ != reads) heard = now;
        reads = reads_;
        if (started && !publishing_ && nothing_outstanding()) break;
        if (now - heard > patience / 4) {  // what is outstanding now never came
            for (auto& one : windows_) result_.lost += one.outstanding();
            if (publishing_)
                throw std::runtime_error("publications no longer arrive" +
                                         (last_other_.empty() ? "" : "; the server said: " + last_other_));
            break;
        }
    }
    for (auto& one : windows_) {
        result_.lost += one.lost();
        result_.reordered += one.reordered();
    }
    result_.other = other_;
    return std::move(result_);
}

void load::rest(double seconds) {
    const auto end = now_ns() + nanoseconds(seconds);
    for (auto now = now_ns(); now < end; now = now_ns()) poll(static_cast<int>((end - now) / 1'000'000) + 1);
}

void load::settle(double seconds) {
    const auto give_up = now_ns() + 3 * patience;
    for (std::uint64_t before = reads_ + 1; before != reads_ && now_ns() < give_up;) {
        before = reads_;
        rest(seconds);
    }
}

void load::poll(int timeout_ms) {
    check_interrupted();
    std::array<epoll_event, 1024> events;
    const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    for (int i = 0; i < n; ++i) {
        const auto [happened, data] = events[static_cast<std::size_t>(i)];
        const auto index = static_cast<std::size_t>(data.u64);
        if (peers_[index].now == state::connecting) {
            upgrade(index);
            continue;
        }
        if (happened & EPOLLOUT) flush(index);
        if (happened & ~EPOLLOUT) read(index);
    }
    publish_all();
}

void load::upgrade(std::size_t index) {
    auto& one = peers_[index];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(one.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        throw std::system_error(error, std::system_category(),
                                "connect to " + server_of(index).where().host());
    one.now = state::upgrading;
    one.unsent = upgrade_request(target_of(index), server_of(index).where().host());
    one.writing = true;  // so that the watch for room ends with the flush
    flush(index);
}

void load::read(std::size_t index) {
    auto& one = peers_[index];
    std::copy(one.partial.begin(), one.partial.end(), buffer_.begin());
    std::size_t have = one.partial.size();
    const auto n = recv(one.fd, buffer_.data() + have, buffer_.size() - have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) fail(index, "lost");
    ++reads_;
    read_at_ = now_ns();
    have += static_cast<std::size_t>(n);
    std::size_t used = 0;
    if (one.now == state::upgrading) {
        const std::string_view answer(buffer_.data(), have);
        const auto end = answer.find("\r\n\r\n");
        if (end == std::string_view::npos) {
            one.partial.assign(answer);
            return;
        }
        if (!answer.starts_with("HTTP/1.1 101") ||
            answer.substr(0, end).find(upgrade_accept) == std::string_view::npos)
            fail(index, "refused: " + std::string(answer.substr(0, answer.find("\r\n"))));
        used = end + 4;
        if (is_client(index)) {
            one.now = state::subscribing;
            say(index, text_frame,
                client_hello(spec_.client_namespace + ":" + group_names_[index / spec_.members]));
        } else {
            one.now = state::open;
            ++open_;
        }
    }
    frame_view frame;
    frame_status status;
    while ((status = parse_frame(buffer_.data() + used, have - used, frame_from::server, frame)) ==
           frame_status::complete) {
        used += frame.size;
        take(index, frame);
    }
    if (status == frame_status::refused) fail(index, "sent a fragment or a frame that RFC 6455 forbids");
    if (have != used || !one.partial.empty()) one.partial.assign(buffer_.data() + used, have - used);
}

void load::take(std::size_t index, const frame_view& frame) {
    auto& one = peers_[index];
    switch (frame.opcode) {
        case text_frame:
        case binary_frame:
            break;
        case ping_frame:
            return say(index, pong_frame, frame.payload);
        case close_frame: {
            const auto code = frame.payload.size() < 2 ? 1005
                                                       : static_cast<unsigned char>(frame.payload[0]) * 256 +
                                                             static_cast<unsigned char>(frame.payload[1]);
            fail(index, "closed by the server with code " + std::to_string(code));
        }
        default:
            return;
    }
    if (one.now == state::subscribing) return take_reply(index, frame.payload);
    if (is_client(index) && frame.payload == client_ping) return say(index, text_frame, client_ping);
    const auto sequence = read_sequence(frame.payload);
    if (!sequence) {
        ++other_;
        last_other_.assign(frame.payload.substr(0, 200));
        return;
    }
    const auto group = index / spec_.members;
    auto& window = windows_[group];
    const bool was_full = !window.may_publish();
    const auto sent = window.deliver(one.next, *sequence);
    if (measuring_) {
        ++result_.deliveries;
        if (sent) result_.latency.record(read_at_ - *sent);
    }
    if (was_full && window.may_publish()) ready_.push_back(group);
}

void load::take_reply(std::size_t index, std::string_view text) {
    if (!read_subscribed(text)) return;
    peers_[index].now = state::open;
    ++open_;
}

void load::say(std::size_t index, std::uint8_t opcode, std::string_view text) {
    append_frame(peers_[index].unsent, frame_from::client, opcode, text);
    if (!peers_[index].writing) dirty_.push_back(index);
}

void load::publish_one(std::size_t group) {
    const auto now = now_ns();
    const auto sequence = windows_[group].publish(now);
    const auto index = publisher(group, sequence);
    auto& from = peers_[index];
    if (from.unsent.empty() && !from.writing) dirty_.push_back(index);
    append_frame(from.unsent, frame_from::client, text_frame, payload_.with_sequence(sequence));
}

void load::publish_all() {
    for (const auto group : ready_)
        while (publishing_ && windows_[group].may_publish()) publish_one(group);
    ready_.clear();
    for (const auto index : dirty_) flush(index);
    dirty_.clear();
}

void load::flush(std::size_t index) {
    auto& one = peers_[index];
    const auto n = send(one.fd, one.unsent.data(), one.unsent.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) fail(index, "lost while sending");
    if (n > 0) one.unsent.erase(0, static_cast<std::size_t>(n));
    if (one.unsent.empty() == one.writing) {
        one.writing = !one.unsent.empty();
        epoll_event event{EPOLLIN | (one.writing ? EPOLLOUT : 0u), {.u64 = index}};
        epoll_ctl(poll_, EPOLL_CTL_MOD, one.fd, &event);
    }
}

void load::fail(std::size_t index, const std::string& why) const {
    throw std::runtime_error("connection " + std::to_string(index) + " of " + target_of(index) + " at " +
                             server_of(index).where().host() + " was " + why);
}

}  // namespace madang::bench
