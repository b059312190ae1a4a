#include "actors/job_carrier_impl.hpp"

#include <algorithm>
#include <utility>

#include "actors/job_room_impl.hpp"
#include "broker/core/log.hpp"
#include "storage/store.hpp"

namespace madang {
namespace {

// A chunk is larger than job_mover cuts it when one workflow is: all of it is in memory then.
constexpr std::size_t most_chunk_bytes = std::size_t{1} << 30;

}  // namespace

job_carrier::job_carrier(job_room& around, const std::string& own)
    : room_(around), own_(own), mover_(*this, own, {}), taker_(*this, most_chunk_bytes) {
    mover_.start();
}

void job_carrier::home_is(const std::string& node) {
    taker_.serve(node == own_);
    mover_.home_is(node);
    room_.touched();
}

void job_carrier::linked(const std::string& node) {
    mover_.linked(node);
    room_.touched();
}

void job_carrier::unlinked(const std::string& node) {
    mover_.unlinked(node);
    taker_.unlinked(node);
    room_.touched();
}

void job_carrier::heard(const std::string& node, std::string&& bytes) {
    auto word = decode_job_move_word(bytes);
    if (!word) return log_error("cluster.mail_malformed", {{"node", node}, {"what", "move_word"}});
    if (is_givers(word->what))
        taker_.heard(node, std::move(*word));
    else
        mover_.heard(node, *word);
    room_.touched();
}

void job_carrier::adopt(std::string_view bytes, adopter_answer done) {
    auto word = decode_job_move_word(bytes);
    if (!word || !is_givers(word->what)) return done(fail(errc::bad_request, "it is no giver's word"));
    const auto is = adopter_.came(word->of.book, room_.now().elapsed_ms, std::move(done));
    if (is == adopter_here::verdict::refused) return;
    const std::string name(adopter_here::name);
    if (is == adopter_here::verdict::another) taker_.unlinked(name);
    taker_.heard(name, std::move(*word));
    room_.touched();
}

void job_carrier::tick() {
    mover_.tick();
    if (adopter_.silent(room_.now().elapsed_ms)) taker_.unlinked(std::string(adopter_here::name));
}

std::chrono::milliseconds job_carrier::wait() const {
    auto wait = mover_.wait();
    if (const auto until = adopter_.until())
        wait = std::min(
            wait, std::chrono::milliseconds(std::max<std::int64_t>(0, *until - room_.now().elapsed_ms)));
    return wait;
}

void job_carrier::submit(job_request what, durability how, std::function<void(job_answer&&)> then) {
    std::vector<job_request> one;
    one.push_back(std::move(what));
    room_.with().kept.submit_jobs(
        std::move(one), how,
        [this, inbox = room_.with().inbox, then = std::move(then)](std::vector<job_answer> answers) {
            auto answer = std::make_shared<job_answer>(std::move(answers.front()));
            inbox->put([this, then, answer](job_desk&) {
                then(std::move(*answer));
                room_.touched();
            });
        });
}

void job_carrier::send(const std::string& node, std::string word) {
    if (node == adopter_here::name) return adopter_.answer(std::move(word));
    room_.mesh()->send_word(node, std::move(word));
}

void job_carrier::took(const std::string& from, const taken_chunk& what) {
    log_info("jobs.moved_here", {{"node", from},
                                 {"jobs", static_cast<std::int64_t>(what.jobs)},
                                 {"skipped", static_cast<std::int64_t>(what.skipped)}});
    took_back(what);
}

void job_carrier::took_back(const taken_chunk& what) {
    if (what.schedules != 0) room_.desk().reload_schedules();
}

job_time job_carrier::now() const { return room_.now(); }

}  // namespace madang
