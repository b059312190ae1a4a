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

struct Response {
    std::uint16_t status = 200;
    std::vector<std::pair<std::string, std::string>>
        headers;  // content-length, connection and date are the server's
    std::string body;

    static Response text(std::string body, std::uint16_t status = 200) {
        return {status, {{"content-type", "text/plain; charset=utf-8"}}, std::move(body)};
    }
    static Response html(std::string body, std::uint16_t status = 200) {
        return {status, {{"content-type", "text/html; charset=utf-8"}}, std::move(body)};
    }
    static Response redirect(std::string location, std::uint16_t status = 302) {
        return {status, {{"location", std::move(location)}}, {}};
    }
};

// Thrown by a view: answered with that status and text. Any other exception is answered 500 and logged.
class HttpError : public std::runtime_error {
  public:
    HttpError(std::uint16_t status, const std::string& what) : std::runtime_error(what), status_(status) {}
    std::uint16_t status() const noexcept { return status_; }

  private:
    std::uint16_t status_;
};

class Jobs;  // <madang/jobs.hpp>

// Valid until it is answered, on the thread that runs the view: one that answers later copies what it needs.
class Request {
  public:
    Request(const Host& host, madang_request* handle) noexcept : host_(&host), handle_(handle) {}

    Scope scope() const noexcept { return {*host_, host_->api.request_scope(handle_)}; }
    std::string_view method() const noexcept { return scope().method(); }
    std::string_view path() const noexcept { return scope().path(); }
    std::string_view header(std::string_view name) const noexcept { return scope().header(name); }
    std::string_view arg(std::string_view name) const { return scope().arg(name); }
    template <class Type>
    Type arg(std::string_view name) const {
        return scope().arg<Type>(name);
    }
    std::string_view body() const noexcept { return payload().bytes(); }
    PayloadRef payload() const noexcept { return {*host_, host_->api.request_body(handle_)}; }
    // Its jobs carry its request id. Answers come on any thread, also when the request is answered.
    template <class Type = Jobs>
    Type jobs() const {
        return Type(*host_, nullptr, scope().request_id());
    }
    const Host& host() const noexcept { return *host_; }
    madang_request* handle() const noexcept { return handle_; }

  private:
    const Host* host_;
    madang_request* handle_;
};

// The right and duty to answer one request, once, from any thread. Dropped without an answer: 500.
class Reply {
  public:
    explicit Reply(const Request& request) noexcept : host_(&request.host()), handle_(request.handle()) {}
    Reply(Reply&& other) noexcept : host_(other.host_), handle_(std::exchange(other.handle_, nullptr)) {}
    Reply& operator=(Reply&& other) noexcept {
        std::swap(host_, other.host_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Reply() {
        if (handle_ != nullptr) host_->api.reply(handle_, 500, nullptr, 0, {});
    }

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

using View = std::function<Response(const Request&)>;
using AsyncView = std::function<void(const Request&, Reply)>;

}  // namespace madang
