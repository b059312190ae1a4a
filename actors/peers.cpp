#include "actors/peers.hpp"

#include <unistd.h>

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/network/multiplexer.hpp>
#include <map>
#include <mutex>
#include <set>

#include "actors/cluster_routes_impl.hpp"
#include "actors/cluster_words_impl.hpp"
#include "actors/job_service.hpp"
#include "actors/shard_tenures.hpp"
#include "actors/yard_impl.hpp"
#include "broker/cluster/jobs_home.hpp"
#include "broker/core/log.hpp"

namespace madang {
namespace {

constexpr std::chrono::seconds patience{3};  // for BASP's handshake, and for the other switchboard's answer
// The number under which the switchboard is published; no socket has it.
constexpr std::uint16_t basp_port = 1;

using attach_atom = caf::atom_constant<caf::atom("attach")>;

}  // namespace

struct peers::state {
    state(yard& home, node_id self, std::uint32_t shards, std::size_t credit_bytes,
          std::function<void(const node_id&, const std::string&)> failed, job_service* jobs)
        : home(home),
          jobs(jobs),
          self(std::move(self)),
          shards(shards),
          credit_bytes(credit_bytes),
          failed(std::move(failed)) {}

    yard& home;
    job_service* const jobs;  // null: none
    const node_id self;
    const std::uint32_t shards;
    const std::size_t credit_bytes;
    const std::function<void(const node_id&, const std::string&)> failed;
    caf::actor switchboard;

    mutable std::mutex mutex;
    shard_tenures tenures{self.name, shards};
    std::vector<peer_route> routes;
    std::vector<std::string> removed;

    // With the lock held.
    std::size_t place_of(const std::string& name) {
        for (std::size_t place = 0; place < routes.size(); ++place)
            if (routes[place].who.name == name) return place;
        routes.emplace_back().who.name = name;
        return routes.size() - 1;
    }

    // With the lock held: the order of snapshots is the order in which the loops get them.
    void tell_loops(shard_tenures::change by_view = {}) {
        const auto& view = tenures.view();
        for (auto& each : routes)
            if (const auto* member = view.find(each.who.name)) each.listed = member->who.incarnation;
        auto made = std::make_shared<cluster_routes>();
        made->owners = shard_map(view, shards);
        made->by_shard.assign(shards, cluster_routes::here);
        for (std::uint32_t shard = 0; shard < shards; ++shard) {
            const auto* owner = made->owners.owner(shard);
            if (owner != nullptr && owner->name != self.name) made->by_shard[shard] = place_of(owner->name);
        }
        made->since = tenures.since();
        made->parted = by_view.parted;
        made->moves = std::move(by_view.moves);
        made->peers = routes;
        for (auto& each : made->peers) {
            const auto* member = view.find(each.who.name);
            each.gone = member == nullptr
                            ? each.listed != 0 && each.listed >= each.who.incarnation
                            : member->who.incarnation >= each.who.incarnation &&
                                  (member->state == node_state::dead || member->state == node_state::left);
        }
        made->self = self.name;
        made->removed = removed;
        if (const auto* keeper = jobs_home(view))
            made->jobs_home = keeper->who == self ? cluster_routes::here : place_of(keeper->who.name);
        made->peers.resize(routes.size());
        if (jobs != nullptr) jobs->routes_changed(made);
        home.routes_changed(std::move(made));
    }
    std::vector<caf::actor> jobs_actors() const {
        return jobs != nullptr ? jobs->actors() : std::vector<caf::actor>();
    }
};

// Accepts links and the other switchboards' hellos.
class switchboard final : public caf::event_based_actor {
  public:
    switchboard(caf::actor_config& config, std::shared_ptr<peers::state> all)
        : caf::event_based_actor(config), all_(std::move(all)) {}

    caf::behavior make_behavior() override {
        return {
            [this](attach_atom, const std::string& name, std::uint64_t incarnation, int fd, bool dialed) {
                attach({name, incarnation}, fd, dialed);
            },
            [this](peer_hello_atom, const std::string& name, std::uint64_t incarnation,
                   const std::string& yard, std::uint64_t place, std::uint64_t link,
                   std::vector<caf::actor>& hubs,
                   std::vector<caf::actor>& jobs) -> caf::result<caf::message> {
                std::lock_guard lock(all_->mutex);
                auto& route = all_->routes[all_->place_of(name)];
                if (route.who.incarnation != incarnation || route.link == 0)
                    return caf::sec::invalid_argument;
                const auto answer = of_this_node(route);
                linked(route, yard, {place, link}, std::move(hubs), jobs);
                return answer;
            },
        };
    }

