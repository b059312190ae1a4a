// Sockets of the cluster's links, as far as nodes and workers have them in common.
#pragma once

#include <string>

#include "broker/core/net_address.hpp"
#include "broker/net/file_handle.hpp"

namespace madang {

bool is_loopback(const ip_address& address);
// HOST:PORT; what a name stands for is asked when it is dialed.
bool is_link_address(const std::string& text);
void tune_link(int fd);
// A socket that is connecting; none: errno.
file_handle begin_dial(const endpoint& where);

}  // namespace madang
