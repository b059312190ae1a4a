// How clients of the client protocol reach the server: /connection/… and /emulation of the public listener.
// docs/client-protocol-http.md describes every address.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/core/options.hpp"
#include "broker/core/result.hpp"
#include "broker/net/emulation.hpp"
#include "broker/net/http_dispatcher.hpp"
#include "broker/net/public_site.hpp"
#include "broker/protocol/client_session.hpp"
#include "broker/protocol/deflate.hpp"
#include "broker/protocol/origin.hpp"

namespace madang {

// A client that is let in, whatever its transport: for whoever takes it, a WebSocket whose handshake is to be
// answered by 101. Its close frames reach the client as its transport tells such things.
struct client_arrival {
    std::unique_ptr<transport> io;
    std::string leftover;             // frames that io will not read: to be decoded first
    scope known;                      // of its HTTP request
    std::string accept_key;           // for ws_accept_response
    std::string default_subprotocol;  // likewise
    std::optional<deflate_parameters> deflate;
    session_entry entry;   // without `known`
    connection_slot slot;  // none for a long poll: its HTTP connection has one
};

struct client_services {
    const options& settings;
    std::string node;  // this node's id, as sessions tell it
    // As site_services'.
    std::function<result<request_user>(const http_request&)> authenticate;
    std::function<void(loop&, client_arrival&&)> on_arrival;  // on the loop
    // yard::send_to_session; null: there are no other nodes.
    std::function<void(std::string_view node, session_mail what,
                       std::function<void(result<session_mail_outcome>)> done)>
        elsewhere = {};
};

// Any loop's thread. Sessions may outlive it.
class client_site final : public http_dispatcher {
  public:
    // Throws std::invalid_argument naming an origin pattern that is none.
    explicit client_site(client_services services);

    http_answer handle(loop& on, http_request& request, reply_function reply) override;
    // What came for a session of this node in at another one. Any thread.
    session_mail_outcome deliver(std::string_view session, std::string_view text) {
        return registry_->deliver(session, text);
    }
    std::size_t emulated_sessions() const { return registry_->sessions(); }

  private:
    struct route;
    static const route* find(std::string_view path);

    http_answer serve(const route& where, loop& on, http_request& request, reply_function reply);
    http_answer websocket(const route& where, loop& on, http_request& request);
    http_answer stream(const route& where, loop& on, http_request& request);
    http_answer poll(const route& where, loop& on, http_request& request, reply_function reply);
    http_answer emulate(loop& on, http_request& request, reply_function reply);
    http_response refuse(loop& on, const http_request& request, unsigned status, std::string_view text,
                         std::string_view reason) const;
    bool origin_allowed(const http_request& request, bool websocket) const;
    void add_cors(const http_request& request, http_response& response) const;
    // Fills in what every arrival has. None: the credentials are not good, `refusal` is the answer.
    std::shared_ptr<client_arrival> arrival(const route& where, loop& on, const http_request& request,
                                            std::string_view scope_type, http_response& refusal) const;

    client_services services_;
    origin_policy origins_;
    bool any_origin_;
    std::shared_ptr<emulation_registry> registry_;
};

// A random UUID (RFC 9562 5.4) in its usual form.
std::string make_uuid();

}  // namespace madang
