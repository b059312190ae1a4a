// Which jobs and barriers of a book belong together: all that may still begin or count one another. Read from
// what is committed, some of it at a time; holds while no job comes, ends or is revived.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/kv.hpp"

namespace madang {

// Takes about 150 bytes per job that is not alone. Throws `failure` when the disk does not answer.
class job_links {
  public:
    static constexpr std::size_t per_look = 5000;  // rows

    explicit job_links(const kv_view& committed) : committed_(committed) {}

    void forget();
    bool look(std::int64_t now_ms);                        // true: all is known
    std::uint64_t jobs() const noexcept { return jobs_; }  // not forgotten by `now_ms`; once all is known

    struct workflow {
        std::vector<std::string> jobs, barriers;
    };
    // In the order of their keys. Empty, or without it: it is alone.
    workflow of(std::string_view job);

  private:
    using node = std::uint64_t;  // a hash: two that are the same only make one workflow of two
    enum class phase : std::uint8_t { jobs, barriers, known };
    struct item {
        std::string id;
        node at;
        bool barrier;
        std::uint32_t next;  // of its workflow
    };
    static constexpr std::uint32_t none = ~std::uint32_t{0};
    static node job_node(std::string_view id) { return std::hash<std::string_view>{}(id); }
    static node barrier_node(std::string_view id) { return ~job_node(id); }
    bool known() const noexcept { return phase_ == phase::known; }
    node root(node of);
    void join(node a, node b);
    void see_job(std::string_view id, std::string_view value, std::int64_t now_ms);
    void see_barrier(std::string_view id, std::string_view value);

    const kv_view& committed_;
    phase phase_ = phase::jobs;
    std::string from_;
    std::uint64_t jobs_ = 0;
    std::unordered_map<node, node> above_;
    std::vector<item> items_;
    std::unordered_map<node, std::uint32_t> first_;  // by root
};

}  // namespace madang
