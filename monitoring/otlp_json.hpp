// Spans as OTLP/HTTP's JSON: the body of a POST to /v1/traces.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "broker/core/span.hpp"

namespace madang {

struct otlp_resource {
    std::string instance;  // service.instance.id: the node
    std::string version;   // service.version
};

// Text that is no UTF-8 is mended; text values are cut at 1,024 bytes.
std::string otlp_json(std::span<const span> spans, const otlp_resource& from);

}  // namespace madang
