// The server's side of a worker's link, as a test wants it: one connection, in step with the test. What does
// not come within some seconds throws.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "broker/jobs/worker_codec.hpp"

namespace madang::test {

class fake_server {
  public:
    fake_server() {
        char folder[] = "/tmp/madang-worker-XXXXXX";
        if (!mkdtemp(folder)) throw std::runtime_error("mkdtemp");
        folder_ = folder;
        std::ofstream(path() + ".cookie") << "crumbs";
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path().c_str());
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 8) != 0)
            throw std::runtime_error("listen");
    }
    ~fake_server() {
        close();
        ::close(listener_);
        std::filesystem::remove_all(folder_);
    }
    fake_server(const fake_server&) = delete;

    std::string path() const { return folder_ + "/workers.sock"; }

    // The next connection's first word.
    link::hello accept() {
        close();
        await(listener_, "a worker");
        connection_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        reader_.emplace();
        return next<link::hello>();
    }
    link::hello welcome() {
        auto who = accept();
        say(link::welcome{++workers_, "node"});
        return who;
    }
    void close() {
        if (connection_ >= 0) ::close(connection_);
        connection_ = -1;
        early_.clear();
    }

    template <class What>
    void say(const What& what) {
        std::string out;
        link::append(out, what);
        say_bytes(out);
    }
    void say_bytes(std::string_view out) {
        while (!out.empty()) {
            const auto sent = ::send(connection_, out.data(), out.size(), MSG_NOSIGNAL);
            if (sent <= 0) throw std::runtime_error("the worker closed its connection");
            out.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    struct job {
        std::string args = "[]", correlation_id = "", checkpoint = "";
        std::uint32_t retries = 0, losses = 0;
        std::int32_t max_retries = 0;
        std::uint32_t soft_limit_ms = 0, hard_limit_ms = 0;
    };
    // Its token.
    std::uint64_t run(const std::string& task, const job& how) {
        link::run what;
        what.token = ++jobs_;
        what.id = "j" + std::to_string(what.token);
        what.task = task;
        what.kwargs = "{}";
        what.args = how.args;
        what.correlation_id = how.correlation_id;
        what.checkpoint = how.checkpoint;
        what.retries = how.retries;
        what.losses = how.losses;
        what.max_retries = how.max_retries;
        what.soft_limit_ms = how.soft_limit_ms;
        what.hard_limit_ms = how.hard_limit_ms;
        say(what);
        return what.token;
    }
    std::uint64_t run(const std::string& task) { return run(task, job{}); }

    // The next of that kind; others before it are kept for later calls.
    template <class What>
    What next() {
        for (auto at = early_.begin(); at != early_.end(); ++at)
            if (auto* found = std::get_if<What>(&*at)) {
                auto taken = std::move(*found);
                early_.erase(at);
                return taken;
            }
        for (;;) {
            auto frame = read();
            if (auto* found = std::get_if<What>(&frame)) return std::move(*found);
            early_.push_back(std::move(frame));
        }
    }
    link::ended ended(std::uint64_t token) {
        for (std::deque<link::ended> others;;) {
            auto what = next<link::ended>();
            if (what.token == token) {
                for (auto& each : others) early_.push_front(std::move(each));
                say(link::told{token, false});
                return what;
            }
            others.push_back(std::move(what));
        }
    }
    // Frames until the worker closes the connection.
    std::size_t rest() {
        for (std::size_t count = 0;; ++count) try {
                early_.push_back(read());
            } catch (const std::runtime_error&) {
                return count;
            }
    }

  private:
    static void await(int descriptor, const char* what) {
        pollfd one{descriptor, POLLIN, 0};
        if (::poll(&one, 1, 30'000) != 1) throw std::logic_error(std::string("waited in vain for ") + what);
    }
    link::from_worker read() {
        for (;;) {
            auto frame = reader_->next();
            if (!frame) throw std::logic_error(frame.error().detail);
            if (*frame) return std::move(**frame);
            await(connection_, "a frame");
            char room[64 * 1024];
            const auto got = ::recv(connection_, room, sizeof room, 0);
            if (got <= 0) throw std::runtime_error("the worker closed its connection");
            reader_->add({room, static_cast<std::size_t>(got)});
        }
    }

    std::string folder_;
    int listener_ = -1, connection_ = -1;
    std::optional<link::decoder<link::from_worker>> reader_;
    std::deque<link::from_worker> early_;
    std::uint64_t workers_ = 0, jobs_ = 0;
};

}  // namespace madang::test
