// The processes a benchmark measures: a Madang server (this same binary) or the floor, each a child that ends
// with its object, and with us however we end (PR_SET_PDEATHSIG).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace madang::bench {

struct endpoint {
    std::uint32_t address = 0x7f000001;  // host byte order
    std::uint16_t port = 0;
    std::string host() const;  // "127.0.0.1:8000"
};

// "http://127.0.0.1:8000" or "127.0.0.1:8000"; throws std::invalid_argument.
endpoint parse_endpoint(const std::string& url);

class child_process {
  public:
    // Forks; the child runs `body` and exits with what it returns. Only while this process has one thread.
    explicit child_process(const std::function<int()>& body);
    child_process(child_process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    child_process& operator=(child_process&&) = delete;
    ~child_process();  // SIGTERM, and SIGKILL after 12 s; waits

    pid_t pid() const { return pid_; }
    bool ended();  // reaps it

  private:
    pid_t pid_;
};

// A folder for a server's data, on the disk that has TMPDIR (/tmp); removed with the object.
class data_folder {
  public:
    data_folder();  // throws std::system_error
    ~data_folder();
    data_folder(const data_folder&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// A server under measurement: a child of ours, or one that runs already.
class target {
  public:
    target(pid_t pid, endpoint where) : pid_(pid), where_(std::move(where)) {}
    target(child_process child, endpoint where, std::unique_ptr<data_folder> data = nullptr,
           endpoint internal = {})
        : data_(std::move(data)),
          pid_(child.pid()),
          where_(std::move(where)),
          internal_(std::move(internal)) {
        child_.push_back(std::move(child));
    }
    pid_t pid() const { return pid_; }
    const endpoint& where() const { return where_; }
    const endpoint& internal() const { return internal_; }  // port 0: not known

  private:
    std::unique_ptr<data_folder> data_;  // outlives the child; null: not ours
    std::vector<child_process> child_;   // none or one
    pid_t pid_;
    endpoint where_;
    endpoint internal_;
};

inline constexpr auto bench_api_key = "a-key-of-this-benchmark";  // of the server API, with all rights

struct server_command {
    std::string binary = "/proc/self/exe";
    std::uint32_t loops = 1;
    std::string plugin;  // "": only the bundled ones
    std::string jwt_secret;
    std::vector<std::string> more;  // further arguments, at the end
};

// With a data folder of its own. Waits until the server has printed its address; throws std::runtime_error
// with what it said when it does not.
target start_server(const server_command& command);
target start_floor();

}  // namespace madang::bench
