// A fetcher whose answers the test gives, when it likes. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "broker/core/http_fetch.hpp"

namespace madang {

class fake_fetcher final : public http_fetcher {
  public:
    void fetch(fetch_request what, std::function<void(result<fetch_answer>)> done) override {
        ++asked;
        last = what;
        if (refuse) return done(fail(*refuse));
        waiting.emplace_back(std::move(what), std::move(done));
    }

    // To the oldest request that waits.
    void answer(std::string body, int status = 200) {
        fetch_answer given;
        given.status = status;
        given.body = std::move(body);
        take()(std::move(given));
    }
    void fail_with(errc code, std::string detail = {}) { take()(fail(code, std::move(detail))); }

    std::size_t asked = 0;  // in all
    fetch_request last;
    std::optional<errc> refuse;  // answered at once
    std::deque<std::pair<fetch_request, std::function<void(result<fetch_answer>)>>> waiting;

  private:
    std::function<void(result<fetch_answer>)> take() {
        auto done = std::move(waiting.at(0).second);
        waiting.pop_front();
        return done;
    }
};

}  // namespace madang
