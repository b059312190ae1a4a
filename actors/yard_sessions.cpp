// Emulated sessions whose commands came in at another node.
#include "actors/stream_calls.hpp"
#include "actors/yard_impl.hpp"

namespace madang {

void yard::on_session_mail(session_door door) { state_->session_mail_door = std::move(door); }

void yard::send_to_session(std::string_view node, session_mail what, answer<session_mail_outcome> done) {
    auto& s = *state_;
    const auto all = s.present_routes();
    std::size_t peer = 0;
    while (all && peer < all->peers.size() && all->peers[peer].yard != node) ++peer;
    if (node.empty() || !all || peer == all->peers.size() || all->peers[peer].gone)
        return done(fail(errc::not_found, "there is no such node"));
    const auto& to = all->peers[peer];
    if (to.hubs.empty()) return done(fail(errc::busy, "there is no link to the session's node"));
    if (to.under_way->exhausted()) return done(fail(errc::busy, "too much is on its way to that node"));
    auto call = s.directory.calls.ask(peer, to.link, {}, peer_parcels::call::verb::session_mail,
                                      to_call_body(what), [done = std::move(done)](result<std::string> body) {
                                          if (!body) return done(body.error());
                                          done(from_call_body<session_mail_outcome>(*body));
                                      });
    if (call) s.send_call(this_hub != nullptr ? this_hub->on().index() : 0, {peer, std::move(*call)});
}

void yard::state::session_mail_here(std::string_view body, stream_calls::answer done) {
    const auto what = from_call_body<session_mail>(body);
    if (!what) return done(what.error());
    if (!session_mail_door) return done(fail(errc::not_available));
    done(to_call_body(session_mail_door(what->session, what->text)));
}

}  // namespace madang
