#include "broker/jobs/enqueue_plan.hpp"

#include <algorithm>
#include <unordered_set>

#include "broker/jobs/job_values.hpp"
#include "broker/jobs/signature.hpp"
#include "broker/protocol/json_reader.hpp"

namespace madang {
namespace {

constexpr std::size_t deepest = 32;  // workflows within each other

// What was asked for, as a tree. A chord is a chain of its header, as a group, and its body.
struct node {
    enum class kind : std::uint8_t { job, chain, group };
    kind what = kind::job;
    std::size_t job = 0;                 // job: which
    std::vector<node> parts;             // chain, group
    std::vector<node> links, on_errors;  // job: begun by it
    std::string barrier;                 // group: its id
};

// What comes after a part of a workflow.
struct follower {
    std::vector<std::string> next;
    barrier_place part_of;
};

// First every signature becomes a job, in the order in which they are written; then they learn, from the
// outside in, who follows them.
class planner {
  public:
    planner(const enqueue_request& what, std::int64_t now_ms, const planning& with)
        : what_(what), now_ms_(now_ms), with_(with) {}

    result<enqueue_plan> plan() {
        const bool several = what_.jobs.size() != 1;
        if (what_.jobs.empty()) return fail(errc::bad_request, "there is no job in it");
        for (std::size_t i = 0; i < what_.jobs.size(); ++i) {
            const json_place where{nullptr, {}, several ? i : json_place::no_index};
            const auto first = jobs_.size();
            root_.clear();
            node top;
            if (!read(what_.jobs[i], where, {what_.parent, false, false, 0}, top)) return std::move(wrong_);
            connect(top, {});
            auto& answer = answers_.emplace_back();
            answer.id = answer_of(top);
            if (top.what == node::kind::job && jobs_.size() == first + 1) continue;
            for (auto job = first; job < jobs_.size(); ++job) answer.children.push_back(jobs_[job]->id);
            if (top.what != node::kind::job) children_of(top) = answer.children;
        }
        return enqueue_plan{{jobs_.begin(), jobs_.end()}, std::move(barriers_), std::move(answers_)};
    }

  private:
    struct position {
        std::string parent;
        bool waits = false;    // for something before it
        bool in_flow = false;  // not alone
        std::size_t depth = 0;
    };

    bool refuse(const json_place& where, std::string_view why) {
        wrong_ = madang::refuse(where, why);
        return false;
    }

    bool read(std::string_view json, const json_place& where, const position& at, node& into) {
        if (at.depth > deepest) return refuse(where, "workflows are nested deeper than 32");
        signature_members from;
        if (auto read = read_members(json, where, from); !read) {
            wrong_ = read.error();
            return false;
        }
        if (!from.chain.empty()) return read_flow(from, from.chain, where, "chain", at, into);
        if (!from.group.empty()) return read_flow(from, from.group, where, "group", at, into);
        if (!from.chord.empty()) return read_flow(from, from.chord, where, "chord", at, into);
        return read_job(from, where, at, into);
    }

