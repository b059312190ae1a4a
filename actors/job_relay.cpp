#include <algorithm>

#include "actors/job_relay_impl.hpp"
#include "actors/job_worker_actor_impl.hpp"
#include "broker/core/log.hpp"

namespace madang {
namespace {

constexpr std::size_t hello_limit = 1024 * 1024;

}  // namespace

bool job_relay::bytes_came(std::string_view bytes) {
    if (greeted_) return say(bytes), true;
    first_ += bytes;
    return greet();
}

bool job_relay::greet() {
    std::uint32_t size = 0;
    for (std::size_t i = 4; i-- > 0;)
        size = size << 8 | (i < first_.size() ? static_cast<unsigned char>(first_[i]) : 0u);
    if (first_.size() < 4) return true;
    if (size > hello_limit) return false;
    if (first_.size() < 4 + std::size_t{size}) return true;
    link::decoder<link::from_worker> decoder(hello_limit);
    decoder.add(std::string_view(first_).substr(0, 4 + std::size_t{size}));
    auto word = decoder.next();
    if (!word) return false;
    auto* who = *word ? std::get_if<link::hello>(&**word) : nullptr;
    auto why = who == nullptr ? std::optional<std::string>("the first word is hello")
                              : refusal_of(*who, with_.cookie);
    if (why) {
        log_warn("job.worker.refused", {{"why", *why}});
        std::string refused;
        link::append(refused, link::refused{std::move(*why)});
        with_.wire->write(refused);
        return false;
    }
    greeted_ = true;
    log_info("job.worker.relayed", {{"worker", who->name}});
    who->cookie.clear();
    // Of several nodes' own workers each ends with its node.
    if (who->name == own_worker_name) who->name += "@" + with_.node;
    std::string hello;
    link::append(hello, *who);
    hello += std::string_view(first_).substr(4 + std::size_t{size});
    std::string().swap(first_);
    with_.send(job_parcels::worker_came{with_.stream});
    say(hello);
    with_.arrived();
    return true;
}

void job_relay::say(std::string_view bytes) {
    under_way_ += bytes.size();
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), worker_piece)))
        with_.send(job_parcels::worker_said{with_.stream, std::string(bytes.substr(0, worker_piece))});
    with_.wire->hold(under_way_ >= worker_window);
}

void job_relay::were_read(std::uint64_t bytes) {
    under_way_ -= std::min(under_way_, bytes);
    with_.wire->hold(under_way_ >= worker_window);
}

bool job_relay::told(std::string_view bytes) {
    if (out_.size() - written_ + bytes.size() > worker_window) return false;
    out_ += bytes;
    return write();
}

void job_relay::may_write() {
    if (!write()) with_.over();
}

bool job_relay::write() {
    if (written_ == out_.size()) return true;
    const auto count = with_.wire->write(std::string_view(out_).substr(written_));
    if (!count) return false;
    written_ += *count;
    if (written_ == out_.size()) {
        out_.clear();
        written_ = 0;
    }
    if (*count != 0) with_.send(job_parcels::worker_took{with_.stream, *count});
    return true;
}

}  // namespace madang
