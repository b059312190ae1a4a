// What the actors of two nodes say to each other over BASP. All of it in CAF's own types: nothing has to be
// announced.
//
//   switchboard -> switchboard   hello, name, incarnation, yard, place, link, hubs, jobs -> place, link,
//                                yard, hubs, jobs
//   hub -> hub                   mail, place, link, bytes (peer_mail.hpp); credit, place, link, bytes
//   jobs -> jobs                 mail, place, link, bytes (job_mail.hpp)
//
// jobs: the actor of the node's jobs, or nobody, as a list.
//
// place and link are the receiver's for the sender, from its hello: what comes over a link that ended is not
// heard.
#pragma once

#include <caf/atom.hpp>

namespace madang {

using peer_hello_atom = caf::atom_constant<caf::atom("peerhello")>;
using peer_mail_atom = caf::atom_constant<caf::atom("peermail")>;
using job_mail_atom = caf::atom_constant<caf::atom("jobmail")>;
using peer_credit_atom = caf::atom_constant<caf::atom("peercredit")>;

}  // namespace madang
