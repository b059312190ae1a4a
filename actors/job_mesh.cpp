#include "actors/job_mesh_impl.hpp"

#include <algorithm>
#include <caf/all.hpp>

#include "actors/cluster_words_impl.hpp"
#include "actors/job_calls.hpp"
#include "actors/job_room_impl.hpp"
#include "actors/job_worker_actor_impl.hpp"
#include "broker/core/log.hpp"
#include "broker/jobs/call_codec.hpp"
#include "monitoring/metrics.hpp"

namespace madang {
namespace {

constexpr std::size_t mail_at_once = 1024 * 1024;      // bytes, then a mail goes before the turn's end
constexpr std::size_t early_limit = 16 * 1024 * 1024;  // bytes, of all nodes

job_desk::serving serving_of(job_standing now) noexcept {
    switch (now) {
        case job_standing::here:
            return job_desk::serving::yes;
        case job_standing::held:
            return job_desk::serving::held;
        default:
            return job_desk::serving::no;
    }
}

}  // namespace

// A worker of another node, as a connection of this one.
class job_mesh::stream final : public worker_wire {
  public:
    stream(job_mesh& of, std::uint64_t peer, std::uint64_t link, std::uint64_t number)
        : of_(of), peer_(peer), link_(link), number_(number) {
        of_.streams_[{peer_, number_}] = this;
    }
    ~stream() override { close(); }

    bool begin(reader& to) override {
        to_ = &to;
        return true;
    }
    std::optional<std::size_t> write(std::string_view bytes) override {
        const auto count = std::min(bytes.size(), worker_window - under_way_);
        for (auto rest = bytes.substr(0, count); !rest.empty();
             rest.remove_prefix(std::min(rest.size(), worker_piece)))
            of_.send(peer_, job_parcels::worker_told{number_, std::string(rest.substr(0, worker_piece))});
        under_way_ += count;
        return count;
    }
    void close() override {
        if (std::exchange(closed_, true)) return;
        of_.streams_.erase({peer_, number_});
        if (of_.linked(peer_, link_)) of_.send(peer_, job_parcels::worker_closed{number_});
    }

    // -- From the other node; they may end with this being closed
    void said(std::string_view bytes) {
        if (!to_->bytes_came(bytes)) return to_->ended();
        if (!closed_) of_.send(peer_, job_parcels::worker_read{number_, bytes.size()});
    }
    void took(std::uint64_t bytes) {
        under_way_ -= std::min<std::uint64_t>(under_way_, bytes);
        to_->may_write();
    }
    void left() { to_->ended(); }
    std::uint64_t link() const noexcept { return link_; }
    std::uint64_t worker = 0;  // the desk's number for it

