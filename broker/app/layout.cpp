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

}  // namespace

std::vector<std::string> bundled_plugins() {
    std::vector<std::string> found;
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(beside_binary("madang-plugins", MADANG_INSTALLED_PLUGINS), error))
        if (entry.path().extension() == ".so") found.push_back(entry.path().string());
    std::sort(found.begin(), found.end());
    return found;
}

std::string bundled_site() { return beside_binary("madang-site", MADANG_INSTALLED_SITE).string(); }

}  // namespace madang
