// The processes that a process has started, by proc(5)'s stat: "PID (NAME) STATE PPID …".
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace madang::test {

// Whichever of its threads started them; without those that have ended and are not waited for yet.
inline std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> all;
    for (const auto& each : std::filesystem::directory_iterator("/proc")) {
        const auto name = each.path().filename().string();
        if (name.find_first_not_of("0123456789") != name.npos) continue;
        std::ifstream stat(each.path() / "stat");
        std::string text;
        std::getline(stat, text, '\0');  // nothing of one that is gone by now; a bare buffer would throw
        const auto close = text.rfind(')');
        if (close == text.npos) continue;
        std::istringstream rest(text.substr(close + 1));
        char state = 0;
        pid_t of = 0;
        if (rest >> state >> of && of == parent && state != 'Z') all.push_back(std::stoi(name));
    }
    return all;
}

}  // namespace madang::test
