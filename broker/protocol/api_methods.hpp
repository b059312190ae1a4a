// The server API's methods: one table, from which dispatch and the OpenAPI document are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "broker/core/api_right.hpp"
#include "broker/core/streams.hpp"

namespace madang {

// As the options of the same names.
struct api_limits {
    std::size_t batch = 1000;
    std::size_t answer = 10'000;
    std::size_t answer_bytes = 16 * 1024 * 1024;
};

struct api_method;

// What one HTTP request's commands have in common. Outlives them by being shared; any thread.
struct api_request {
    stream_port& streams;
    api_limits limits;
    api_right rights = api_right::none;
    std::string body;  // what the commands' params are views into
    // Each command that is done with (broadcast and batch count as one, a batch's commands besides); what
    // went wrong with it, or null. Null method: there is none of that name.
    std::function<void(const api_method* method, const error* wrong)> note;
    // A backup of that name; told the folder. Null: there is nobody who makes them.
    std::function<void(const std::string& name, std::function<void(result<std::string>)> done)> back_up{};
};
using api_done = std::function<void(result<std::string>)>;  // the result's JSON; once, on any thread

struct api_method {
    using run_function = void (*)(const std::shared_ptr<const api_request>& request, std::string_view params,
                                  std::size_t room, api_done done);

    std::string_view name;
    api_right needs;
    std::string_view summary;
    // JSON Schemas (OpenAPI 3.0's dialect); #/components/schemas/… are api_openapi's.
    std::string_view request, result;
    std::string_view example;  // a request
    run_function run;
};

std::span<const api_method> api_methods();
const api_method* find_api_method(std::string_view name);  // null: there is none

// Runs one command: permission_denied when its right is not held. `params` lies in request->body and is an
// object (else bad_request); `room` is how many bytes the answer may have until no more is gathered for it.
void run_api_method(const api_method& method, const std::shared_ptr<const api_request>& request,
                    std::string_view params, std::size_t room, api_done done);

// A page's way to more: start(i, done) for each i < count, in order and at most `window` at a time; then
// finish(). start may call done at once or later, on any thread; it is called by one thread at a time.
void for_each_api_call(std::size_t count, std::size_t window,
                       std::function<void(std::size_t, std::function<void()> done)> start,
                       std::function<void()> finish);

// The OpenAPI 3.0 document of the table.
std::string api_openapi(std::string_view version);

}  // namespace madang
