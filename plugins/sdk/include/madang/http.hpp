// HTTP views: a function from a request to a response, or one that answers later and from any thread.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "madang/payload.hpp"
#include "madang/scope.hpp"

namespace madang {

// What a view answers.
struct Response {
    std::uint16_t status = 200;  // 200-599; another is answered 500, and logged
    // Name and value. Those that the server sets itself (abi.h, reply) are left out; a malformed one: 500,
    // and logged.
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;  // in bytes; its type is up to the headers

    // text/plain, UTF-8.
    static Response text(std::string body, std::uint16_t status = 200) {
        return {status, {{"content-type", "text/plain; charset=utf-8"}}, std::move(body)};
    }
    // text/html, UTF-8; what comes from people must be escaped already.
    static Response html(std::string body, std::uint16_t status = 200) {
        return {status, {{"content-type", "text/html; charset=utf-8"}}, std::move(body)};
    }
    // To a URL or path, which goes into the header as it is.
    static Response redirect(std::string location, std::uint16_t status = 302) {
        return {status, {{"location", std::move(location)}}, {}};
    }
};

// Thrown by a view: answered with that status and text. Any other exception is answered 500 and logged.
class HttpError : public std::runtime_error {
  public:
    // status: as Response's; what: the answer's body, text/plain, which the client reads.
    HttpError(std::uint16_t status, const std::string& what) : std::runtime_error(what), status_(status) {}
    std::uint16_t status() const noexcept { return status_; }  // the answer's

  private:
    std::uint16_t status_;
};

class Jobs;  // <madang/jobs.hpp>

// What a view is asked. Valid until it is answered, on the thread that runs the view: one that answers later
// copies what it needs.
class Request {
  public:
    // By the SDK, of what the ABI passed.
    Request(const Host& host, madang_request* handle) noexcept : host_(&host), handle_(handle) {}

    // Everything that is known of it; what follows is short for parts of it.
    Scope scope() const noexcept { return {*host_, host_->api.request_scope(handle_)}; }
    std::string_view method() const noexcept { return scope().method(); }  // Scope::method
    std::string_view path() const noexcept { return scope().path(); }      // Scope::path
    // Scope::header: the first of that name, in any case; "" without one.
    std::string_view header(std::string_view name) const noexcept { return scope().header(name); }
    // Scope::arg: what stands in the route's <str:name>.
    std::string_view arg(std::string_view name) const { return scope().arg(name); }
    // Scope::arg, typed. What it throws for a text that does not fit is answered 500.
    template <class Type>
    Type arg(std::string_view name) const {
        return scope().arg<Type>(name);
    }
    // All of it, at most the server's http-body-bytes; <madang/json.hpp> has json_of(request).
    std::string_view body() const noexcept { return payload().bytes(); }
    // The body, to keep beyond the answer without a copy.
    PayloadRef payload() const noexcept { return {*host_, host_->api.request_body(handle_)}; }
    // Needs <madang/jobs.hpp>. Its jobs carry its request id. Answers come on any thread, also when the
    // request is answered.
    template <class Type = Jobs>
    Type jobs() const {
        return Type(*host_, nullptr, scope().request_id());
    }
    const Host& host() const noexcept { return *host_; }         // the server's functions
    madang_request* handle() const noexcept { return handle_; }  // for the ABI's functions

  private:
    const Host* host_;
    madang_request* handle_;
};

// The right and duty to answer one request, once, from any thread. Dropped without an answer: 500.
class Reply {
  public:
    // @cond By the SDK, once per request.
    explicit Reply(const Request& request) noexcept : host_(&request.host()), handle_(request.handle()) {}
    // @endcond
    // The duty goes over to the new one.
    Reply(Reply&& other) noexcept : host_(other.host_), handle_(std::exchange(other.handle_, nullptr)) {}
    // Swaps duties: what this one had is answered 500 when the other dies.
    Reply& operator=(Reply&& other) noexcept {
        std::swap(host_, other.host_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Reply() {
        if (handle_ != nullptr) host_->api.reply(handle_, 500, nullptr, 0, {});
    }

    // Answers. Throws std::logic_error the second time. A client that is gone meanwhile hears nothing.
    void operator()(const Response& response) {
        if (handle_ == nullptr) throw std::logic_error("a request is answered once");
        std::vector<madang_pair> pairs;
        pairs.reserve(response.headers.size());
        for (const auto& [name, value] : response.headers)
            pairs.push_back({detail::to_abi(name), detail::to_abi(value)});
        const auto status = host_->api.reply(std::exchange(handle_, nullptr), response.status, pairs.data(),
                                             pairs.size(), detail::to_abi(response.body));
        // The client was answered 500 already, or is gone.
        if (status == MADANG_INVALID)
            host_->log(Level::error, "bad_response", "status outside 200-599 or a malformed header");
    }

  private:
    const Host* host_;
    madang_request* handle_;
};

using View = std::function<Response(const Request&)>;          // answers by returning
using AsyncView = std::function<void(const Request&, Reply)>;  // answers now or later, from any thread

}  // namespace madang