  private:
    // What the other is to know of this node: yard, place, link, hubs, jobs.
    caf::message of_this_node(const peer_route& route) const {
        const auto place = static_cast<std::uint64_t>(&route - all_->routes.data());
        return caf::make_message(all_->home.node(), place, route.link, all_->home.hub_actors(),
                                 all_->jobs_actors());
    }

    void linked(peer_route& route, const std::string& yard, peer_route::address known_as,
                std::vector<caf::actor> hubs, const std::vector<caf::actor>& jobs) {
        route.yard = yard;
        route.known_as = known_as;
        route.hubs = std::move(hubs);
        route.jobs = jobs.empty() ? caf::actor() : jobs.front();
        route.under_way = std::make_shared<credit>(all_->credit_bytes);
        all_->tell_loops();
    }

    void attach(const node_id& who, int fd, bool dialed) {
        {
            std::lock_guard lock(all_->mutex);
            auto& route = all_->routes[all_->place_of(who.name)];
            route.who = who;
            route.hubs.clear();
            route.jobs = nullptr;
            ++route.link;
        }
        auto& middleman = system().middleman();
        const auto basp = middleman.named_broker<caf::io::basp_broker>(caf::atom("BASP"));
        auto scribe = middleman.backend().new_scribe(fd);
        if (!dialed) {
            anon_send(basp, caf::publish_atom::value, std::move(scribe), basp_port,
                      caf::actor_cast<caf::strong_actor_ptr>(this), std::set<std::string>{});
            return;
        }
        const auto fail = [this, who](caf::error& why) {
            all_->failed(who, "BASP: " + system().render(why));
        };
        request(basp, patience, caf::connect_atom::value, std::move(scribe), basp_port)
            .then(
                [this, who, fail](const caf::node_id&, caf::strong_actor_ptr& peer,
                                  const std::set<std::string>&) {
                    if (!peer) return all_->failed(who, "BASP: there is no switchboard");
                    greet(who, caf::actor_cast<caf::actor>(peer));
                },
                fail);
    }

    void greet(const node_id& who, const caf::actor& peer) {
        caf::message hello;
        {
            std::lock_guard lock(all_->mutex);
            const auto& route = all_->routes[all_->place_of(who.name)];
            if (route.who != who) return;
            hello = caf::make_message(peer_hello_atom::value, all_->self.name, all_->self.incarnation) +
                    of_this_node(route);
        }
        request(peer, patience, hello)
            .then(
                [this, who](const std::string& yard, std::uint64_t place, std::uint64_t link,
                            std::vector<caf::actor>& hubs, std::vector<caf::actor>& jobs) {
                    std::lock_guard lock(all_->mutex);
                    auto& route = all_->routes[all_->place_of(who.name)];
                    if (route.who == who) linked(route, yard, {place, link}, std::move(hubs), jobs);
                },
                [this, who](caf::error& why) { all_->failed(who, "hello: " + system().render(why)); });
    }

    const std::shared_ptr<peers::state> all_;
};

peers::peers(yard& home, node_id self, std::uint32_t shards, std::size_t credit_bytes,
             std::function<void(const node_id& who, const std::string& why)> failed, job_service* jobs)
    : state_(std::make_shared<state>(home, std::move(self), shards, credit_bytes, std::move(failed), jobs)) {
    state_->switchboard = home.system().spawn<switchboard>(state_);
}

peers::~peers() {
    caf::anon_send_exit(state_->switchboard, caf::exit_reason::user_shutdown);
    state_->switchboard = nullptr;
    // Behind it nothing comes from other nodes any more: the hubs, to whom it would, may go.
    auto& system = state_->home.system();
    const auto basp = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
    caf::anon_send_exit(basp, caf::exit_reason::kill);
    caf::scoped_actor self{system};
    self->wait_for(basp);
}

void peers::attach(const node_id& who, int fd, bool dialed) {
    caf::anon_send(state_->switchboard, attach_atom::value, who.name, who.incarnation, fd, dialed);
}

void peers::lost(const node_id& who) {
    std::lock_guard lock(state_->mutex);
    auto& route = state_->routes[state_->place_of(who.name)];
    if (route.who != who || route.hubs.empty()) return;
    route.hubs.clear();
    route.jobs = nullptr;
    state_->tell_loops();
}

void peers::view_changed(const cluster_view& now, const std::vector<node_id>& removed) {
    std::lock_guard lock(state_->mutex);
    state_->removed.clear();
    for (const auto& each : removed)
        if (now.find(each.name) == nullptr) state_->removed.push_back(each.name);
    auto change =
        state_->tenures.go_by(now, [this](const std::string& name) { return state_->place_of(name); });
    state_->tell_loops(std::move(change));
}

std::size_t peers::linked() const {
    std::lock_guard lock(state_->mutex);
    std::size_t count = 0;
    for (const auto& each : state_->routes) count += each.hubs.empty() ? 0 : 1;
    return count;
}

}  // namespace madang
