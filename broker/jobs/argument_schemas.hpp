// JSON Schemas (draft 7, by valijson) of a task's arguments, compiled once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/core/result.hpp"

namespace madang {

// Immutable; any thread.
class argument_schemas {
  public:
    // "": anything goes. Errors: bad_request ("args_schema: …").
    static result<std::shared_ptr<const argument_schemas>> compile(std::string_view args,
                                                                   std::string_view kwargs);
    ~argument_schemas();

    // What is wrong: a path below the arguments ("[1].size", "" for all of them) and why; the first only.
    struct violation {
        std::string path, why;
    };
    std::optional<violation> check_args(std::string_view json) const;
    std::optional<violation> check_kwargs(std::string_view json) const;

  private:
    class compiled;
    argument_schemas();
    std::unique_ptr<const compiled> args_, kwargs_;
};

}  // namespace madang
