#include "actors/delivery_span.hpp"

#include <utility>

#include "broker/core/span.hpp"

namespace madang {

void record_delivery(tracer& by, const event& what, std::string_view to, std::size_t members) {
    const auto from = split_origin(what.origin.bytes());
    if (!from.trace || !from.trace->sampled()) return;
    span made;
    made.at = delivery_of(&by, what.origin.bytes()).at;
    made.parent = from.trace->span;
    made.kind = span_kind::consumer;
    made.name = "deliver";
    made.begin_ns = made.end_ns = by.now_ns();
    made.attributes.emplace_back("messaging.system", "madang");
    made.attributes.emplace_back("messaging.destination.name", std::string(to));
    made.attributes.emplace_back("madang.event", what.type);
    made.attributes.emplace_back("madang.members", static_cast<std::int64_t>(members));
    made.attributes.emplace_back("madang.request_id", std::string(from.request_id));
    by.record(std::move(made));
}

void record_deliveries(tracer& by, const batch& what, std::size_t members) {
    for (const auto& each : what.events())
        if (each.origin) record_delivery(by, each, what.group(), members);
}

}  // namespace madang
