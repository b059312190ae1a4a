#include "broker/protocol/api_methods.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "broker/core/names.hpp"
#include "broker/protocol/api_codec.hpp"
#include "broker/protocol/api_runs.hpp"
#include "broker/protocol/json_members.hpp"

namespace madang {
namespace {

using api_runs::shared_request;
using verb = client_command::verb;

constexpr std::size_t page_entries = 256;      // asked of the streams at a time
constexpr std::size_t parallel_commands = 16;  // of a parallel batch, under way at a time

// A group that can be asked about: its name is one and its namespace is there.
result<void> check_group(const api_request& request, std::string_view group) {
    if (!valid_group_name(group))
        return fail(errc::bad_request, "channel takes 1 to 255 printable ASCII characters without spaces");
    if (request.streams.namespaces().of_group(group) == nullptr)
        return fail(errc::unknown_channel, "there is no namespace " + std::string(namespace_of(group)) +
                                               "; declare it: [namespace." +
                                               std::string(namespace_of(group)) + "]");
    return {};
}

// What the port answered, encoded.
template <class T, class Encode>
auto answered(api_done done, Encode encoded) {
    return [done = std::move(done), encoded](result<T> got) {
        if (got)
            done(encoded(*got));
        else
            done(got.error());
    };
}
constexpr auto nothing = [](const auto&) { return std::string("{}"); };

}  // namespace

namespace api_runs {

void publish(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto what = decode_publish(params);
    if (!what) return done(what.error());
    if (const auto good = check_group(*request, what->group); !good) return done(good.error());
    request->streams.publish(
        std::move(*what), answered<position>(std::move(done), [](const position& at) { return encode(at); }));
}

}  // namespace api_runs

namespace {

std::string reply_of(const result<std::string>& outcome) {
    return outcome ? "{\"result\":" + *outcome + "}" : "{\"error\":" + encode(outcome.error()) + "}";
}

std::string listed(std::string_view name, const std::vector<std::string>& texts) {
    std::string out = "{\"";
    out.append(name).append("\":[");
    for (const auto& each : texts) {
        if (&each != texts.data()) out += ',';
        out += each;
    }
    return out + "]}";
}

}  // namespace

namespace api_runs {

void broadcast(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto decoded = decode_broadcast(params, request->limits.batch);
    if (!decoded) return done(decoded.error());
    auto all = std::make_shared<broadcast_request>(std::move(*decoded));
    auto replies = std::make_shared<std::vector<std::string>>(all->groups.size());
    for_each_api_call(
        all->groups.size(), all->groups.size(),
        [request, all, replies](std::size_t i, std::function<void()> next) {
            api_done one = [replies, i, next = std::move(next)](const result<std::string>& outcome) {
                (*replies)[i] = reply_of(outcome);
                next();
            };
            if (const auto good = check_group(*request, all->groups[i]); !good) return one(good.error());
            auto what = all->what;
            what.group = all->groups[i];
            request->streams.publish(
                std::move(what),
                answered<position>(std::move(one), [](const position& at) { return encode(at); }));
        },
        [replies, done = std::move(done)] { done(listed("responses", *replies)); });
}

template <verb What>
void command(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto order = decode_client_order(What, params, request->limits.batch);
    if (!order) return done(order.error());
    if (!order->what.group.empty())
        if (const auto good = check_group(*request, order->what.group); !good) return done(good.error());
    request->streams.command(std::move(order->whom), std::move(order->what),
                             answered<std::size_t>(std::move(done), encode_reached));
}

template void command<verb::subscribe>(const shared_request&, std::string_view, std::size_t, api_done);
template void command<verb::unsubscribe>(const shared_request&, std::string_view, std::size_t, api_done);
template void command<verb::disconnect>(const shared_request&, std::string_view, std::size_t, api_done);
template void command<verb::refresh>(const shared_request&, std::string_view, std::size_t, api_done);

}  // namespace api_runs

namespace {

// An answer gathered page by page, until there is no more, `limit` is reached or `room` used up.
class gathering {
  protected:
    gathering(shared_request request, std::size_t room, api_done done, std::string opening)
        : request_(std::move(request)), text_(std::move(opening)), room_(room), done_(std::move(done)) {}
    void add(const std::string& element) {
        if (count_++ != 0) text_ += ',';
        text_ += element;
    }
    bool full() const { return text_.size() >= room_; }

