#include "links.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>

namespace report {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t key_bytes = 32;

std::string hex(const unsigned char* bytes, std::size_t size) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text.append({digits[bytes[i] >> 4], digits[bytes[i] & 15]});
    return text;
}

std::string random_hex(std::size_t size) {
    std::string bytes(size, '\0');
    auto* data = reinterpret_cast<unsigned char*>(bytes.data());
    if (RAND_bytes(data, static_cast<int>(size)) != 1) throw std::runtime_error("there is no randomness");
    return hex(data, size);
}

[[noreturn]] void fail(const fs::path& what) {
    throw std::system_error(errno, std::generic_category(), what.string());
}

std::optional<std::string> read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(in), {});
}

// Under a name of its own, and on the disk.
fs::path write_new(const fs::path& beside, std::string_view bytes) {
    fs::path path = beside;
    path += "." + random_hex(8) + ".tmp";
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) fail(path);
    bool good = true;
    while (good && !bytes.empty()) {
        const auto written = ::write(file, bytes.data(), bytes.size());
        if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
        good = written > 0 || (written < 0 && errno == EINTR);
    }
    good = good && ::fsync(file) == 0;
    const int why = errno;
    ::close(file);
    if (good) return path;
    ::unlink(path.c_str());
    errno = why;
    fail(path);
}

void sync_folder(const fs::path& folder) {
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) fail(folder);
    ::fsync(opened);
    ::close(opened);
}

}  // namespace

std::string sign(std::string_view key, std::string_view text) {
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), made, &size);
    return hex(made, size);
}

bool Store::valid_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_';
    });
}

void Store::make_folder() const {
    std::error_code wrong;
    fs::create_directories(folder_, wrong);
    if (wrong) throw std::system_error(wrong, folder_.string());
}

void Store::put(std::string_view id, std::string_view bytes) {
    make_folder();
    const auto fresh = write_new(file(id), bytes);
    if (::rename(fresh.c_str(), file(id).c_str()) != 0) fail(file(id));
    sync_folder(folder_);
}

std::optional<std::string> Store::get(std::string_view id) const {
    return valid_id(id) ? read(file(id)) : std::nullopt;
}

std::size_t Store::remove_older(std::chrono::seconds age) {
    std::size_t count = 0;
    std::error_code wrong;
    const auto oldest = fs::file_time_type::clock::now() - age;
    for (const auto& each : fs::directory_iterator(folder_, wrong)) {
        const auto kind = each.path().extension();
        if (kind != ".pdf" && kind != ".tmp") continue;
        const auto time = each.last_write_time(wrong);
        if (!wrong && time < oldest && fs::remove(each.path(), wrong)) ++count;
    }
    return count;
}

// Whoever comes first makes it; a link is refused when the name is taken, by another process too.
std::string Store::key() {
    const std::lock_guard lock(mutex_);
    if (!key_.empty()) return key_;
    const auto path = folder_ / "links.key";
    for (auto known = read(path);; known = read(path)) {
        if (known && known->size() == 2 * key_bytes) return key_ = *known;
        if (known) throw std::runtime_error(path.string() + " is damaged; remove it");
        make_folder();
        const auto fresh = write_new(path, random_hex(key_bytes));
        const bool taken = ::link(fresh.c_str(), path.c_str()) != 0 && errno != EEXIST;
        const int why = errno;
        ::unlink(fresh.c_str());
        errno = why;
        if (taken) fail(path);
    }
}

std::string Store::signature(std::string_view id, std::string_view expires) {
    return sign(key(), "report\n" + std::string(id) + "\n" + std::string(expires));
}

std::string Store::link(std::string_view id, Clock::time_point expires) {
    const auto until =
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(expires.time_since_epoch()).count());
    return "/api/reports/" + std::string(id) + "/file?expires=" + until +
           "&signature=" + signature(id, until);
}

bool Store::admits(std::string_view id, std::string_view expires, std::string_view given,
                   Clock::time_point now) {
    std::int64_t until = 0;
    const auto [end, wrong] = std::from_chars(expires.data(), expires.data() + expires.size(), until);
    const bool number = wrong == std::errc() && end == expires.data() + expires.size();
    const auto right = signature(id, expires);
    const bool same =
        given.size() == right.size() && CRYPTO_memcmp(given.data(), right.data(), right.size()) == 0;
    const auto time = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    return number && same && time < until;
}

}  // namespace report
