#include "storage/job_links.hpp"

#include "storage/codec.hpp"
#include "storage/job_record.hpp"

namespace madang {

void job_links::forget() {
    phase_ = phase::jobs;
    from_.clear();
    jobs_ = 0;
    above_.clear();
    items_.clear();
    first_.clear();
}

job_links::node job_links::root(node of) {
    for (auto at = above_.find(of); at != above_.end(); at = above_.find(of)) {
        const auto over = above_.find(at->second);
        if (over == above_.end()) return at->second;
        at->second = over->second;
        of = over->second;
    }
    return of;
}

void job_links::join(node a, node b) {
    a = root(a);
    b = root(b);
    if (a != b) above_.emplace(a, b);
}

// What is over, and was before it was revived, has told those behind it already.
void job_links::see_job(std::string_view id, std::string_view value, std::int64_t now_ms) {
    const auto job = decode_job(id, value);
    if (!job || is_over(job->status.ends_ms, now_ms)) return;
    ++jobs_;
    const auto& spec = job->spec;
    const bool tells =
        !job->status.told && !(spec.next.empty() && spec.on_error.empty() && spec.part_of.barrier.empty());
    if (!tells && job->status.state != job_state::waiting) return;
    const auto mine = job_node(id);
    items_.push_back({std::string(id), mine, false, none});
    if (!tells) return;
    for (const auto& each : spec.next) join(mine, job_node(each));
    for (const auto& each : spec.on_error) join(mine, job_node(each));
    if (!spec.part_of.barrier.empty()) join(mine, barrier_node(spec.part_of.barrier));
}

void job_links::see_barrier(std::string_view id, std::string_view value) {
    const auto barrier = decode_barrier(id, value);
    if (!barrier) return;
    const auto mine = barrier_node(id);
    items_.push_back({std::string(id), mine, true, none});
    for (const auto& each : barrier->spec.bodies) join(mine, job_node(each));
    if (const auto& outer = barrier->spec.part_of.barrier; !outer.empty()) join(mine, barrier_node(outer));
}

bool job_links::look(std::int64_t now_ms) {
    if (known()) return true;
    auto left = per_look;
    while (!known()) {
        const bool jobs = phase_ == phase::jobs;
        const auto prefix = jobs ? std::string() : keys::job_row(keys::row::barrier);
        bool more = false;
        committed_
            .scan(jobs ? column::jobs : column::job_rows, std::max(prefix, from_),
                  jobs ? std::string(2, '\xff') : keys::end(prefix), direction::ascending,
                  [&](std::string_view key, std::string_view value) {
                      if (left == 0) return !(more = true);
                      --left;
                      from_.assign(key).push_back('\0');
                      if (jobs)
                          see_job(key, value, now_ms);
                      else
                          see_barrier(key.substr(1), value);
                      return true;
                  })
            .value();
        if (more) return false;
        from_.clear();
        phase_ = jobs ? phase::barriers : phase::known;
    }
    for (auto i = static_cast<std::uint32_t>(items_.size()); i-- > 0;) {
        const auto [at, added] = first_.try_emplace(root(items_[i].at), i);
        if (added) continue;
        items_[i].next = at->second;
        at->second = i;
    }
    return true;
}

job_links::workflow job_links::of(std::string_view job) {
    workflow all;
    const auto first = first_.find(root(job_node(job)));
    if (first == first_.end()) return all;
    for (auto at = first->second; at != none; at = items_[at].next)
        (items_[at].barrier ? all.barriers : all.jobs).push_back(items_[at].id);
    return all;
}

}  // namespace madang
