// What the tests of links share: a node that remembers what it was told, certificates made on the spot, and a
// peer of raw bytes.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "broker/cluster/link_frame.hpp"
#include "broker/cluster/link_handshake.hpp"
#include "broker/core/options.hpp"
#include "broker/net/cluster_certificates.hpp"
#include "broker/net/cluster_links.hpp"
#include "monitoring/metrics.hpp"

namespace madang::test {

using namespace std::chrono_literals;

class folder {
  public:
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "madang-links-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~folder() { std::filesystem::remove_all(path_); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline void write_text(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

// An authority and the certificates that it issued, as files.
struct authority {
    explicit authority(const folder& in, std::string name = "ca")
        : files(in), stem(std::move(name)), pair(*make_authority(wish("an authority"))) {
        write_text(files / (stem + ".pem"), pair.certificate);
    }
    static certificate_wish wish(const std::string& name) {
        const auto now = std::chrono::system_clock::now();
        return {name, {}, now - 1h, now + 24h};
    }
    // NAME.pem and NAME.key; over those that are there.
    void issue(const std::string& name, const certificate_wish& what) const {
        const auto made = issue_certificate(pair, what);
        ASSERT_TRUE(made);
        write_text(files / (name + ".pem"), made->certificate);
        write_text(files / (name + ".key"), made->key);
    }
    void issue(const std::string& name) const { issue(name, wish(name)); }

    const folder& files;
    std::string stem;
    pem_pair pair;
};

inline options quick() {
    options how;
    how.cluster_listen = "127.0.0.1:0";
    how.cluster_name = "yard";
    how.cluster_heartbeat = 100ms;
    how.cluster_timeout = 20'000ms;
    how.cluster_handshake_timeout = 20'000ms;
    return how;
}

inline options with_tls(options how, const authority& by, const std::string& name) {
    how.cluster_certificate = by.files / (name + ".pem");
    how.cluster_key = by.files / (name + ".key");
    how.cluster_ca = by.files / (by.stem + ".pem");
    return how;
}

inline peer_hello hello_of(const options& how, const std::string& name, std::uint64_t incarnation = 1) {
    peer_hello it;
    it.cluster = how.cluster_name;
    it.from = {name, incarnation};
    it.shards = 64;
    return it;
}

// Condition variables are notified by every tick of every node: what is waited for may be anything.
class node final : public cluster_links_host {
  public:
    struct link {
        peer_hello who;
        file_handle end;
        bool dialed;
    };

    node(const options& how, const std::string& name, std::uint64_t incarnation = 1)
        : links(how, hello_of(how, name, incarnation), *this, counts) {
        error = links.open();
        if (error.empty()) links.start();
    }
    ~node() { links.stop(); }

    void worker_came(file_handle end, const std::string& name) override {
        std::lock_guard lock(mutex_);
        workers.emplace_back(name, std::move(end));
        changed_.notify_all();
    }
    void link_up(const peer_hello& who, file_handle caf_end, bool dialed) override {
        std::lock_guard lock(mutex_);
        up[who.from.name] = std::make_shared<link>(link{who, std::move(caf_end), dialed});
        ++ups;
        changed_.notify_all();
    }
    void link_down(const node_id& who, const std::string& why) override {
        std::lock_guard lock(mutex_);
        up.erase(who.name);
        downs.push_back(why);
        changed_.notify_all();
    }
    void beat_came(const node_id& from, std::string_view bytes) override {
        std::lock_guard lock(mutex_);
        last_beat[from.name] = bytes;
        ++beats;
        changed_.notify_all();
    }
    void bytes_came(const node_id& from) override {
        std::lock_guard lock(mutex_);
        ++passes[from.name];
    }
    void tick() override {
        std::lock_guard lock(mutex_);
        ++ticks;
        changed_.notify_all();
    }

