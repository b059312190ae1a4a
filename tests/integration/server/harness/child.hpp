// Programs under test: children that end with their object, and with us however we end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace madang::test {

using namespace std::chrono_literals;
using milliseconds = std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

struct command {
    std::vector<std::string> words{};  // the first: the program, found along PATH
    std::vector<std::pair<std::string, std::string>>
        environment{};             // beside ours without its MADANG_… names, and MADANG_DATA_DIR=none
    std::uint64_t open_files = 0;  // soft and hard limit; 0: as ours
    std::vector<int> sockets{};    // its descriptors from 3 on, as a service manager hands them over
};

// What it says goes to files in memory, so that it never waits for us to read.
class child {
  public:
    explicit child(const command& what);
    child(const child&) = delete;
    ~child();  // SIGKILL, and waits

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    std::string out() const;
    std::string err() const;
    std::optional<int> wait(milliseconds longest);  // exit code, 128 + signal, or nullopt: it still runs

  private:
    pid_t pid_ = -1;
    int out_ = -1;
    int err_ = -1;
    std::optional<int> code_;
};

struct outcome {
    int code = -1;  // -1: it did not end in time
    std::string out;
    std::string err;
};
outcome run(const command& what, milliseconds longest = 60s);

// Values by name and labels as exposed: `madang_closes_total{code="1011"}`.
class figures {
  public:
    explicit figures(const std::string& exposition);
    double operator[](const std::string& name) const;  // 0 when it is not there
    double sum(const std::string& name) const;         // over all labels

  private:
    std::map<std::string, double> values_;
};

struct ports {
    std::uint16_t listen = 0;  // 0: any free one
    std::uint16_t internal = 0;
};

// `madang serve`. Throws std::runtime_error, with what it said, when it does not start.
class server {
  public:
    explicit server(std::vector<std::string> flags = {}, command extra = {}, ports on = {});

    std::uint16_t port() const { return port_; }
    std::uint16_t internal_port() const { return internal_port_; }
    child& process() { return process_; }
    pid_t pid() const { return process_.pid(); }
    figures metrics() const;
    std::string log() const { return process_.err(); }
    // SIGTERM; the exit code, or -1 when it took longer.
    int stop(milliseconds longest = 30s);

  private:
    child process_;
    std::uint16_t port_ = 0;
    std::uint16_t internal_port_ = 0;
};

// The server's binary: MADANG_SERVER, or this build's.
std::string server_binary();

// Asks again until it is so; false after `longest`.
template <class Condition>
bool eventually(Condition&& condition, milliseconds longest = 60s);
void breathe();  // lets the machine do something else for some milliseconds, between two questions

template <class Condition>
bool eventually(Condition&& condition, milliseconds longest) {
    const auto end = steady::now() + longest;
    while (!condition()) {
        if (steady::now() > end) return false;
        breathe();
    }
    return true;
}

}  // namespace madang::test
