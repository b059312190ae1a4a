#include "storage/progress_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "storage/bytes.hpp"
#include "storage/data_dir.hpp"

namespace madang {
namespace {

// A record within one sector, so that a power cut leaves the old or the new one: crc:u32 length:u16 bytes.
constexpr std::size_t sector = 512;
constexpr std::size_t file_size = 8 * sector;
enum slot : int { identity_slot = 0, committed_slot = 1, synced_slot = 2, manifest_slot = 3 };
constexpr std::string_view magic = "madang progress 1";

std::uint32_t crc_of(std::string_view bytes) {
    boost::crc_32_type sum;
    sum.process_bytes(bytes.data(), bytes.size());
    return sum.checksum();
}

bool write_record(int file, int where, const std::string& body) {
    std::string record;
    byte_writer(record).number(crc_of(body)).text16(body);
    record.resize(std::max<std::size_t>(record.size(), 128));  // over a longer one
    return pwrite(file, record.data(), record.size(), static_cast<off_t>(where * sector)) ==
           static_cast<ssize_t>(record.size());
}

std::optional<std::string_view> record_of(std::string_view page, int where) {
    byte_reader in(page.substr(static_cast<std::size_t>(where) * sector, sector));
    const auto crc = in.number<std::uint32_t>();
    const auto body = in.text16();
    return in.good() && crc_of(body) == crc ? std::optional(body) : std::nullopt;
}

error trouble(const std::filesystem::path& path, const char* what) {
    return fail(errc::storage_failed, path.string() + ": " + what + ": " + std::strerror(errno));
}

std::string committed_body(const progress::committed_mark& mark) {
    std::string body;
    byte_writer(body).number(mark.sequence).number(static_cast<std::uint8_t>(mark.torn));
    return body;
}
std::string synced_body(std::uint64_t sequence) {
    std::string body;
    byte_writer(body).number(sequence);
    return body;
}

}  // namespace

std::string this_boot_id() {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
}

result<std::optional<progress>> progress_file::read(const std::filesystem::path& path) {
    std::error_code problem;
    if (!std::filesystem::exists(path, problem)) return std::optional<progress>();
    std::ifstream in(path, std::ios::binary);
    std::string page(file_size + 1, '\0');
    in.read(page.data(), static_cast<std::streamsize>(page.size()));
    page.resize(static_cast<std::size_t>(in.gcount()));
    progress what;
    bool good = page.size() == file_size;
    const auto each = [&](int where, auto&& see) {
        const auto body = good ? record_of(page, where) : std::nullopt;
        if (!(good = body.has_value())) return;
        byte_reader reader(*body);
        see(reader);
        good = reader.whole();
    };
    each(identity_slot, [&](byte_reader& from) {
        good = from.raw(magic.size()) == magic;
        what.clean = from.number<std::uint8_t>() == 1;
        what.boot_id = from.text16();
    });
    each(committed_slot, [&](byte_reader& from) {
        what.committed.sequence = from.number<std::uint64_t>();
        what.committed.torn = from.number<std::uint8_t>() == 1;
    });
    each(synced_slot, [&](byte_reader& from) { what.synced_sequence = from.number<std::uint64_t>(); });
    for (int i = 0; i < 2; ++i)
        each(manifest_slot + i, [&](byte_reader& from) {
            what.manifests[i].number = from.number<std::uint64_t>();
            what.manifests[i].bytes = from.number<std::uint64_t>();
            what.manifests[i].crc = from.number<std::uint32_t>();
        });
    // Nothing but records is in it.
    std::string rest = page;
    if (good) {
        for (int i = 0; i < manifest_slot + 2; ++i)
            std::memset(rest.data() + static_cast<std::size_t>(i) * sector, 0,
                        6 + record_of(page, i)->size());
    }
    if (!good || rest.find_first_not_of('\0') != std::string::npos)
        return fail(errc::storage_failed, path.string() +
                                              " is damaged: `madang store restore` a backup, or remove "
                                              "that file, and every stream begins a new epoch");
    return std::optional(std::move(what));
}

result<std::unique_ptr<progress_file>> progress_file::begin(const std::filesystem::path& path,
                                                            progress known) {
    const auto fresh = std::filesystem::path(path) += ".new";
    const bool made = !std::filesystem::exists(path);
    const int file = open((made ? fresh : path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return trouble(path, "cannot be opened");
    known.clean = false;
    std::unique_ptr<progress_file> result(new progress_file(path, file, std::move(known)));
    if (made && (ftruncate(file, 0) != 0 || ftruncate(file, file_size) != 0 ||
                 (errno = posix_fallocate(file, 0, file_size)) != 0))
        return trouble(path, "no room");
    if (!result->write_identity() ||
        !write_record(file, committed_slot, committed_body(result->known_.committed)) ||
        !write_record(file, synced_slot, synced_body(result->known_.synced_sequence)) ||
        !result->write_manifest(0) || !result->write_manifest(1) || fsync(file) != 0)
        return trouble(path, "cannot be written");
    if (made && (rename(fresh.c_str(), path.c_str()) != 0 || !sync_folder(path.parent_path())))
        return trouble(path, "cannot be made");
    return result;
}

progress_file::~progress_file() { close(file_); }

bool progress_file::write_identity() {
    std::string body(magic);
    byte_writer(body).number(static_cast<std::uint8_t>(known_.clean)).text16(known_.boot_id);
    return write_record(file_, identity_slot, body);
}

bool progress_file::write_manifest(int slot) {
    const auto& mark = known_.manifests[slot];
    std::string body;
    byte_writer(body).number(mark.number).number(mark.bytes).number(mark.crc);
    return write_record(file_, manifest_slot + slot, body);
}

void progress_file::committed(std::uint64_t sequence) {
    const std::lock_guard lock(lock_);
    known_.committed = {sequence, false};
    write_record(file_, committed_slot, committed_body(known_.committed));
}

void progress_file::torn() {
    const std::lock_guard lock(lock_);
    known_.committed.torn = true;
    write_record(file_, committed_slot, committed_body(known_.committed));
    fsync(file_);
}

void progress_file::healed() {
    const std::lock_guard lock(lock_);
    if (!std::exchange(known_.committed.torn, false)) return;
    write_record(file_, committed_slot, committed_body(known_.committed));
    fsync(file_);
}

result<void> progress_file::running(std::string boot_id) {
    const std::lock_guard lock(lock_);
    known_.boot_id = std::move(boot_id);
    if (!write_identity() || fsync(file_) != 0) return trouble(path_, "cannot be written");
    return {};
}

void progress_file::synced(std::uint64_t sequence) {
    const std::lock_guard lock(lock_);
    known_.synced_sequence = sequence;
    write_record(file_, synced_slot, synced_body(sequence));
}

void progress_file::manifest(std::uint64_t number, std::uint64_t bytes, std::uint32_t crc) {
    const std::lock_guard lock(lock_);
    auto& marks = known_.manifests;
    const int slot = marks[0].number == number   ? 0
                     : marks[1].number == number ? 1
                                                 : (marks[0].number < marks[1].number ? 0 : 1);
    marks[slot] = {number, bytes, crc};
    write_manifest(slot);
}

result<void> progress_file::mark_clean() {
    const std::lock_guard lock(lock_);
    // What the marks say is true and durable before the file says that it is clean.
    if (fsync(file_) != 0) return trouble(path_, "cannot be written");
    known_.clean = true;
    if (!write_identity() || fsync(file_) != 0) return trouble(path_, "cannot be written");
    return {};
}

}  // namespace madang