  private:
    job_mesh& of_;
    const std::uint64_t peer_, link_, number_;
    reader* to_ = nullptr;
    std::size_t under_way_ = 0;
    bool closed_ = false;
};

job_mesh::job_mesh(job_room& around, job_port& here, job_mesh_state& shown)
    : room_(around), here_(here), shown_(shown) {}

job_mesh::~job_mesh() = default;

// ------------------------------------------------------------------------------------------- where they are

void job_mesh::routes_changed(std::shared_ptr<const cluster_routes> now) {
    const auto before = std::exchange(routes_, std::move(now));
    boxes_.resize(routes_->peers.size());
    for (std::size_t peer = 0; peer < routes_->peers.size(); ++peer) {
        const auto& is = routes_->peers[peer];
        const auto* was = before && peer < before->peers.size() ? &before->peers[peer] : nullptr;
        if (was != nullptr && was->link == is.link && was->hubs.empty() == is.hubs.empty()) continue;
        if (was != nullptr && !was->hubs.empty()) boxes_[peer].over = was->link;
        boxes_[peer].mail.clear();
        boxes_[peer].answering = 0;
    }
    drop_streams();
    adopters_.lost([this](std::size_t peer, std::uint64_t link) { return linked(peer, link); });
    home_place home;
    home.peer = routes_->jobs_home;
    if (home.peer < routes_->peers.size()) {
        const auto& at = routes_->peers[home.peer];
        home.link = at.link;
        home.linked = speaks(at);
        other_was_home_ = true;
    }
    if (home != home_) {
        if (home.peer != home_.peer) room_.on().metrics().add(counter::job_home_changes);
        home_ = home;
        drop_relays();
        away_.lost();
    }
    look();
    if (mover_ == nullptr) set_mover(room_.mover(routes_->self));
    tell_mover();
    early_bytes_ = 0;
    for (auto& each : std::exchange(early_, {})) mail_came(each.peer, each.link, each.bytes);
}

void job_mesh::look() {
    if (closed_) return;
    const auto before = standing();
    auto now = job_standing::nowhere;
    if (routes_ && home_.peer == cluster_routes::here)
        now = shown_.has_quorum() ? job_standing::here : job_standing::held;
    else if (routes_ && home_.peer != cluster_routes::nowhere)
        now = job_standing::there;
    else if (is_here())  // it goes, and nobody follows
        now = job_standing::held;
    shown_.away.store(static_cast<std::int64_t>(away_.waiting()), std::memory_order_relaxed);
    if (now == before) return;
    shown_.standing.store(now, std::memory_order_relaxed);
    log_info("jobs.standing", {{"here", is_here()}, {"served", now == job_standing::here}});
    if (is_here()) drop_relays();
    room_.desk().serve(serving_of(now),
                       other_was_home_ ? job_desk::tenure::taken_over : job_desk::tenure::resumed);
    tell_mover();
}

bool job_mesh::linked(std::uint64_t peer, std::uint64_t link) const noexcept {
    return routes_ && routes_->stands(static_cast<std::size_t>(peer), link);
}

void job_mesh::close() {
    closed_ = true;
    flush();
    for (auto& [number, each] : relays_) each->close();
    relays_.clear();
    away_.lost();
    adopters_.lost([](std::size_t, std::uint64_t) { return false; });
}

// ------------------------------------------------------------------------------------------- mail

void job_mesh::send(std::size_t peer, const job_parcel& what) {
    if (!routes_ || peer >= routes_->peers.size() || routes_->peers[peer].hubs.empty()) return;
    append(boxes_[peer].mail, what);
    room_.on().touch_early(*this);
    if (boxes_[peer].mail.size() >= mail_at_once) post(peer);
}

void job_mesh::post(std::size_t peer) {
    auto& mail = boxes_[peer].mail;
    const auto& to = routes_->peers[peer];
    if (!mail.empty() && to.jobs)
        caf::anon_send(to.jobs, job_mail_atom::value, to.known_as.place, to.known_as.link,
                       std::exchange(mail, {}));
    mail.clear();
}

void job_mesh::flush() {
    for (std::size_t peer = 0; peer < boxes_.size(); ++peer)
        if (!boxes_[peer].mail.empty()) post(peer);
}

void job_mesh::mail_came(std::uint64_t peer, std::uint64_t link, std::string_view bytes) {
    if (closed_) return;
    if (!linked(peer, link)) {
        const bool known = routes_ && peer < routes_->peers.size();
        if (known && (link < routes_->peers[peer].link || link <= boxes_[peer].over)) return;
        if (early_bytes_ + bytes.size() > early_limit) {
            log_error("cluster.mail_early", {{"place", static_cast<std::int64_t>(peer)}});
            return;
        }
        early_bytes_ += bytes.size();
        early_.push_back({peer, link, std::string(bytes)});
        return;
    }
    auto mail = read_job_mail(bytes);
    if (!mail) {
        room_.on().metrics().add(labelled_counter::cluster_refused, "mail");
        log_error("cluster.mail_malformed",
                  {{"node", routes_->peers[peer].who.name}, {"what", mail.error().detail}});
        return;
    }
    for (auto& each : *mail) std::visit([&](auto& parcel) { hear(peer, parcel); }, each);
}

// ------------------------------------------------------------------------------------------- requests

void job_mesh::refuse(errc why, std::string detail, const job_away::tell& done) {
    room_.on().metrics().add(labelled_counter::jobs_refused, describe(why).name);
    done(describe(why).wire_code, std::move(detail));
}

void job_mesh::forward(job_verb what, std::string body, job_away::tell done) {
    look();
    if (closed_) return refuse(errc::busy, "the server stops", done);
    if (is_here()) return answer_job_call(here_, what, body, std::move(done));
    if (!home_.linked)
        return shown_.has_quorum()
                   ? refuse(errc::busy, "the node that keeps the jobs cannot be reached", done)
                   : refuse(errc::no_quorum, "", done);
    auto call = away_.ask(what, std::move(body), std::move(done));
    if (!call) return room_.on().metrics().add(labelled_counter::jobs_refused, describe(errc::busy).name);
    room_.on().metrics().add(counter::job_calls_forwarded);
    shown_.away.store(static_cast<std::int64_t>(away_.waiting()), std::memory_order_relaxed);
    send(home_.peer, *call);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::call& what) {
    const auto link = routes_->peers[peer].link;
    job_away::tell tell = [inbox = room_.with().inbox, this, peer, link, ticket = what.ticket](
                              std::uint32_t code, std::string body) {
        inbox->put([this, peer, link, ticket, code, body = std::move(body)](job_desk&) mutable {
            answer(peer, link, ticket, code, std::move(body));
        });
    };
    look();
    if (!is_here())
        return refuse(errc::busy, "the node that was asked does not keep the jobs any more", tell);
    answer_job_call(here_, what.what, what.body, std::move(tell));
}

void job_mesh::answer(std::uint64_t peer, std::uint64_t link, std::uint64_t ticket, std::uint32_t code,
                      std::string body) {
    if (closed_ || !linked(peer, link)) return;
    auto& answering = boxes_[peer].answering;
    if (answering != 0 && answering + body.size() > room_.with().settings.cluster_credit_bytes) {
        code = describe(errc::busy).wire_code;
        body = "answers wait for the node that asked";
    }
    answering += body.size();
    send(static_cast<std::size_t>(peer), job_parcels::answer{ticket, code, std::move(body)});
}

void job_mesh::hear(std::uint64_t peer, job_parcels::answer& what) {
    send(static_cast<std::size_t>(peer), job_parcels::answers_read{what.body.size()});
    if (peer == home_.peer) away_.came(std::move(what));
    shown_.away.store(static_cast<std::int64_t>(away_.waiting()), std::memory_order_relaxed);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::answers_read& what) {
    auto& answering = boxes_[peer].answering;
    answering -= std::min(answering, what.bytes);
}

// ------------------------------------------------------------------------------------------- our workers

void job_mesh::take(std::unique_ptr<worker_socket> wire, bool proven) {
    if (!home_.linked || relays_.size() >= room_.with().settings.worker_connections) return;  // closes it
    const auto number = ++last_stream_;
    auto made = std::make_shared<job_relay>(
        job_relay::parts{.stream = number,
                         .wire = std::move(wire),
                         .cookie = proven ? nullptr : &room_.with().cookie,
                         .node = routes_->self,
                         .send = [this](const job_parcel& what) { send(home_.peer, what); },
                         .arrived =
                             [this, number] {
                                 if (draining_) send(home_.peer, job_parcels::worker_retires{number});
                             },
                         .over = [this, number] { forget_relay(number); }});
    relays_.emplace(number, made);
    room_.on().metrics().gauge_add(gauge::job_workers_relayed, 1);
    if (!made->begin()) return forget_relay(number);
    // Who does not say who it is within that time is nobody.
    room_.on().schedule(room_.with().settings.worker_timeout, [this, number, weak = std::weak_ptr(made)] {
        const auto late = weak.lock();
        if (late && !late->greeted()) forget_relay(number);
    });
}

void job_mesh::begin_drain() {
    draining_ = true;
    for (const auto& [number, each] : relays_)
        if (each->greeted()) send(home_.peer, job_parcels::worker_retires{number});
}

void job_mesh::forget_relay(std::uint64_t number) {
    const auto found = relays_.find(number);
    if (found == relays_.end()) return;
    found->second->close();
    if (found->second->greeted()) send(home_.peer, job_parcels::worker_left{number});
    room_.on().post([last = std::move(found->second)] {});  // it may be on the stack
    relays_.erase(found);
    room_.on().metrics().gauge_add(gauge::job_workers_relayed, -1);
}

// As if the server had gone: the workers connect anew. The node that kept the jobs finds out by itself.
void job_mesh::drop_relays() {
    for (auto& [number, each] : std::exchange(relays_, {})) {
        each->close();
        room_.on().post([last = std::move(each)] {});
        room_.on().metrics().gauge_add(gauge::job_workers_relayed, -1);
    }
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_told& what) {
    const auto found = relays_.find(what.stream);
    if (peer == home_.peer && found != relays_.end() && !found->second->told(what.bytes))
        forget_relay(what.stream);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_read& what) {
    const auto found = relays_.find(what.stream);
    if (peer == home_.peer && found != relays_.end()) found->second->were_read(what.bytes);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_closed& what) {
    if (peer == home_.peer) forget_relay(what.stream);
}

// ------------------------------------------------------------------------------------------- their workers

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_came& what) {
    look();
    if (!is_here() || streams_.contains({peer, what.stream}))
        return send(static_cast<std::size_t>(peer), job_parcels::worker_closed{what.stream});
    auto made = std::make_unique<stream>(*this, peer, routes_->peers[peer].link, what.stream);
    auto* const at = made.get();
    at->worker = room_.open(std::move(made), job_desk::where::other_node);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_said& what) {
    if (const auto found = streams_.find({peer, what.stream}); found != streams_.end())
        found->second->said(what.bytes);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_took& what) {
    if (const auto found = streams_.find({peer, what.stream}); found != streams_.end())
        found->second->took(what.bytes);
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_left& what) {
    if (const auto found = streams_.find({peer, what.stream}); found != streams_.end()) found->second->left();
}