    shared_request request_;
    std::string text_;
    std::size_t room_;
    std::size_t count_ = 0;
    api_done done_;
};

class history_gathering : public gathering, public std::enable_shared_from_this<history_gathering> {
  public:
    history_gathering(shared_request request, history_request what, std::size_t room, api_done done)
        : gathering(std::move(request), room, std::move(done), R"({"publications":[)"),
          what_(std::move(what)) {}
    void ask() {
        auto page = what_;
        page.limit = std::min(what_.limit - count_, page_entries);
        const auto asked = page.limit;
        request_->streams.history(
            std::move(page), [self = shared_from_this(), asked](result<history_page> got) {
                if (got)
                    self->take(*got, asked);
                else if (self->top_ && got.error().code == errc::unrecoverable_position)
                    self->end("true");  // cut meanwhile: what was gathered before is good
                else
                    self->done_(got.error());
            });
    }

  private:
    void take(const history_page& page, std::size_t asked) {
        if (!top_) top_ = page.top;
        for (const auto& each : page.publications) {
            add(encode(each));
            if (count_ < what_.limit && full()) return end("true");
        }
        if (page.publications.size() < asked || asked == 0) return end({});
        what_.since = position{page.top.epoch, page.publications.back().offset};
        if (count_ >= what_.limit) {
            // As many as may be: there is more when the caller's end of the stream was not reached. In
            // reverse the oldest that is kept is not known; who wants to know asks again.
            const bool capped = what_.limit >= request_->limits.answer;
            return end(capped && (what_.reverse || what_.since->offset < top_->offset) ? "true" : "");
        }
        ask();
    }
    void end(std::string_view more) {
        text_ += "],\"epoch\":";
        append_json_string(text_, top_->epoch);
        text_ += ",\"offset\":" + std::to_string(top_->offset);
        if (!more.empty()) text_.append(",\"more\":").append(more);
        done_(text_ + "}");
    }

    history_request what_;
    std::optional<position> top_;
};

class presence_gathering : public gathering, public std::enable_shared_from_this<presence_gathering> {
  public:
    presence_gathering(shared_request request, presence_request what, std::size_t room, api_done done)
        : gathering(std::move(request), room, std::move(done), R"({"presence":{)"), what_(std::move(what)) {}
    void ask() {
        auto page = what_;
        page.limit = std::min(what_.limit - count_, page_entries);
        request_->streams.presence(std::move(page), [self = shared_from_this()](result<presence_page> got) {
            if (got)
                self->take(*got);
            else
                self->done_(got.error());
        });
    }

  private:
    void take(const presence_page& page) {
        for (const auto& each : page.clients) {
            add(encode(each));
            what_.after = each.who.client;
            if (full()) return end(true);
        }
        if (page.more && !page.clients.empty() && count_ < what_.limit) return ask();
        end(page.more);
    }
    void end(bool more) { done_(text_ + (more ? "},\"more\":true}" : "}}")); }

