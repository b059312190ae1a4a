// What asks a server for jobs, over its internal listener, and counts what became of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "broker/bench/child.hpp"

namespace madang::bench {

// POSTs bodies to /api/jobs over so many connections, each with one request at a time, until `body` gives
// none (""). Throws std::runtime_error when one is not answered with 202.
struct posting {
    double seconds = 0;
    std::uint64_t requests = 0;
};
posting post_jobs(const endpoint& internal, std::uint32_t connections,
                  const std::function<std::string()>& body);

// One POST to another path of the API; its answer's body. Throws as above unless its status is 2xx.
std::string ask(const endpoint& internal, const std::string& method, const std::string& path,
                const std::string& body = {});

// The server's metrics, names with their labels as they are exposed.
std::map<std::string, double> metrics_of(const endpoint& internal);

// [body, body, …], `count` of them.
std::string repeated(const std::string& body, std::uint32_t count);

}  // namespace madang::bench