void job_mesh::hear(std::uint64_t peer, job_parcels::worker_retires& what) {
    if (const auto found = streams_.find({peer, what.stream}); found != streams_.end())
        room_.desk().retire(found->second->worker);
}

// That a link ended says nothing of the workers behind it: they may come back with what they have.
void job_mesh::drop_streams() {
    std::vector<stream*> gone;
    for (const auto& [key, each] : streams_)
        if (!linked(key.first, each->link())) gone.push_back(each);
    for (auto* each : gone) {
        room_.desk().adrift(each->worker);
        each->left();
    }
}

// ------------------------------------------------------------------------------------------- a book's move

void job_mesh::set_mover(job_move_port& mover) {
    mover_ = &mover;
    tell_mover();
}

void job_mesh::tell_mover() {
    if (mover_ == nullptr || !routes_) return;
    std::map<std::string, std::uint64_t> links;
    for (const auto& each : routes_->peers)
        if (speaks(each)) links[each.who.name] = each.link;
    const auto before = std::exchange(mover_links_, links);
    for (const auto& each : before)
        if (const auto now = links.find(each.first); now == links.end() || *now != each)
            mover_->unlinked(each.first);
    std::string home;
    if (is_here())
        home = routes_->self;
    else if (home_.peer < routes_->peers.size())
        home = routes_->peers[home_.peer].who.name;
    if (home != mover_home_) mover_->home_is(mover_home_ = home);
    for (const auto& each : links)
        if (const auto was = before.find(each.first); was == before.end() || *was != each)
            mover_->linked(each.first);
    for (const auto& each : routes_->removed)
        if (!links.contains(each)) mover_->removed(each);
}

