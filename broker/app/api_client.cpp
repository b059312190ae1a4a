#include "broker/app/api_client.hpp"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace madang {
namespace {

constexpr std::size_t answer_bytes = 1024ul * 1024 * 1024;  // api-answer-bytes cannot be more

std::size_t take(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& text = *static_cast<std::string*>(into);
    if (text.size() + count > answer_bytes) return 0;
    text.append(bytes, count);
    return count;
}

struct heard {
    long status = 0;
    std::string text;
    nlohmann::json answer;  // discarded where it is not JSON
};

errc refusal_of(long status) noexcept {
    return status == 503 || status == 504 ? errc::busy : errc::bad_request;
}

result<heard> ask(const std::string& url, const std::string& key, const api_question& what) {
    const auto where = url.substr(0, url.find_last_not_of('/') + 1);
    static const auto ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(ready == CURLE_OK ? curl_easy_init() : nullptr,
                                                      curl_easy_cleanup);
    if (!curl) return fail(errc::system_failure, "libcurl does not start");
    curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
    if (!key.empty()) list = curl_slist_append(list, ("X-API-Key: " + key).c_str());
    for (const auto& each : what.headers) list = curl_slist_append(list, each.c_str());
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
    heard got;
    char why[CURL_ERROR_SIZE] = "";
    const auto address = where + what.path;
    curl_easy_setopt(curl.get(), CURLOPT_URL, address.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    if (what.verb == "POST" || what.verb == "PUT") {
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(what.body.size()));
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, what.body.c_str());
    }
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, what.verb.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, static_cast<long>(what.longest.count()));
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // an internal listener is not behind one
    curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &got.text);
    if (const auto failed = curl_easy_perform(curl.get()); failed != CURLE_OK)
        return fail(failed == CURLE_OPERATION_TIMEDOUT ? errc::request_timeout : errc::system_failure,
                    where + ": " + (*why != '\0' ? why : curl_easy_strerror(failed)) +
                        "; is the server's internal listener there? (--url, MADANG_API_URL)");
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &got.status);
    got.answer = nlohmann::json::parse(got.text, nullptr, false);
    if (got.answer.is_object() && got.answer.contains("error")) {
        const auto& error = got.answer["error"];
        const auto message = error.is_object() ? error.find("message") : error.end();
        // A job has an error too, which is no refusal.
        if (!(got.status >= 200 && got.status < 300 && got.answer.contains("state")) && error.is_object() &&
            message != error.end() && message->is_string())
            return fail(
                refusal_of(got.status),
                message->get<std::string>() + (got.status == 401 ? " (--api-key, MADANG_API_KEY)" : ""));
    }
    return got;
}

error not_the_api(const std::string& url, const heard& what) {
    return fail(refusal_of(what.status), url.substr(0, url.find_last_not_of('/') + 1) + " answered " +
                                             std::to_string(what.status) +
                                             ", and not as Madang's API does; is it the internal listener?");
}

}  // namespace

result<std::string> ask_api(const std::string& url, const std::string& key, std::string_view method,
                            const std::string& body, std::chrono::seconds timeout) {
    auto got = ask(url, key,
                   {.verb = "POST",
                    .path = "/api/" + std::string(method),
                    .body = body,
                    .headers = {},
                    .longest = timeout});
    if (!got) return got.error();
    if (got->status != 200 || !got->answer.is_object() ||
        !(got->answer.contains("result") || got->answer.contains("replies")))
        return not_the_api(url, *got);
    return std::move(got->text);
}

result<std::string> ask_site(const std::string& url, const std::string& key, const api_question& what) {
    auto got = ask(url, key, what);
    if (!got) return got.error();
    if (got->status < 200 || got->status > 299 || !got->answer.is_object()) return not_the_api(url, *got);
    return std::move(got->text);
}

}  // namespace madang
