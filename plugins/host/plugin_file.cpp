#include "plugins/host/plugin_file.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>

namespace madang {

namespace {

// "" or what is wrong.
std::string check_file(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return std::string("cannot be read: ") + std::strerror(errno);
    struct stat file {};
    bool known = ::fstat(fd, &file) == 0;
    ::close(fd);
    if (!known) return std::string("cannot be read: ") + std::strerror(errno);
    if (!S_ISREG(file.st_mode)) return "is not a regular file";
    if (file.st_mode & S_IWOTH) return "may be written by everybody; run: chmod o-w " + path;

    std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
    if (!real) return std::string("cannot be read: ") + std::strerror(errno);
    std::string directory(real.get());
    directory.resize(directory.rfind('/') + 1);
    struct stat folder {};
    if (::stat(directory.c_str(), &folder) != 0) return "lies in a directory that cannot be read";
    if ((folder.st_mode & S_IWOTH) && !(folder.st_mode & S_ISVTX))
        return "lies in a directory that everybody may write; run: chmod o-w " + directory;
    return {};
}

std::string check_descriptor(const madang_plugin_descriptor* d) {
    if (!d) return "gives no descriptor";
    if (d->magic != MADANG_ABI_MAGIC) return "gives something else than a Madang plugin's descriptor";
    if (d->struct_size < offsetof(madang_plugin_descriptor, id))
        return "gives a descriptor that is too short";
    auto version = [](unsigned major, unsigned minor) {
        return std::to_string(major) + "." + std::to_string(minor);
    };
    if (d->abi_major != MADANG_ABI_MAJOR || d->abi_minor > MADANG_ABI_MINOR)
        return "was built for plugin ABI " + version(d->abi_major, d->abi_minor) + ", this server has " +
               version(MADANG_ABI_MAJOR, MADANG_ABI_MINOR) + "; rebuild it against this server's SDK";
    if (d->struct_size < sizeof(madang_plugin_descriptor)) return "gives a descriptor that is too short";
    if (!d->init || !d->destroy) return "gives a descriptor without init or destroy";
    return {};
}

}  // namespace

const madang_plugin_descriptor* load_plugin_file(const std::string& path, std::string& error) {
    auto refused = [&](const std::string& why) {
        error = "plugin " + path + " " + why;
        return nullptr;
    };
    if (auto why = check_file(path); !why.empty()) return refused(why);
    // dlopen searches the system's folders for a name without a slash.
    auto name = path.find('/') == std::string::npos ? "./" + path : path;
    void* library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return refused(std::string("does not load: ") + ::dlerror());
    auto entry = reinterpret_cast<madang_plugin_entry_fn>(::dlsym(library, MADANG_PLUGIN_ENTRY));
    if (!entry) return refused("exports no " MADANG_PLUGIN_ENTRY ": it is not a Madang plugin");
    try {
        const auto* descriptor = entry();
        if (auto why = check_descriptor(descriptor); !why.empty()) return refused(why);
        return descriptor;
    } catch (const std::exception& e) {
        return refused(std::string("threw from " MADANG_PLUGIN_ENTRY ": ") + e.what());
    } catch (...) {
        return refused("threw from " MADANG_PLUGIN_ENTRY);
    }
}

}  // namespace madang
