// What a node is given by another: the words, and a chunk of jobs, which goes into a book and out of it
// again.
#include "storage/job_chunk.hpp"

#include "actors/job_move_word.hpp"
#include "storage/job_book.hpp"
#include "storage/memory_kv.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace madang;

class book_of_its_own {
  public:
    book_of_its_own() { fuzz::require(book_.start().has_value(), "an empty book begins"); }

    job_answer apply(const job_request& what) {
        auto answer = book_.apply(what, {}).answer;
        const auto batch = bytes_.new_batch();
        book_.seal_round(*batch, {});
        fuzz::require(bytes_.commit(*batch).has_value(), "memory takes all");
        book_.end_round();
        return answer;
    }

  private:
    memory_kv bytes_;
    job_book book_{bytes_, {}};
};

void see_word(std::string_view bytes) {
    const auto what = decode_job_move_word(bytes);
    if (!what) return;
    fuzz::require(encode(*what) == bytes, "a word has one form");
    fuzz::require(what->bytes.size() <= what->total, "a piece is within its chunk");
}

void see_chunk(std::string_view bytes) {
    const auto what = decode_chunk(bytes);
    book_of_its_own book;
    const auto now = what ? what->head.cut : job_time{};
    const auto taken = book.apply(job_commands::take{std::make_shared<const std::string>(bytes), now});
    fuzz::require(taken.has_value() == what.has_value(), "what can be read can be taken");
    if (!what) return;
    const auto again = encode(*what);
    const auto same = decode_chunk(again);
    fuzz::require(same && encode(*same) == again, "it is read as it was written");
    const auto& count = std::get<taken_chunk>(*taken);
    fuzz::require(count.jobs + count.skipped == what->jobs(), "each job is taken or skipped");
    std::uint64_t out = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto given = book.apply(job_commands::give{"there", 1, 1, 100, 1 << 20, now});
        fuzz::require(given.has_value(), "a book can always be given");
        const auto& cut = std::get<std::shared_ptr<given_chunk>>(*given)->cut;
        if (!cut) break;
        fuzz::require(decode_chunk(*cut->bytes).has_value(), "what a book gives can be read");
        out += cut->jobs;
    }
    fuzz::require(out <= count.jobs, "no job is given twice");  // and one that is past its time is not
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    if (in.byte() % 2 == 0)
        see_chunk(in.rest());
    else
        see_word(in.rest());
    return 0;
}
