// What api_methods' table calls for each method; each is an api_method::run_function.
#pragma once

#include "broker/protocol/api_methods.hpp"

namespace madang::api_runs {

using shared_request = std::shared_ptr<const api_request>;

void publish(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void broadcast(const shared_request& request, std::string_view params, std::size_t room, api_done done);
template <client_command::verb What>
void command(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void presence(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void presence_stats(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void last_seen(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void history(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void history_remove(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void channels(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void info(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void backup(const shared_request& request, std::string_view params, std::size_t room, api_done done);
void batch(const shared_request& request, std::string_view params, std::size_t room, api_done done);

}  // namespace madang::api_runs
