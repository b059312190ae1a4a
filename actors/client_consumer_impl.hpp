// The consumer behind /connection/…: a client session in a connection.
//
// To the connection it is a consumer class like a plugin's, so that outbox, limits, memberships and the
// actor's life are the same code; it is told of batches while a subscription is being made (client_member).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/connection.hpp"
#include "broker/core/gatekeeper.hpp"
#include "broker/core/streams.hpp"
#include "broker/protocol/client_session.hpp"

namespace madang {

struct session_services;

class client_consumer final : public client_port, public client_member {
  public:
    client_consumer(connection& at, const session_services& services);
    ~client_consumer();

    madang_status accept() { return at_.accept({}, {}); }
    client_session& logic() noexcept { return session_; }

    // -- client_member
    void on_held(const batch& what, std::size_t from, std::size_t to) override;
    void on_command(const client_command& what) override { session_.on_command(what); }
    bool knows_position(std::string_view group) const noexcept override {
        return session_.knows_position(group);
    }
    void on_stream_lost(std::string_view group) override;
    std::string_view client() const noexcept override { return session_.who().client; }
    std::string_view session() const noexcept override { return session_.session_id(); }
    std::string_view user() const noexcept override { return session_.who().user; }
    std::shared_ptr<const member_info> info(std::string_view group) const override;

  private:
    // -- client_port
    void send(std::string_view lines) override;
    void disconnect(std::uint16_t code, std::string_view reason) override;
    void subscribe(std::string_view group, const subscribe_spec& how, answer<subscribed> done) override;
    void go_live(std::string_view group, bool joins) override;
    void unsubscribe(std::string_view group) override;
    void set_timer(session_timer which, std::chrono::milliseconds delay) override;
    std::int64_t now_ms() const override;
    double random() override;
    void publish(publish_request what, answer<position> done) override;
    void history(history_request what, answer<history_page> done) override;
    void presence(presence_request what, answer<presence_page> done) override;
    void presence_stats(std::string group, answer<presence_counts> done) override;
    void ask_connect(connect_question what, gate_answer<connect_grant> done) override;
    void ask_refresh(const known_client& who, std::string token, gate_answer<refresh_grant> done) override;
    void ask_subscribe(const known_client& who, subscribe_question what,
                       gate_answer<subscription_grant> done) override;
    void ask_sub_refresh(const known_client& who, std::string group, std::string token,
                         gate_answer<refresh_grant> done) override;
    void ask_publish(const known_client& who, std::string group, bool subscribed, std::string data,
                     gate_answer<publish_grant> done) override;
    void ask_rpc(const known_client& who, std::string method, std::string data,
                 gate_answer<rpc_answer> done) override;
    result<void> may_see_presence(const known_client& who, std::string_view group, bool subscribed) override;
    result<void> may_see_history(const known_client& who, std::string_view group, bool subscribed) override;
    const namespace_table& namespaces() const noexcept override;
    void on_message(const known_client& who, std::string_view data) override;

    // `done`, later and on this loop, with what the returned function is given on any thread.
    template <class T>
    std::function<void(T)> here(std::function<void(T)> done);

    connection& at_;
    const session_services& services_;
    struct subscription {
        std::string group;
        std::shared_ptr<const member_info> info;
    };
    std::vector<subscription> told_;  // to presence
    client_session session_;
};

}  // namespace madang
