#include "broker/net/http_fetch.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "broker/core/lower_case.hpp"
#include "broker/core/trim.hpp"

namespace madang {

namespace {

using done_function = std::function<void(result<fetch_answer>)>;
using time = std::chrono::steady_clock::time_point;

constexpr std::size_t head_bytes = 64 * 1024;  // of an answer
constexpr std::size_t idle_handles = 64;       // kept for the next requests

struct free_list {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct free_easy {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct free_multi {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
using easy_handle = std::unique_ptr<CURL, free_easy>;

// One request on its way.
struct transfer {
    fetch_request what;
    done_function done;
    time begun;
    time deadline;
    fetch_answer answer;
    std::size_t head = 0;
    bool too_large = false;
    std::unique_ptr<curl_slist, free_list> headers;
    easy_handle easy;
};

bool printable(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool can_be_sent(const fetch_request& what) noexcept {
    const auto& url = what.url;
    if (!(url.starts_with("http://") || url.starts_with("https://")) || !printable(url)) return false;
    return std::all_of(what.headers.begin(), what.headers.end(), [](const auto& header) {
        return !header.first.empty() && printable(header.first) && printable(header.second) &&
               header.first.find(':') == std::string::npos;
    });
}

// -- libcurl's callbacks: fewer bytes taken than offered ends the transfer.

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
    auto& one = *static_cast<transfer*>(to);
    if (one.answer.body.size() + size > one.what.answer_bytes) {
        one.too_large = true;
        return 0;
    }
    one.answer.body.append(data, size);
    return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* to) {
    auto& one = *static_cast<transfer*>(to);
    const std::string_view line(data, size);
    one.head += size;
    if (one.head > head_bytes) {
        one.too_large = true;
        return 0;
    }
    const auto colon = line.find(':');
    if (line.starts_with("HTTP/"))
        one.answer.headers.clear();  // what came before was interim (100)
    else if (colon != line.npos)
        one.answer.headers.emplace_back(lower_case(line.substr(0, colon)),
                                        trim(line.substr(colon + 1), " \t\r\n"));
    return size;
}

void set_up(transfer& one) {
    CURL* easy = one.easy.get();
    curl_slist* list = nullptr;
    const auto add = [&](const std::string& line) {
        if (auto* longer = curl_slist_append(list, line.c_str())) list = longer;
    };
    for (const auto& [name, value] : one.what.headers) add(value.empty() ? name + ";" : name + ": " + value);
    add("Expect:");  // no 100-continue: it costs a round trip
    one.headers.reset(list);

    curl_easy_setopt(easy, CURLOPT_PRIVATE, &one);
    curl_easy_setopt(easy, CURLOPT_URL, one.what.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    if (one.what.method == "POST") {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, one.what.body.data());
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(one.what.body.size()));
    } else if (one.what.method == "GET") {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, one.what.method.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &one);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &one);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "madang");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // Taking back a request whose name is still being looked up would wait for the resolver's thread.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

}  // namespace

struct curl_fetcher::parts {
    parts(curl_fetcher_settings from, metrics_shard& into) : settings(from), counts(into) {}

    // -- The fetcher's thread
    void run();
    bool take_new();
    void begin(std::unique_ptr<transfer> one);
    void look_for_finished();
    void end_late();
    void finish(transfer* one, result<fetch_answer> answer);

    const curl_fetcher_settings settings;
    metrics_shard& counts;
    std::unique_ptr<CURLM, free_multi> multi;
    std::multimap<time, std::unique_ptr<transfer>> running;  // by deadline
    std::vector<easy_handle> idle;

    // -- Any thread, under the lock
    std::mutex lock;
    std::vector<std::unique_ptr<transfer>> added;
    std::size_t accepted = 0;  // not answered yet
    bool stopping = false;

