#include "broker/bench/child.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "broker/bench/floor.hpp"

namespace madang::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto start_deadline = 20s;
constexpr int stop_deadline_ms = 12'000;  // the server's own drain deadline is 10 s

std::string read_from_start(int fd) {
    std::string text(64 * 1024, '\0');
    const auto n = pread(fd, text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}

}  // namespace

std::string endpoint::host() const {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8)
        text += std::to_string(address >> shift & 255) + (shift ? "." : ":");
    return text + std::to_string(port);
}

endpoint parse_endpoint(const std::string& url) {
    std::string_view rest = url;
    if (rest.starts_with("http://")) rest.remove_prefix(7);
    while (rest.ends_with('/')) rest.remove_suffix(1);
    const auto colon = rest.rfind(':');
    endpoint where;
    in_addr address{};
    if (colon == std::string_view::npos ||
        inet_pton(AF_INET, std::string(rest.substr(0, colon)).c_str(), &address) != 1 ||
        std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), where.port).ec != std::errc{})
        throw std::invalid_argument("not an address like http://127.0.0.1:8000: " + url);
    where.address = ntohl(address.s_addr);
    return where;
}

child_process::child_process(const std::function<int()>& body) {
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (pid_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // the parent died before the line above
    signal(SIGINT, SIG_IGN);            // Ctrl-C goes to the whole terminal; the parent decides
    signal(SIGTERM, SIG_DFL);
    int code = 1;
    try {
        code = body();
    } catch (...) {  // the parent sees that it ended
    }
    _exit(code);
}

child_process::~child_process() {
    if (pid_ < 0) return;
    kill(pid_, SIGTERM);
    if (const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)); handle >= 0) {
        pollfd ready{handle, POLLIN, 0};
        while (poll(&ready, 1, stop_deadline_ms) < 0 && errno == EINTR) {
        }
        close(handle);
        if (!ready.revents) kill(pid_, SIGKILL);
    }
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

bool child_process::ended() {
    if (pid_ >= 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ < 0;
}

data_folder::data_folder() {
    auto name = (std::filesystem::temp_directory_path() / "madang-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::system_category(), name);
    path_ = name;
}

data_folder::~data_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

target start_server(const server_command& command) {
    auto data = std::make_unique<data_folder>();
    const std::string binary = std::filesystem::canonical(command.binary).string();
    std::vector<std::string> words{binary,
                                   "serve",
                                   "--listen",
                                   "127.0.0.1:0",
                                   "--loops",
                                   std::to_string(command.loops),
                                   "--internal-listen",
                                   "127.0.0.1:0",
                                   "--data-dir",
                                   (data->path() / "data").string(),
                                   "--log-level",
                                   "warn"};
    if (!command.plugin.empty()) words.insert(words.end(), {"--plugin", command.plugin});
    words.insert(words.end(), command.more.begin(), command.more.end());

    // A file and not a pipe: a server that says much must never wait for us to read.
    const int said = memfd_create("madang-bench-server", MFD_CLOEXEC);
    if (said < 0) throw std::system_error(errno, std::system_category(), "memfd_create");
    child_process child([&] {
        setenv("MADANG_DATA_DIR", "none", 1);  // nobody's folder; --data-dir among `more` is stronger
        setenv("MADANG_API_KEYS", (std::string("bench:all:") + bench_api_key).c_str(), 1);
        if (!command.jwt_secret.empty()) setenv("MADANG_JWT_HMAC_SECRET", command.jwt_secret.c_str(), 1);
        dup2(said, STDOUT_FILENO);
        dup2(said, STDERR_FILENO);
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        execv(binary.c_str(), arguments.data());
        return 127;
    });
    const auto give_up = std::chrono::steady_clock::now() + start_deadline;
    for (;;) {
        const std::string text = read_from_start(said);
        constexpr std::string_view sign = "madang: listening on ";
        const auto at = text.find(sign);
        const auto end = at == std::string::npos ? at : text.find('\n', at);
        constexpr std::string_view inner = "madang: internal on ";
        const auto behind = end == std::string::npos ? end : text.find(inner, end);
        const auto last_end = behind == std::string::npos ? behind : text.find('\n', behind);
        if (last_end != std::string::npos) {
            close(said);
            const auto where = parse_endpoint(text.substr(at + sign.size(), end - at - sign.size()));
            const auto internal =
                parse_endpoint(text.substr(behind + inner.size(), last_end - behind - inner.size()));
            return {std::move(child), where, std::move(data), internal};
        }
        if (child.ended() || std::chrono::steady_clock::now() > give_up) {
            const auto last = read_from_start(said);
            close(said);
            throw std::runtime_error("the server did not start: " + binary + " serve\n" + last);
        }
        poll(nullptr, 0, 5);
    }
}

target start_floor() {
    endpoint where;
    const int listener = open_floor(where.port);
    child_process child([listener] { return serve_floor(listener); });
    close(listener);
    return {std::move(child), where};
}

}  // namespace madang::bench