    // `from` has nothing besides that workflow.
    bool read_flow(signature_members& from, std::string_view raw, const json_place& where,
                   std::string_view name, position at, node& into) {
        const char* other = nullptr;
#define MADANG_MEMBER(member) \
    if (!from.member.empty() && name != #member) other = #member;
        MADANG_SIGNATURE_MEMBERS(MADANG_MEMBER)
#undef MADANG_MEMBER
        if (other)
            return refuse({&where, other}, "not beside " + std::string(name) + "; it belongs to signatures");
        at.in_flow = true;
        ++at.depth;
        if (name == "chord") return read_chord(raw, where, at, into);
        into.what = name == "chain" ? node::kind::chain : node::kind::group;
        return read_parts(raw, where, name, at, into);
    }

    bool read_parts(std::string_view raw, const json_place& where, std::string_view name, position at,
                    node& into) {
        json_reader in(raw, json_depth + json_envelope_depth);
        if (!in.enter_array()) return refuse({&where, name}, "takes an array of signatures and workflows");
        if (into.what == node::kind::group) into.barrier = with_.new_id();
        std::string_view part;
        while (in.element(part)) {
            const json_place place{&where, name, into.parts.size()};
            if (!read(part, place, at, into.parts.emplace_back())) return false;
            if (into.what == node::kind::group) continue;
            at.waits = true;
            if (const auto* last = last_job(into.parts.back())) at.parent = *last;
        }
        if (into.parts.empty()) return refuse({&where, name}, "is empty");
        return true;
    }

    bool read_chord(std::string_view raw, const json_place& where, position at, node& into) {
        const json_place chord{&where, "chord"};
        std::string_view header, body, unknown;
        if (!each_json_member(raw, [&](std::string_view name, std::string_view value) {
                if (json_says(name, "header"))
                    header = value;
                else if (json_says(name, "body"))
                    body = value;
                else
                    unknown = name;
            }))
            return refuse(chord, "takes {\"header\":[…],\"body\":…}");
        if (!unknown.empty()) return refuse({&chord, json_text(unknown)}, "there is no such member");
        if (header.empty()) return refuse({&chord, "header"}, "is missing");
        if (body.empty()) return refuse({&chord, "body"}, "is missing");
        into.what = node::kind::chain;
        into.parts.resize(2);
        into.parts[0].what = node::kind::group;
        if (!read_parts(header, chord, "header", at, into.parts[0])) return false;
        at.waits = true;
        return read(body, {&chord, "body"}, at, into.parts[1]);
    }

    bool read_job(const signature_members& from, const json_place& where, const position& at, node& into) {
        if (jobs_.size() >= with_.bulk) {
            wrong_ = {errc::limit_exceeded, text_of(where) + (text_of(where).empty() ? "" : ": ") +
                                                "more than " + std::to_string(with_.bulk) +
                                                " jobs (--job-bulk)"};
            return false;
        }
        auto job = std::make_shared<job_spec>();
        const signature_context context{with_, now_ms_, at.waits, at.in_flow};
        if (auto made = make_job(from, where, context, *job); !made) {
            wrong_ = made.error();
            return false;
        }
        if (job->id.empty()) {
            job->id = with_.new_id();
            job->id_made = true;
        } else if (!given_ids_.insert(job->id).second)
            return refuse({&where, "id"}, "used twice");
        if (root_.empty()) root_ = job->id;
        job->root = root_;
        job->parent = at.parent;
        job->correlation_id = what_.correlation_id;
        into.job = jobs_.size();
        const auto& id = jobs_.emplace_back(std::move(job))->id;
        if (from.link.empty() && from.link_error.empty()) return true;
        const position linked{id, true, true, at.depth + 1};
        return read_links(from.link, where, "link", linked, into.links) &&
               read_links(from.link_error, where, "link_error", linked, into.on_errors);
    }

    // One signature or workflow, or an array of them.
    bool read_links(std::string_view raw, const json_place& where, std::string_view name, const position& at,
                    std::vector<node>& into) {
        if (raw.empty()) return true;
        if (raw[0] != '[') return read(raw, {&where, name}, at, into.emplace_back());
        json_reader in(raw, json_depth + json_envelope_depth);
        in.enter_array();
        std::string_view part;
        while (in.element(part)) {
            const json_place place{&where, name, into.size()};
            if (!read(part, place, at, into.emplace_back())) return false;
        }
        return true;
    }

    // Null: a group ends in several.
    const std::string* last_job(const node& of) const {
        if (of.what == node::kind::job) return &jobs_[of.job]->id;
        return of.what == node::kind::chain ? last_job(of.parts.back()) : nullptr;
    }
    const std::string& answer_of(const node& of) const {
        if (of.what == node::kind::job) return jobs_[of.job]->id;
        return of.what == node::kind::chain ? answer_of(of.parts.back()) : of.barrier;
    }

    // Of what the answer names.
    std::vector<std::string>& children_of(const node& of) {
        if (of.what == node::kind::job) return jobs_[of.job]->children;
        if (of.what == node::kind::chain) return children_of(of.parts.back());
        return std::find_if(barriers_.begin(), barriers_.end(),
                            [&](const barrier_spec& each) { return each.id == of.barrier; })
            ->children;
    }

    // Who begins when this part of a workflow does.
    void starts(const node& of, std::vector<std::string>& into) const {
        if (of.what == node::kind::job) {
            into.push_back(jobs_[of.job]->id);
        } else if (of.what == node::kind::chain) {
            starts(of.parts.front(), into);
        } else {
            for (const auto& part : of.parts) starts(part, into);
        }
    }

    void connect(const node& what, follower then) {
        switch (what.what) {
            case node::kind::job: {
                auto& job = *jobs_[what.job];
                job.next = std::move(then.next);
                job.part_of = std::move(then.part_of);
                for (const auto& each : what.links) {
                    starts(each, job.next);
                    connect(each, {});
                }
                for (const auto& each : what.on_errors) {
                    starts(each, job.on_error);
                    connect(each, {});
                }
                break;
            }
            case node::kind::chain:
                for (auto i = what.parts.size(); i-- > 0;) {
                    follower between = i + 1 == what.parts.size() ? std::move(then) : follower{};
                    if (i + 1 != what.parts.size()) starts(what.parts[i + 1], between.next);
                    connect(what.parts[i], std::move(between));
                }
                break;
            case node::kind::group: {
                const auto count = static_cast<std::uint32_t>(what.parts.size());
                barriers_.push_back({what.barrier, count, std::move(then.next), std::move(then.part_of)});
                for (std::uint32_t i = 0; i < count; ++i) connect(what.parts[i], {{}, {what.barrier, i}});
                break;
            }
        }
    }

    const enqueue_request& what_;
    const std::int64_t now_ms_;
    const planning& with_;
    std::string root_;
    std::vector<std::shared_ptr<job_spec>> jobs_;
    std::vector<barrier_spec> barriers_;
    std::vector<enqueued_job> answers_;
    std::unordered_set<std::string> given_ids_;
    error wrong_;
};

}  // namespace

std::optional<std::vector<std::string>> requested_jobs(std::string_view json) {
    json_reader in(json);
    std::string_view one;
    if (!in.value(one) || !in.finished()) one = json;
    if (!one.starts_with('[')) return std::vector<std::string>{std::string(one)};
    std::vector<std::string> list;
    if (!each_json_element(json, [&](std::string_view each) { list.emplace_back(each); }))
        return std::nullopt;
    return list;
}

result<enqueue_plan> plan_enqueue(const enqueue_request& what, std::int64_t now_ms, const planning& with) {
    return planner(what, now_ms, with).plan();
}

result<std::vector<std::pair<std::string, std::string>>> parse_job_routes(
    const std::vector<std::string>& texts) {
    std::vector<std::pair<std::string, std::string>> routes;
    for (const auto& text : texts) {
        const auto equals = text.rfind('=');
        if (equals == text.npos || !valid_job_name(text.substr(0, equals)) ||
            !valid_job_name(text.substr(equals + 1)))
            return fail(errc::invalid_option,
                        "job-route: " + text + ": takes PATTERN=QUEUE, as in reports.*=slow");
        routes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return routes;
}

result<void> check_worker_queues(const std::vector<std::string>& names) {
    for (const auto& name : names)
        if (!valid_job_name(name))
            return fail(errc::invalid_option, "worker-queue: \"" + name +
                                                  "\": takes a queue's name, printable ASCII without space; "
                                                  "several names have a comma between them");
    return {};
}

}  // namespace madang