    presence_request what_;
};

}  // namespace

namespace api_runs {

void presence(const shared_request& request, std::string_view params, std::size_t room, api_done done) {
    auto what = decode_presence(params, request->limits.answer);
    if (!what) return done(what.error());
    if (const auto good = check_group(*request, what->group); !good) return done(good.error());
    std::make_shared<presence_gathering>(request, std::move(*what), room, std::move(done))->ask();
}

void history(const shared_request& request, std::string_view params, std::size_t room, api_done done) {
    auto what = decode_history(params, request->limits.answer);
    if (!what) return done(what.error());
    if (const auto good = check_group(*request, what->group); !good) return done(good.error());
    std::make_shared<history_gathering>(request, std::move(*what), room, std::move(done))->ask();
}

void presence_stats(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto group = decode_group(params);
    if (!group) return done(group.error());
    if (const auto good = check_group(*request, *group); !good) return done(good.error());
    request->streams.presence_stats(
        std::move(*group),
        answered<presence_counts>(std::move(done), [](const presence_counts& got) { return encode(got); }));
}

void history_remove(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto group = decode_group(params);
    if (!group) return done(group.error());
    if (const auto good = check_group(*request, *group); !good) return done(good.error());
    request->streams.remove_history(std::move(*group), answered<position>(std::move(done), nothing));
}

void last_seen(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto what = decode_last_seen(params, request->limits.answer);
    if (!what) return done(what.error());
    if (const auto good = check_group(*request, what->group); !good) return done(good.error());
    request->streams.last_seen(
        std::move(what->group), what->limit,
        answered<std::vector<last_seen_entry>>(
            std::move(done), [](const std::vector<last_seen_entry>& got) { return encode(got); }));
}

void channels(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    auto what = decode_channels(params, request->limits.answer);
    if (!what) return done(what.error());
    request->streams.groups(
        std::move(what->pattern), request->limits.answer + 1,
        answered<std::map<std::string, std::uint64_t>>(
            std::move(done), [limit = what->limit](const std::map<std::string, std::uint64_t>& got) {
                return encode(got, limit);
            }));
}

void info(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    if (!json_members(params)) return done(fail(errc::bad_request, "takes a JSON object"));
    request->streams.figures(answered<std::vector<node_figures>>(
        std::move(done), [](const std::vector<node_figures>& got) { return encode(got); }));
}

void backup(const shared_request& request, std::string_view params, std::size_t, api_done done) {
    const auto name = decode_backup(params);
    if (!name) return done(name.error());
    if (!request->back_up)
        return done(fail(errc::not_available, "this server makes no backups; give it --backup-dir"));
    request->back_up(*name, [done = std::move(done)](result<std::string> folder) {
        if (!folder) return done(folder.error());
        std::string out = R"({"folder":)";
        append_json_string(out, *folder);
        done(out + "}");
    });
}

}  // namespace api_runs

namespace {

bool is_batched(std::string_view name) { return name != "batch" && find_api_method(name) != nullptr; }

}  // namespace

namespace api_runs {

void batch(const shared_request& request, std::string_view params, std::size_t room, api_done done) {
    auto decoded = decode_batch(params, request->limits.batch, is_batched);
    if (!decoded) return done(decoded.error());
    struct state {
        std::vector<api_call> calls;
        std::vector<std::string> replies;
        std::size_t window;
        std::atomic<std::size_t> used{0};
    };
    auto all = std::make_shared<state>();
    all->calls = std::move(decoded->calls);
    all->replies.resize(all->calls.size());
    all->window = decoded->parallel ? parallel_commands : 1;
    for_each_api_call(
        all->calls.size(), all->window,
        [request, all, room](std::size_t i, std::function<void()> next) {
            const auto& call = all->calls[i];
            const auto* method = find_api_method(call.method);
            api_done one = [all, i, next = std::move(next)](const result<std::string>& outcome) {
                auto& reply = all->replies[i];
                reply = outcome ? "{\"" + all->calls[i].method + "\":" + *outcome + "}" : reply_of(outcome);
                all->used += reply.size();
                next();
            };
            const auto refuse = [&](const error& why) {
                request->note(method, &why);
                one(why);
            };
            if (method == nullptr)
                return refuse(fail(errc::method_not_found, "the command names no method of this API"));
            const std::size_t used = all->used;
            if (used >= room)
                return refuse(fail(errc::limit_exceeded,
                                   "the batch's answer is as large as may be (api-answer-bytes); this "
                                   "command was not carried out"));
            run_api_method(*method, request, call.params, (room - used) / all->window, std::move(one));
        },
        [all, done = std::move(done)] { done(listed("replies", all->replies)); });
}

}  // namespace api_runs

void run_api_method(const api_method& method, const shared_request& request, std::string_view params,
                    std::size_t room, api_done done) {
    api_done noted = [&method, request, done = std::move(done)](const result<std::string>& outcome) {
        const auto wrong = outcome ? error{} : outcome.error();
        request->note(&method, outcome ? nullptr : &wrong);
        done(outcome);
    };
    if (!may(request->rights, method.needs))
        return noted(fail(errc::permission_denied, "the key lacks the right " +
                                                       std::string(name_of(method.needs)) + ", which " +
                                                       std::string(method.name) + " needs"));
    method.run(request, params, room, std::move(noted));
}

void for_each_api_call(std::size_t count, std::size_t window,
                       std::function<void(std::size_t, std::function<void()> done)> start,
                       std::function<void()> finish) {
    struct state {
        std::mutex lock;
        std::size_t count, window;
        std::size_t next = 0, under_way = 0;
        bool starting = false;  // a thread is in the loop below: it goes on, whoever else is done
        std::function<void(std::size_t, std::function<void()>)> start;
        std::function<void()> finish;

        static void go_on(const std::shared_ptr<state>& self) {
            std::unique_lock guard(self->lock);
            if (self->starting) return;
            self->starting = true;
            while (self->next < self->count && self->under_way < self->window) {
                const auto i = self->next++;
                ++self->under_way;
                guard.unlock();
                self->start(i, [self] {
                    {
                        const std::lock_guard done(self->lock);
                        --self->under_way;
                    }
                    go_on(self);
                });
                guard.lock();
            }
            self->starting = false;
            if (self->next < self->count || self->under_way != 0 || !self->finish) return;
            const auto finish = std::exchange(self->finish, {});
            guard.unlock();
            finish();
        }
    };
    auto all = std::make_shared<state>();
    all->count = count;
    all->window = window;
    all->start = std::move(start);
    all->finish = std::move(finish);
    state::go_on(all);
}

}  // namespace madang
