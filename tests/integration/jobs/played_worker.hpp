// A worker's side of its connection, in a test.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/jobs/worker_codec.hpp"

namespace madang {

// A worker process, as the test plays it. Reading gives up after 30 s, which no test is meant to see.
class played_worker {
  public:
    played_worker(const std::string& path, std::string cookie, std::uint32_t version = link::version,
                  std::vector<std::pair<std::string, std::uint64_t>> holds = {}, std::string name = "test:1")
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        timeval patience{30, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        path.copy(at.sun_path, sizeof(at.sun_path) - 1);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
        link::hello who;
        who.version = version;
        who.cookie = std::move(cookie);
        who.name = std::move(name);
        who.concurrency = 1;
        who.prefetch = 1;
        who.holds = std::move(holds);
        say(who);
    }
    ~played_worker() { ::close(fd_); }
    template <class Word>
    void say(const Word& what) {
        std::string bytes;
        link::append(bytes, what);
        for (std::string_view rest = bytes; !rest.empty();) {
            const auto count = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
            if (count <= 0) {
                ADD_FAILURE() << "the server does not read";
                return;
            }
            rest.remove_prefix(static_cast<std::size_t>(count));
        }
    }
    int fd() const { return fd_; }
    // The next word but signs of life; nothing: the server closed.
    std::optional<link::from_server> next() {
        for (;;) {
            auto word = decoder_.next().value();
            if (word && !std::holds_alternative<link::alive>(*word)) return word;
            if (word) continue;
            char bytes[4096];
            const auto count = ::recv(fd_, bytes, sizeof bytes, 0);
            if (count <= 0) return std::nullopt;
            decoder_.add({bytes, static_cast<std::size_t>(count)});
        }
    }
    template <class Word>
    Word expect() {
        auto word = next();
        if (!word || !std::holds_alternative<Word>(*word))
            throw std::runtime_error("another word, or the end");
        return std::get<Word>(std::move(*word));
    }

  private:
    int fd_;
    link::decoder<link::from_server> decoder_;
};

}  // namespace madang
