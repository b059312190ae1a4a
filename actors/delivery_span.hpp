// The spans of what reaches members: one per node and event, however many members there are.
#pragma once

#include <cstddef>
#include <string_view>

#include "actors/batch.hpp"

namespace madang {

class tracer;

// Of the batch's events, those that are traced. delivery_of() names the same span.
void record_deliveries(tracer& by, const batch& what, std::size_t members);
// Of one that was sent to a channel.
void record_delivery(tracer& by, const event& what, std::string_view to, std::size_t members);

}  // namespace madang
