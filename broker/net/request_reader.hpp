// Bytes to one request: the strict head gate, then Beast's parser for its framing, then the body. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/net/http_message.hpp"
#include "broker/protocol/chunked_body.hpp"
#include "broker/protocol/http_gate.hpp"

namespace madang {

class request_reader {
  public:
    struct limits {
        std::size_t head_bytes;
        std::size_t body_bytes;
    };
    enum class progress : std::uint8_t {
        need_head,  // nothing or a part of a head is there
        need_body,  // the head is whole
        ready,      // request() is
        refused     // answer refusal() and close: what follows cannot be told apart
    };
    struct refused {
        unsigned status = 400;
        std::string_view why;    // one of a few: a metric's label
        std::string limit = {};  // behind it in the answer: by which option, as of_limit; "": by none
    };

    explicit request_reader(limits l) : limits_(l), chunked_(l.body_bytes) {}

    // Takes what belongs to this request from the front of `input`.
    progress advance(std::string& input);
    http_request& request() { return request_; }
    const refused& refusal() const { return refusal_; }
    // True once, when the client waits for "100 Continue" before it sends its body (RFC 9110 10.1.1).
    bool take_expectation() { return std::exchange(expects_continue_, false); }

  private:
    progress refuse(head_fault fault);
    progress refuse(unsigned status, std::string_view why, std::string limit = {});
    progress refuse_body();
    progress take_head(std::string& input);
    progress parse_head(std::string_view head);
    progress take_body(std::string& input);
    bool take_framing(std::string_view head);
    bool take_target(std::string_view target);
    void set_host(std::string_view authority);

    limits limits_;
    http_request request_;
    chunked_body chunked_;
    std::uint64_t body_left_ = 0;
    std::size_t scanned_ = 0;  // of an unfinished head
    bool head_done_ = false;
    bool is_chunked_ = false;
    bool expects_continue_ = false;
    refused refusal_;
};

}  // namespace madang
