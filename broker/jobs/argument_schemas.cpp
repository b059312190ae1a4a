#include "broker/jobs/argument_schemas.hpp"

// Without it valijson aborts the process where it should throw; it also includes <stdexcept> inside its
// namespace.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#ifndef VALIJSON_USE_EXCEPTIONS
#define VALIJSON_USE_EXCEPTIONS 1
#endif
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace madang {
namespace {

using json = nlohmann::json;
using adapter = valijson::adapters::NlohmannJsonAdapter;

// std::regex recurses once per character: where a schema has a pattern, longer texts are violations.
constexpr std::size_t pattern_bytes = 4096;
constexpr std::size_t why_bytes = 300;

bool uses_pattern(const json& schema) {
    if (schema.is_object() &&
        (schema.contains("pattern") || schema.contains("patternProperties") || schema.contains("format")))
        return true;
    return schema.is_structured() && std::any_of(schema.begin(), schema.end(), uses_pattern);
}

bool has_long_text(const json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>().size() > pattern_bytes;
    if (value.is_object() && std::any_of(value.items().begin(), value.items().end(),
                                         [](const auto& each) { return each.key().size() > pattern_bytes; }))
        return true;
    return value.is_structured() && std::any_of(value.begin(), value.end(), has_long_text);
}

// What stands between single quotes behind `what`, which the text begins with.
std::string quoted_after(const std::string& text, std::string_view what) {
    if (!text.starts_with(what)) return {};
    const auto from = text.find('\'', what.size());
    const auto to = text.rfind('\'');
    return from < to ? text.substr(from + 1, to - from - 1) : std::string();
}

// {"<root>", "[size]", "[0]"} -> ".size[0]". valijson writes both kinds alike; which it was, the value knows.
std::string path_of(const std::vector<std::string>& context, const json& value) {
    std::string path;
    const json* at = &value;
    for (std::size_t i = 1; i < context.size(); ++i) {
        const auto name = context[i].substr(1, context[i].size() - 2);
        if (at && at->is_array()) {
            path.append("[").append(name).append("]");
            const auto index = std::stoul(name);
            at = index < at->size() ? &(*at)[index] : nullptr;
        } else {
            path.append(".").append(name);
            at = at && at->is_object() && at->contains(name) ? &(*at)[name] : nullptr;
        }
    }
    return path;
}

}  // namespace

class argument_schemas::compiled {
  public:
    explicit compiled(const json& schema) : uses_pattern_(uses_pattern(schema)) {
        valijson::SchemaParser().populateSchema(adapter(schema), schema_);
    }

    std::optional<violation> check(std::string_view text) const {
        const auto value = json::parse(text, nullptr, false);
        if (uses_pattern_ && has_long_text(value))
            return violation{"",
                             "a text of more than 4096 bytes cannot be checked by a schema with patterns"};
        valijson::ValidationResults results;
        valijson::Validator validator;
        if (validator.validate(schema_, adapter(value), &results)) return std::nullopt;
        // It also says that an object failed because its member did; the member's own line says more.
        const auto summary = [](const auto& each) {
            return each.description.starts_with("Failed to validate");
        };
        auto best = std::find_if_not(results.begin(), results.end(), summary);
        if (best == results.end()) best = results.begin();
        if (best == results.end()) return violation{"", "does not fit the task's schema"};
        violation found{path_of(best->context, value), best->description};
        if (const auto missing = quoted_after(found.why, "Missing required property"); !missing.empty()) {
            found.path.append(".").append(missing);
            found.why = "is required";
        } else if (const auto extra =
                       quoted_after(found.why,
                                    "Object contains a property that could not be validated using "
                                    "'properties' or 'additionalProperties' constraints: ");
                   !extra.empty()) {
            found.path.append(".").append(extra);
            found.why = "the task's schema does not know it";
        }
        found.why.resize(std::min(found.why.size(), why_bytes));
        return found;
    }

  private:
    bool uses_pattern_;
    valijson::Schema schema_;
};

argument_schemas::argument_schemas() = default;
argument_schemas::~argument_schemas() = default;

result<std::shared_ptr<const argument_schemas>> argument_schemas::compile(std::string_view args,
                                                                          std::string_view kwargs) {
    std::shared_ptr<argument_schemas> made(new argument_schemas);
    std::string_view name;
    try {
        name = "args_schema";
        if (!args.empty()) made->args_ = std::make_unique<compiled>(json::parse(args));
        name = "kwargs_schema";
        if (!kwargs.empty()) made->kwargs_ = std::make_unique<compiled>(json::parse(kwargs));
    } catch (const std::exception& wrong) {
        return fail(errc::bad_request, std::string(name) + ": is no JSON Schema: " + wrong.what());
    }
    return std::shared_ptr<const argument_schemas>(std::move(made));
}

std::optional<argument_schemas::violation> argument_schemas::check_args(std::string_view json) const {
    return args_ ? args_->check(json) : std::nullopt;
}
std::optional<argument_schemas::violation> argument_schemas::check_kwargs(std::string_view json) const {
    return kwargs_ ? kwargs_->check(json) : std::nullopt;
}

}  // namespace madang
