#include "broker/app/layout.hpp"

#include <algorithm>
#include <filesystem>

namespace madang {
namespace {

namespace fs = std::filesystem;

// The first of the two folders that is there.
fs::path beside_binary(const char* in_build_tree, const char* installed) {
    std::error_code error;
    const auto folder = fs::read_symlink("/proc/self/exe", error).parent_path();
    if (error) return {};
    for (const auto& candidate : {folder / in_build_tree, folder.parent_path() / installed})
        if (fs::is_directory(candidate, error)) return candidate;
    return {};
}

std::vector<std::string> plugins_in(const fs::path& folder, std::error_code& error) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().extension() == ".so") found.push_back(entry.path().string());
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

std::vector<std::string> bundled_plugins() {
    std::error_code error;
    return plugins_in(beside_binary("madang-plugins", MADANG_INSTALLED_PLUGINS), error);
}

result<std::vector<std::string>> plugin_files(const options& settings) {
    auto files = settings.bundled ? bundled_plugins() : std::vector<std::string>{};
    if (!settings.plugin_dir.empty()) {
        std::error_code error;
        const auto found = plugins_in(settings.plugin_dir, error);
        if (error)
            return fail(errc::invalid_option, "--plugin-dir " + settings.plugin_dir + ": " + error.message() +
                                                  "; name a folder that can be read");
        files.insert(files.end(), found.begin(), found.end());
    }
    files.insert(files.end(), settings.plugins.begin(), settings.plugins.end());
    return files;
}

std::string worker_socket(const options& settings) {
    if (!settings.worker_socket.empty()) return settings.worker_socket;
    return settings.data_dir == "none" ? "" : (fs::path(settings.data_dir) / "workers.sock").string();
}

std::string bundled_site() { return beside_binary("madang-site", MADANG_INSTALLED_SITE).string(); }
std::string bundled_admin() { return beside_binary("madang-admin", MADANG_INSTALLED_ADMIN).string(); }

}  // namespace madang
