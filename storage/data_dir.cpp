#include "storage/data_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "storage/codec.hpp"

namespace madang {
namespace {

namespace fs = std::filesystem;

error refusal(const fs::path& path, const std::string& what) {
    return fail(errc::invalid_option, "data_dir " + path.string() + ": " + what);
}

std::string system_error(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

bool write_durably(const fs::path& path, const std::string& text) {
    const auto fresh = fs::path(path) += ".new";
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return false;
    const bool done =
        ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
    ::close(file);
    return done && rename(fresh.c_str(), path.c_str()) == 0 && sync_folder(path.parent_path());
}

bool sync(const fs::path& path, int flags = 0) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
    if (file < 0) return false;
    const bool done = fsync(file) == 0;
    ::close(file);
    return done;
}

}  // namespace

bool sync_folder(const fs::path& path) { return sync(path, O_DIRECTORY); }

bool sync_tree(const fs::path& path) {
    std::error_code problem;
    fs::recursive_directory_iterator at(path, problem);
    for (; !problem && at != fs::recursive_directory_iterator(); at.increment(problem))
        if (!sync(at->path())) return false;
    errno = problem.value();
    return !problem && sync_folder(path) && sync_folder(path / "..");
}

bool make_private_folder(const fs::path& path, std::error_code& problem) {
    problem.clear();
    const auto plain = path.has_filename() ? path : path.parent_path();  // "data/"
    if (plain.has_parent_path()) fs::create_directories(plain.parent_path(), problem);
    if (problem) return false;
    if (::mkdir(plain.c_str(), 0700) == 0) return true;
    if (errno != EEXIST) problem.assign(errno, std::generic_category());
    return false;
}

std::string format_text(std::uint32_t shards, std::uint32_t version) {
    const auto body =
        "madang store\nformat " + std::to_string(version) + "\nshards " + std::to_string(shards) + "\n";
    boost::crc_32_type sum;
    sum.process_bytes(body.data(), body.size());
    char line[16];
    std::snprintf(line, sizeof line, "crc %08x\n", sum.checksum());
    return body + line;
}

result<std::uint32_t> parse_format(std::string_view text) {
    unsigned format = 0, shards = 0;
    if (std::sscanf(std::string(text).c_str(), "madang store\nformat %u\nshards %u\n", &format, &shards) >=
            1 &&
        format > store_format_version && format < 1000)
        return fail(errc::invalid_option, "its format is " + std::to_string(format) + ", newer than " +
                                              std::to_string(store_format_version) +
                                              ": use the version of madang that wrote it, or a newer one");
    if (format == 0 || shards == 0 || shards > 0xffff || text != format_text(shards, format))
        return fail(errc::invalid_option,
                    "its file `format` is damaged: restore a backup (madang store restore)");
    return shards;
}

result<std::unique_ptr<data_dir>> data_dir::open(const fs::path& path, std::uint32_t shards, access how) {
    std::error_code problem;
    if (how == access::serve) make_private_folder(path, problem);
    if (!fs::is_directory(path, problem))
        return refusal(path, how == access::serve ? "cannot be made: name a folder that can be written"
                                                  : "is no folder of a store");
    if (how == access::inspect && !fs::exists(path / "format", problem) && !fs::exists(path / "db", problem))
        return refusal(path, "there is no store in it");
    const int lock = ::open((path / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return refusal(path, system_error("cannot be written"));
    std::unique_ptr<data_dir> result(new data_dir(path, lock));
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        return refusal(path, "another process uses it: stop that, or name another folder");

    const bool has_format = fs::exists(path / "format", problem),
               has_database = fs::exists(result->database(), problem);
    if (!has_format) {
        if (has_database)
            return refusal(path, "its file `format` is missing: restore a backup (madang store restore)");
        result->new_ = true;
        result->shards_ = shards;
    } else {
        std::ifstream in(path / "format", std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        const auto text_read = std::move(text).str();
        auto parsed = parse_format(text_read);
        if (!parsed) return refusal(path, parsed.error().detail);
        result->shards_ = *parsed;
        // Before the database gains what an older madang would not understand.
        if (how == access::serve && text_read != format_text(*parsed) &&
            !write_durably(path / "format", format_text(*parsed)))
            return refusal(path, system_error("cannot be written"));
        // Between made()'s two steps the one is there and the other not.
        if (!has_database) {
            if (fs::exists(result->progress(), problem) || how == access::inspect)
                return refusal(path, "its folder db is missing: restore a backup (madang store restore)");
            result->new_ = true;
        }
    }
    if (result->new_)
        fs::remove_all(result->new_database(), problem);
    else if (how == access::serve)  // as an earlier version made it
        fs::permissions(result->database(), fs::perms::owner_all, problem);
    return result;
}

data_dir::~data_dir() { ::close(lock_); }

result<void> data_dir::made() {
    if (!write_durably(path_ / "format", format_text(shards_)))
        return refusal(path_, system_error("cannot be written"));
    if (rename(new_database().c_str(), database().c_str()) != 0 || !sync_folder(path_))
        return refusal(path_, system_error("cannot be written"));
    new_ = false;
    return {};
}

bool data_dir::make_ballast(std::uint64_t bytes) const {
    if (bytes == 0) return true;
    const int file = ::open((path_ / "ballast").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return false;
    const bool done = posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0 &&
                      ftruncate(file, static_cast<off_t>(bytes)) == 0;
    ::close(file);
    if (!done) drop_ballast();
    return done;
}

void data_dir::drop_ballast() const { unlink((path_ / "ballast").c_str()); }

}  // namespace madang