    // `holds` is called with the node's lock held.
    template <class Holds>
    bool until(Holds holds, std::chrono::milliseconds limit = 15s) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, holds);
    }
    template <class Reads>
    auto now(Reads reads) {
        std::lock_guard lock(mutex_);
        return reads();
    }
    bool linked(const std::string& name) {
        return until([&] { return up.contains(name); });
    }
    std::shared_ptr<link> to(const std::string& name) {
        std::lock_guard lock(mutex_);
        const auto it = up.find(name);
        return it == up.end() ? nullptr : it->second;
    }
    bool refused(const std::string& reason, std::uint64_t times = 1) {
        return until([&] { return counts.total(labelled_counter::cluster_refused, reason) >= times; });
    }
    bool ended(const std::string& reason) {
        return until([&] { return counts.total(labelled_counter::cluster_link_ends, reason) > 0; });
    }
    void want(const std::vector<std::string>& addresses) {
        links.post([this, addresses] { links.want(addresses); });
    }
    void beat(const std::string& bytes) {
        links.post([this, bytes] { links.send_beat(bytes); });
    }
    std::vector<cluster_links::link_status> status() {
        std::vector<cluster_links::link_status> list;
        bool done = false;
        links.post([&] {
            auto got = links.links();
            std::lock_guard lock(mutex_);
            list = std::move(got);
            done = true;
            changed_.notify_all();
        });
        until([&] { return done; });
        return list;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;

  public:
    metrics counts;
    std::map<std::string, std::shared_ptr<link>> up;
    std::map<std::string, std::string> last_beat;
    std::map<std::string, int> passes;
    std::vector<std::string> downs;
    std::vector<std::pair<std::string, file_handle>> workers;  // that joined: name, its end
    int ups = 0, beats = 0, ticks = 0;
    std::string error;
    cluster_links links;
};

inline file_handle connect_to(std::uint16_t port, int receive_buffer = 0) {
    file_handle fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) fd.reset();
    return fd;
}

// A peer that speaks as the test tells it to, over plain TCP; blocking, with a limit.
class raw_peer {
  public:
    raw_peer(std::uint16_t port, const peer_hello& self, int receive_buffer = 0)
        : fd(connect_to(port, receive_buffer)),
          shaker(self, std::string(hello_nonce_bytes, 'r'), true, 1),
          book_(self.from, 8) {
        const timeval limit{15, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }

    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void send(link_frame_kind kind, std::string_view bytes = {}) {
        std::string out;
        append_frame(out, kind, bytes);
        send(out);
    }
    // The next frame; nothing: the connection is over, or silent for too long.
    std::optional<std::pair<link_frame_kind, std::string>> next() {
        for (;;) {
            const auto frame = decoder_.next();
            if (!frame) return std::nullopt;
            if (*frame) return std::pair((*frame)->kind, std::string((*frame)->bytes));
            const auto room = decoder_.room();
            const auto n = ::recv(fd.get(), room.data, room.size, 0);
            if (n <= 0) return std::nullopt;
            decoder_.filled(static_cast<std::size_t>(n));
        }
    }
    bool closed() {
        while (next()) {
        }
        char byte;
        return ::recv(fd.get(), &byte, 1, 0) == 0 || errno == ECONNRESET;
    }
    bool link() {
        send(link_frame_kind::hello, encode(shaker.mine()));
        const auto answer = next();
        if (!answer || answer->first != link_frame_kind::hello) return false;
        const auto step = shaker.heard(*decode_hello(answer->second), {}, book_);
        if (!step.say) return false;
        send(link_frame_kind::hello, encode(*step.say));
        const auto welcome = next();
        if (!welcome || welcome->first != link_frame_kind::welcome) return false;
        decoder_.admit();
        return true;
    }

    bool join(const worker_hello& as) {
        send(link_frame_kind::worker, encode(as));
        const auto welcome = next();
        if (!welcome || welcome->first != link_frame_kind::welcome) return false;
        decoder_.admit();
        return true;
    }

    file_handle fd;
    link_handshake shaker;

  private:
    link_book book_;
    link_decoder decoder_;
};

}  // namespace madang::test
