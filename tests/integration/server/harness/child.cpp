#include "tests/integration/server/harness/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "tests/integration/server/harness/peer.hpp"

namespace madang::test {

namespace {

std::string everything(int file) {
    std::string text;
    char piece[16 * 1024];
    for (ssize_t n; (n = pread(file, piece, sizeof piece, static_cast<off_t>(text.size()))) > 0;)
        text.append(piece, static_cast<std::size_t>(n));
    return text;
}

int memory_file(const char* name) {
    const int file = memfd_create(name, MFD_CLOEXEC);
    if (file < 0) throw std::system_error(errno, std::system_category(), "memfd_create");
    return file;
}

// The port at the end of the line that starts with `sign`; 0 when it is not there yet.
std::uint16_t port_after(const std::string& text, std::string_view sign) {
    const auto at = text.find(sign);
    const auto end = at == std::string::npos ? at : text.find('\n', at);
    if (end == std::string::npos) return 0;
    std::uint16_t port = 0;
    std::from_chars(text.data() + text.rfind(':', end) + 1, text.data() + end, port);
    return port;
}

command serving(std::vector<std::string> flags, command extra, ports on) {
    const auto address = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
    extra.words = {server_binary(),     "serve", "--listen", address(on.listen), "--internal-listen",
                   address(on.internal)};
    extra.words.insert(extra.words.end(), flags.begin(), flags.end());
    return extra;
}

}  // namespace

child::child(const command& what) : out_(memory_file("out")), err_(memory_file("err")) {
    std::vector<char*> words;
    for (const auto& word : what.words) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    std::vector<std::string> environment;
    for (char** each = environ; *each; ++each)
        if (!std::string_view(*each).starts_with("MADANG_")) environment.emplace_back(*each);
    std::map<std::string, std::string> ours{{"MADANG_DATA_DIR", "none"}};
    for (const auto& [name, value] : what.environment) ours[name] = value;
    for (const auto& [name, value] : ours) environment.push_back(name + "=" + value);
    std::vector<char*> variables;
    for (auto& each : environment) variables.push_back(each.data());
    std::string its_pid = "LISTEN_PID=" + std::string(20, ' ');  // written by itself
    if (!what.sockets.empty()) variables.push_back(its_pid.data());
    variables.push_back(nullptr);

    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (pid_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);  // the parent died before the line above
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out_, STDOUT_FILENO);
    dup2(err_, STDERR_FILENO);
    if (what.open_files) {
        const rlimit files{what.open_files, what.open_files};
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (!what.sockets.empty()) {
        constexpr std::size_t name = std::string_view("LISTEN_PID=").size();
        *std::to_chars(its_pid.data() + name, its_pid.data() + its_pid.size(), getpid()).ptr = '\0';
        std::vector<int> aside;  // of the descriptors that they will have
        for (const int each : what.sockets) aside.push_back(fcntl(each, F_DUPFD, 100));
        for (int i = 0; i < static_cast<int>(aside.size()); ++i) {
            dup2(aside[static_cast<std::size_t>(i)], 3 + i);
            close(aside[static_cast<std::size_t>(i)]);
        }
    }
    execvpe(words[0], words.data(), variables.data());
    _exit(127);
}

child::~child() {
    if (!code_) {
        kill(pid_, SIGKILL);
        wait(10s);
    }
    close(out_);
    close(err_);
}

void child::signal(int number) const {
    if (!code_) kill(pid_, number);
}

std::string child::out() const { return everything(out_); }
std::string child::err() const { return everything(err_); }

std::optional<int> child::wait(milliseconds longest) {
    if (code_) return code_;
    const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    pollfd ready{handle, POLLIN, 0};
    const int got = poll(&ready, 1, static_cast<int>(longest.count()));
    close(handle);
    if (got <= 0) return std::nullopt;
    int status = 0;
    if (waitpid(pid_, &status, 0) == pid_)
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code_;
}

outcome run(const command& what, milliseconds longest) {
    child program(what);
    outcome result;
    result.code = program.wait(longest).value_or(-1);
    result.out = program.out();
    result.err = program.err();
    return result;
}

figures::figures(const std::string& exposition) {
    for (std::size_t at = 0; at < exposition.size();) {
        const auto end = std::min(exposition.find('\n', at), exposition.size());
        const auto line = exposition.substr(at, end - at);
        at = end + 1;
        const auto space = line.rfind(' ');
        if (line.empty() || line[0] == '#' || space == std::string::npos) continue;
        values_[line.substr(0, space)] = std::strtod(line.c_str() + space, nullptr);
    }
}

double figures::operator[](const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? 0 : found->second;
}

double figures::sum(const std::string& name) const {
    double all = 0;
    for (const auto& [key, value] : values_)
        if (key == name || key.starts_with(name + "{")) all += value;
    return all;
}

server::server(std::vector<std::string> flags, command extra, ports on)
    : process_(serving(std::move(flags), std::move(extra), on)) {
    const bool listens = eventually(
        [&] {
            const auto said = process_.out();
            port_ = port_after(said, "madang: listening on ");
            internal_port_ = port_after(said, "madang: internal on ");
            return (port_ && internal_port_) || process_.wait(0ms);
        },
        30s);
    if (!listens || !internal_port_)
        throw std::runtime_error("the server did not start:\n" + process_.out() + process_.err());
}

figures server::metrics() const { return figures(fetch(internal_port_, "/metrics").body); }

int server::stop(milliseconds longest) {
    process_.signal(SIGTERM);
    return process_.wait(longest).value_or(-1);
}

std::string server_binary() {
    const char* named = std::getenv("MADANG_SERVER");
    return named ? named : MADANG_BINARY;
}

void breathe() { poll(nullptr, 0, 5); }

}  // namespace madang::test
