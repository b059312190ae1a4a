// Writes, or checks, the pages that are made from tables:
//   madang_docs --write DIR    configuration.md and metrics.md into DIR
//   madang_docs --check DIR    exit code 1 when one of them is not what --write would give
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "broker/core/configuration.hpp"
#include "monitoring/metrics.hpp"

int main(int argc, char** argv) {
    const std::string_view verb = argc == 3 ? argv[1] : "";
    if (verb != "--write" && verb != "--check") {
        std::cerr << "usage: madang_docs --write DIR | --check DIR\n";
        return 2;
    }
    const std::pair<std::string, std::string> pages[] = {
        {"configuration.md", madang::configuration_markdown()}, {"metrics.md", madang::metrics_markdown()}};
    int status = 0;
    for (const auto& [name, text] : pages) {
        const auto path = std::string(argv[2]) + "/" + name;
        if (verb == "--write") {
            if (!(std::ofstream(path) << text).flush()) {
                std::cerr << path << " cannot be written\n";
                status = 1;
            }
            continue;
        }
        std::ifstream file(path);
        if (std::string(std::istreambuf_iterator<char>(file), {}) != text) {
            std::cerr << path << " is stale; run " << argv[0] << " --write " << argv[2] << "\n";
            status = 1;
        }
    }
    return status;
}
