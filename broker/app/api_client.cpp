#include "broker/app/api_client.hpp"

#include <curl/curl.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace madang {
namespace {

constexpr long timeout_seconds = 10;
constexpr std::size_t answer_bytes = 1024ul * 1024 * 1024;  // api-answer-bytes cannot be more

std::size_t take(char* bytes, std::size_t, std::size_t count, void* into) {
    auto& text = *static_cast<std::string*>(into);
    if (text.size() + count > answer_bytes) return 0;
    text.append(bytes, count);
    return count;
}

}  // namespace

result<std::string> ask_api(const std::string& url, const std::string& key, std::string_view method,
                            const std::string& body) {
    const auto where = url.substr(0, url.find_last_not_of('/') + 1);
    static const auto ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(ready == CURLE_OK ? curl_easy_init() : nullptr,
                                                      curl_easy_cleanup);
    if (!curl) return fail(errc::system_failure, "libcurl does not start");
    curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
    if (!key.empty()) list = curl_slist_append(list, ("X-API-Key: " + key).c_str());
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
    std::string text;
    char why[CURL_ERROR_SIZE] = "";
    const auto address = where + "/api/" + std::string(method);
    curl_easy_setopt(curl.get(), CURLOPT_URL, address.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, timeout_seconds);
    curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");  // an internal listener is not behind one
    curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &text);
    if (const auto failed = curl_easy_perform(curl.get()); failed != CURLE_OK)
        return fail(errc::system_failure,
                    where + ": " + (*why != '\0' ? why : curl_easy_strerror(failed)) +
                        "; is the server's internal listener there? (--url, MADANG_API_URL)");
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    const auto answer = nlohmann::json::parse(text, nullptr, false);
    if (answer.is_object() && answer.contains("error")) {
        const auto& error = answer["error"];
        const auto message = error.is_object() ? error.find("message") : error.end();
        if (error.is_object() && message != error.end() && message->is_string())
            return fail(errc::bad_request,
                        message->get<std::string>() + (status == 401 ? " (--api-key, MADANG_API_KEY)" : ""));
    }
    if (status != 200 || !answer.is_object() || !(answer.contains("result") || answer.contains("replies")))
        return fail(errc::bad_request, where + " answered " + std::to_string(status) +
                                           ", and not as Madang's API does; is it the internal listener?");
    return text;
}

}  // namespace madang