    std::mutex stop_lock;  // so that two stop() wait for the same end
    std::thread thread;
};

curl_fetcher::curl_fetcher(curl_fetcher_settings settings, metrics_shard& counts)
    : parts_(std::make_unique<parts>(settings, counts)) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        throw failure(fail(errc::system_failure, "libcurl cannot be had"));
    parts_->multi.reset(curl_multi_init());
    if (!parts_->multi) throw failure(fail(errc::system_failure, "libcurl cannot be had"));
    curl_multi_setopt(parts_->multi.get(), CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(settings.connections));
    curl_multi_setopt(parts_->multi.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(settings.connections));
    parts_->thread = std::thread([p = parts_.get()] { p->run(); });
}

curl_fetcher::~curl_fetcher() { stop(); }

void curl_fetcher::stop() {
    const std::lock_guard once(parts_->stop_lock);
    if (!parts_->thread.joinable()) return;
    {
        const std::lock_guard lock(parts_->lock);
        parts_->stopping = true;
    }
    curl_multi_wakeup(parts_->multi.get());
    parts_->thread.join();
}

void curl_fetcher::fetch(fetch_request what, done_function done) {
    if (!can_be_sent(what)) return done(fail(errc::bad_request, "it cannot be sent"));
    auto one = std::make_unique<transfer>();
    one->what = std::move(what);
    one->done = std::move(done);
    one->begun = std::chrono::steady_clock::now();
    one->deadline = one->begun + one->what.timeout;
    {
        const std::lock_guard lock(parts_->lock);
        if (!parts_->stopping && parts_->accepted < parts_->settings.queue) {
            ++parts_->accepted;
            parts_->added.push_back(std::move(one));
        }
    }
    if (one) return one->done(fail(errc::busy, "too many requests wait"));
    curl_multi_wakeup(parts_->multi.get());
}

void curl_fetcher::parts::run() {
    while (take_new()) {
        int still = 0;
        curl_multi_perform(multi.get(), &still);
        look_for_finished();
        end_late();
        auto wait = std::chrono::milliseconds(60'000);
        if (!running.empty()) {
            const auto left = running.begin()->first - std::chrono::steady_clock::now();
            wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(left),
                              std::chrono::milliseconds(0), wait);
        }
        curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    while (!running.empty()) finish(running.begin()->second.get(), fail(errc::busy, "the server stops"));
}

// False: it is to end; then nothing new comes any more, and what came is in `running`.
bool curl_fetcher::parts::take_new() {
    std::vector<std::unique_ptr<transfer>> fresh;
    bool stop;
    {
        const std::lock_guard guard(lock);
        fresh.swap(added);
        stop = stopping;
    }
    for (auto& one : fresh) begin(std::move(one));
    return !stop;
}

void curl_fetcher::parts::begin(std::unique_ptr<transfer> one) {
    if (idle.empty()) {
        one->easy.reset(curl_easy_init());
    } else {
        one->easy = std::move(idle.back());
        idle.pop_back();
    }
    counts.gauge_add(gauge::fetches, 1);
    auto* added_one = one.get();
    running.emplace(one->deadline, std::move(one));
    if (!added_one->easy) return finish(added_one, fail(errc::system_failure, "libcurl cannot be had"));
    set_up(*added_one);
    if (curl_multi_add_handle(multi.get(), added_one->easy.get()) != CURLM_OK)
        finish(added_one, fail(errc::system_failure, "libcurl cannot be had"));
}

void curl_fetcher::parts::look_for_finished() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        char* tag = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &tag);
        auto* one = reinterpret_cast<transfer*>(tag);
        const auto status = message->data.result;
        if (status == CURLE_OK) {
            long code = 0;
            curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &code);
            one->answer.status = static_cast<int>(code);
            finish(one, std::move(one->answer));
        } else if (one->too_large) {
            finish(one, fail(errc::too_large, "the answer"));
        } else {
            finish(one, fail(errc::system_failure, curl_easy_strerror(status)));
        }
    }
}

void curl_fetcher::parts::end_late() {
    const auto now = std::chrono::steady_clock::now();
    while (!running.empty() && running.begin()->first <= now)
        finish(running.begin()->second.get(), fail(errc::request_timeout, "no answer in time"));
}

void curl_fetcher::parts::finish(transfer* one, result<fetch_answer> answer) {
    auto at = running.lower_bound(one->deadline);
    while (at->second.get() != one) ++at;
    const auto owned = std::move(at->second);
    running.erase(at);
    if (owned->easy) {
        curl_multi_remove_handle(multi.get(), owned->easy.get());
        curl_easy_reset(owned->easy.get());  // keeps connections, which are the multi handle's
        if (idle.size() < idle_handles) idle.push_back(std::move(owned->easy));
    }
    counts.gauge_add(gauge::fetches, -1);
    counts.observe(histogram::fetch_seconds,
                   std::chrono::duration<double>(std::chrono::steady_clock::now() - owned->begun).count());
    {
        const std::lock_guard guard(lock);
        --accepted;
    }
    owned->done(std::move(answer));
}

}  // namespace madang
