// The jobs' loop's dealings with the other nodes: where the jobs are, requests that go there, workers of this
// node that go there, and both from the others while the jobs are here.
//
// What comes over a link that ended is not heard; what comes over one that this loop was not told of yet
// waits.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/asio_loop_impl.hpp"
#include "actors/cluster_routes_impl.hpp"
#include "actors/job_adopters.hpp"
#include "actors/job_away.hpp"
#include "actors/job_mail.hpp"
#include "actors/job_relay_impl.hpp"
#include "actors/job_standing.hpp"
#include "broker/core/jobs.hpp"

namespace madang {

class job_room;

// What others see of the mesh. Any thread.
struct job_mesh_state {
    std::atomic<job_standing> standing{job_standing::here};
    std::atomic<std::int64_t> quorum_until{0};        // steady clock, as it counts
    std::atomic<std::int64_t> away{0};                // requests that another node is to answer
    std::atomic<std::uint64_t> to_move{0}, moved{0};  // jobs; job_carrier's
    std::atomic<bool> handed_over{false};             // another node keeps the jobs, and has this one's

    bool has_quorum() const noexcept {
        return std::chrono::steady_clock::now().time_since_epoch().count() <
               quorum_until.load(std::memory_order_relaxed);
    }
};

// What moves jobs from the books of nodes that do not keep them any more to the one that does. The jobs'
// loop's thread.
class job_move_port {
  public:
    // Who keeps the jobs from now on; "": nobody, or nobody knows. When it is another, this node has stopped
    // to serve.
    virtual void home_is(const std::string& node) = 0;
    virtual void linked(const std::string& node) = 0;
    virtual void unlinked(const std::string& node) = 0;
    virtual void heard(const std::string& node, std::string&& bytes) = 0;
    // A word of an adopter, that this node is to answer.
    virtual void adopt(std::string_view word, adopter_answer done) = 0;
    virtual void removed(const std::string& node) = 0;  // it will not come back; told again and again

  protected:
    ~job_move_port() = default;
};

// The jobs' loop's thread.
class job_mesh final : public flushable {
  public:
    // `here`: answers what others ask while the jobs are here.
    job_mesh(job_room& around, job_port& here, job_mesh_state& shown);
    ~job_mesh();

    void routes_changed(std::shared_ptr<const cluster_routes> now);
    // Time passed, or the quorum changed.
    void look();
    void mail_came(std::uint64_t peer, std::uint64_t link, std::string_view bytes);
    // This node goes: its workers are told to finish what they have.
    void begin_drain();
    bool has_workers() const noexcept { return !relays_.empty(); }  // of this node, at another
    void close();

    bool is_here() const noexcept {
        return standing() == job_standing::here || standing() == job_standing::held;
    }
    bool is_there() const noexcept { return standing() == job_standing::there; }
    // By the view another node keeps the jobs, or nobody can.
    bool is_relieved() const noexcept { return routes_ && home_.peer != cluster_routes::here; }
    // A worker of this node, while the jobs are not here.
    void take(std::unique_ptr<worker_socket> wire, bool proven);
    void forward(job_verb what, std::string body, job_away::tell done);
    // Is told how things are, and what changes; it outlives the mesh.
    void set_mover(job_move_port& mover);
    void send_word(const std::string& node, std::string bytes);  // nothing is sent where no link is
    // `node` is to answer. Errors besides: busy where no link is.
    void adopt(const std::string& node, std::string word, adopter_answer done);

    void flush() override;

  private:
    class stream;
    struct box {
        std::string mail;
        std::uint64_t over = 0;       // the last link that ended
        std::uint64_t answering = 0;  // bytes of answers that it has not read
    };
    struct home_place {
        std::size_t peer = cluster_routes::nowhere;
        std::uint64_t link = 0;
        bool linked = false;
        friend bool operator==(const home_place&, const home_place&) = default;
    };
    struct early_mail {
        std::uint64_t peer, link;
        std::string bytes;
    };

    static bool speaks(const peer_route& to) noexcept { return !to.hubs.empty() && to.jobs; }
    job_standing standing() const noexcept { return shown_.standing.load(std::memory_order_relaxed); }
    bool linked(std::uint64_t peer, std::uint64_t link) const noexcept;
    void send(std::size_t peer, const job_parcel& what);
    void post(std::size_t peer);
    void tell_mover();
    void drop_relays();
    void forget_relay(std::uint64_t number);
    void drop_streams();  // of links that are gone
    void answer(std::uint64_t peer, std::uint64_t link, std::uint64_t ticket, std::uint32_t code,
                std::string body);
    void refuse(errc why, std::string detail, const job_away::tell& done);

    void hear(std::uint64_t peer, job_parcels::call& what);
    void hear(std::uint64_t peer, job_parcels::answer& what);
    void hear(std::uint64_t peer, job_parcels::worker_came& what);
    void hear(std::uint64_t peer, job_parcels::worker_said& what);
    void hear(std::uint64_t peer, job_parcels::worker_took& what);
    void hear(std::uint64_t peer, job_parcels::worker_left& what);
    void hear(std::uint64_t peer, job_parcels::worker_retires& what);
    void hear(std::uint64_t peer, job_parcels::answers_read& what);
    void hear(std::uint64_t peer, job_parcels::worker_told& what);
    void hear(std::uint64_t peer, job_parcels::worker_read& what);
    void hear(std::uint64_t peer, job_parcels::worker_closed& what);
    void hear(std::uint64_t peer, job_parcels::move_word& what);
    void hear(std::uint64_t peer, job_parcels::adopter_said& what);
    void hear(std::uint64_t peer, job_parcels::adopter_told& what);

    job_room& room_;
    job_port& here_;
    job_mesh_state& shown_;
    std::shared_ptr<const cluster_routes> routes_;  // null: not told yet
    std::vector<box> boxes_;                        // by peer
    home_place home_;
    bool other_was_home_ = false;
    job_away away_;
    adopters_away adopters_;
    std::map<std::uint64_t, std::shared_ptr<job_relay>> relays_;
    std::uint64_t last_stream_ = 0;
    std::map<std::pair<std::uint64_t, std::uint64_t>, stream*> streams_;  // by peer, and its number
    std::vector<early_mail> early_;
    std::size_t early_bytes_ = 0;
    job_move_port* mover_ = nullptr;
    std::string mover_home_;                            // as it was told
    std::map<std::string, std::uint64_t> mover_links_;  // likewise; by node: the link
    bool draining_ = false, closed_ = false;
};

}  // namespace madang
