// job_book: its jobs to another book, another's into it.
#include "storage/job_book.hpp"

namespace madang {
namespace {

template <class T>
job_answer behind_pointer(result<T>&& what) {
    if (!what) return what.error();
    return job_value(std::make_shared<T>(std::move(*what)));
}

}  // namespace

// Tokens that came with leases are of other books: those given here from now on, and after a start, are
// greater, so that none is ever a job's twice.
void job_book::go_beyond_tokens() {
    const auto number = jobs_.leases().last_token() >> token_bits;
    if (number > start_number_) set_start(number);
    keep_start_ = true;
}

job_answer job_book::apply(const job_commands::look& what) {
    return job_value(!sweeps_.pending() && moves_.look(what.now));
}

job_answer job_book::apply(const job_commands::give& what) {
    if (sweeps_.pending()) return fail(errc::busy, "a purge, requeue or discard goes on");
    return behind_pointer(moves_.give(what));
}

job_answer job_book::apply(const job_commands::take& what) {
    auto done = moves_.take(what);
    if (!done) return done.error();
    go_beyond_tokens();
    return job_value(*done);
}

job_answer job_book::apply(const job_commands::given& what) { return job_value(moves_.given(what.number)); }

job_answer job_book::apply(const job_commands::forgo& what) { return job_value(moves_.forgo(what)); }

job_answer job_book::apply(const job_commands::give_again& what) {
    return behind_pointer(moves_.give_again(what));
}

job_answer job_book::apply(const job_commands::take_back& what) {
    auto done = moves_.take_back(what);
    if (!done) return done.error();
    go_beyond_tokens();
    return job_value(*done);
}

job_answer job_book::apply(const job_queries::chunks&) { return job_value(moves_.chunks()); }

job_answer job_book::apply(const job_queries::chunk& what) {
    return behind_pointer(moves_.chunk(what.number));
}

}  // namespace madang