void job_mesh::send_word(const std::string& node, std::string bytes) {
    if (!routes_) return;
    for (std::size_t peer = 0; peer < routes_->peers.size(); ++peer)
        if (routes_->peers[peer].who.name == node)
            return send(peer, job_parcels::move_word{std::move(bytes)});
}

void job_mesh::adopt(const std::string& node, std::string word, adopter_answer done) {
    if (closed_ || !routes_ || mover_ == nullptr)
        return done(fail(errc::busy, "the server starts, or stops"));
    if (node == routes_->self) return mover_->adopt(word, std::move(done));
    for (std::size_t peer = 0; peer < routes_->peers.size(); ++peer) {
        const auto& to = routes_->peers[peer];
        if (to.who.name != node || !speaks(to)) continue;
        const auto ticket = adopters_.ask(peer, to.link, std::move(done));
        return send(peer, job_parcels::adopter_said{ticket, std::move(word)});
    }
    done(fail(errc::busy, node + " cannot be reached"));
}

void job_mesh::hear(std::uint64_t peer, job_parcels::adopter_said& what) {
    if (mover_ == nullptr) return;
    const auto link = routes_->peers[peer].link;
    mover_->adopt(what.bytes, [this, peer, link, ticket = what.ticket](result<std::string> got) {
        if (closed_ || !linked(peer, link)) return;
        auto told = got ? link::answer{0, 0, std::move(*got)} : link::failed(0, got.error());
        send(static_cast<std::size_t>(peer),
             job_parcels::adopter_told{ticket, told.code, std::move(told.body)});
    });
}

void job_mesh::hear(std::uint64_t peer, job_parcels::adopter_told& what) {
    auto got = what.code == 0 ? result<std::string>(std::move(what.bytes))
                              : link::error_of({0, what.code, std::move(what.bytes)});
    adopters_.came(static_cast<std::size_t>(peer), what.ticket, std::move(got));
}

void job_mesh::hear(std::uint64_t peer, job_parcels::move_word& what) {
    if (mover_ != nullptr) mover_->heard(routes_->peers[peer].who.name, std::move(what.bytes));
}

}  // namespace madang
