// What plugin code in a worker's child asks of the server: bodies of link::call to the ports, and back.
#pragma once

#include <functional>

#include "actors/job_away.hpp"
#include "broker/core/jobs.hpp"
#include "broker/core/streams.hpp"
#include "broker/jobs/worker_link.hpp"
#include "plugins/host/ports.hpp"

namespace madang {

struct job_ports {  // all outlive every answer
    layer_port& layer;
    stream_port& streams;
    job_port& jobs;
};

// `job`: that calls, or null. `tell` as the ports' answers: any thread, at once or later; not called for a
// call whose number is 0.
void answer_call(const job_ports& all, link::call&& what, const job_spec* job,
                 std::function<void(link::answer&&)> tell);

// What another node asks of the jobs. `tell` as above, once.
void answer_job_call(job_port& jobs, job_verb what, std::string_view body, job_away::tell tell);

// A port's answer from what another node told.
template <class Value>
job_away::tell hearing(job_port::answer<Value> done);

}  // namespace madang
