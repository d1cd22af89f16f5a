#include "cli/plan_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "cli/table.h"
#include "qtz/core/output_file.h"
#include "qtz/core/parallel.h"
#include "qtz/core/text.h"
#include "qtz/pipeline/run.h"

namespace qtz::cli {
namespace {

std::string path_text(const std::filesystem::path& path) {
  return printable(path.string());
}

/// The files that will be there.
std::string files_text(const QuantPlan& plan, const std::filesystem::path& output) {
  const auto paths = output_paths(plan, output);
  if (paths.size() == 1) return path_text(paths.front());
  return path_text(paths.front()) + " to " + path_text(paths.back().filename());
}

std::string size_text(const QuantPlan& plan) {
  return format_bytes(plan.total_bytes) + ", " + format_fixed(plan.bits_per_weight(), 2) + " bits per weight";
}

JsonValue files_json(const QuantPlan& plan, const std::filesystem::path& output) {
  JsonArray files;
  const auto paths = output_paths(plan, output);
  for (std::size_t file = 0; file < paths.size(); ++file) {
    files.push_back(JsonObject{{"path", paths[file].string()}, {"bytes", plan.files[file].bytes}});
  }
  return files;
}

/// One output, in short; 'qtz plan --json' says it tensor by tensor.
JsonObject plan_event(const Job& job, std::size_t index) {
  const QuantPlan& plan = job.plans[index];
  return JsonObject{{"type", plan.file_type->name},
                    {"architecture", job.model.architecture},
                    {"parameters", plan.parameters},
                    {"tensors", static_cast<std::uint64_t>(plan.entries.size())},
                    {"total_bytes", plan.total_bytes},
                    {"bits_per_weight", plan.bits_per_weight()},
                    {"files", files_json(plan, job.outputs[index])},
                    {"threads", static_cast<std::uint64_t>(job.memory.threads)},
                    {"memory_bytes", job.memory.bytes}};
}

std::uint64_t stored_bytes(const TensorSource& source) {
  std::uint64_t bytes = 0;
  for (const auto& tensor : source.tensors()) bytes += tensor.bytes;
  return bytes;
}

std::string model_text(const Job& job) {
  const QuantPlan& plan = job.plans.front();
  std::string text = job.model.architecture.empty() ? "generic" : printable(job.model.architecture);
  text += ", " + format_count(plan.parameters) + " weights in " + std::to_string(plan.entries.size()) +
          " tensors";
  if (job.model.source->tensors().empty()) return text + ", planned without them";
  return text + ", " + format_bytes(stored_bytes(*job.model.source)) + " to read";
}

/// The folder, or the nearest above it that is there already.
std::filesystem::path existing(std::filesystem::path folder) {
  std::error_code unknown;
  while (!folder.empty() && !std::filesystem::exists(folder, unknown) && folder != folder.parent_path())
    folder = folder.parent_path();
  return folder.empty() ? "." : folder;
}

/// What is needed of each folder, and what is free there.
std::vector<std::string> disk_texts(const Job& job) {
  std::map<std::filesystem::path, std::uint64_t> needed;
  for (std::size_t i = 0; i < job.plans.size(); ++i)
    needed[job.outputs[i].parent_path()] += job.plans[i].total_bytes;
  std::vector<std::string> texts;
  for (const auto& [folder, bytes] : needed) {
    const auto free = free_space(existing(folder));
    if (!free) continue;
    texts.push_back(format_bytes(bytes) + " of " + format_bytes(*free) + " free" +
                    (needed.size() > 1 ? " in " + path_text(folder) : ""));
  }
  return texts;
}

/// Rough on purpose.
std::string estimate_text(double seconds) {
  if (seconds < 1) return "under a second";
  const std::string text =
      seconds < 60 ? std::to_string(std::lround(seconds)) + " s" : format_duration(std::round(seconds));
  return "about " + text + ", if the disk keeps up";
}

JsonValue shape_json(const Shape& shape) {
  JsonArray dims;
  for (const auto dim : shape.dims()) dims.emplace_back(dim);
  return dims;
}

JsonValue entry_json(const PlanEntry& entry) {
  return JsonObject{
      {"name", entry.name},
      {"shape", shape_json(entry.expr->shape())},
      {"source_type", name_of(entry.expr->dtype())},
      {"type", name_of(entry.type)},
      {"bytes", entry.bytes},
      {"file", static_cast<std::uint64_t>(entry.file)},
      {"offset", entry.offset},
      {"importance", !entry.importance.empty()},
      {"why", entry.why},
  };
}

}  // namespace

std::string type_counts(const QuantPlan& plan) {
  std::array<std::uint64_t, kDTypeCount> counts{};
  for (const auto& entry : plan.entries) ++counts[static_cast<std::size_t>(entry.type)];
  std::string text;
  for (const auto& type : all_dtypes()) {
    const auto count = counts[static_cast<std::size_t>(type.type)];
    if (count == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::string(type.name) + " " + std::to_string(count);
  }
  return text;
}

void print_preflight(const Job& job, Console& console) {
  for (std::size_t i = 0; i < job.plans.size(); ++i) console.event("plan", plan_event(job, i));
  console.info("model   " + model_text(job));
  for (const auto& note : job.model.notes) console.info("        " + note);
  for (std::size_t i = 0; i < job.plans.size(); ++i) {
    const QuantPlan& plan = job.plans[i];
    console.info("output  " + files_text(plan, job.outputs[i]) + ": " + std::string(plan.file_type->name) +
                 ", " + size_text(plan));
    console.info("        " + type_counts(plan));
  }
  for (const std::string& line : disk_texts(job)) console.info("disk    " + line);
  const std::string threads =
      std::to_string(job.memory.threads) + (job.memory.threads == 1 ? " thread" : " threads");
  console.info("memory  " + format_bytes(job.memory.bytes) + " with " + threads);
  if (job.thread_seconds > 0)
    console.info("time    " +
                 estimate_text(job.thread_seconds / std::min(job.memory.threads, resolve_threads(0))));
  for (const auto& skipped : job.model.skipped) console.warn("left out: " + skipped);
  for (const auto& warning : job.model.warnings) console.warn(warning);
  std::vector<std::string> said;
  for (const auto& plan : job.plans) {
    for (const auto& warning : plan.warnings) {
      if (std::find(said.begin(), said.end(), warning) != said.end()) continue;
      console.warn(warning);
      said.push_back(warning);
    }
  }
}

std::string plan_text(const Job& job, std::size_t index) {
  const QuantPlan& plan = job.plans[index];
  std::vector<std::string> rules;
  std::size_t width = 0;
  for (const auto& entry : plan.entries) {
    rules.push_back(recipe_rule(entry));
    width = std::max(width, rules.back().size());
  }

  TextTable comments({{"# shape"}, {"from"}, {"bytes", TextTable::Align::right}, {"why"}});
  for (const auto& entry : plan.entries) {
    comments.add({"# " + entry.expr->shape().to_string(), std::string(name_of(entry.expr->dtype())),
                  group_digits(entry.bytes), printable(entry.why)});
  }
  const std::string table = comments.to_string();

  std::string text = "# " + std::string(plan.file_type->name) + ": " + model_text(job) + "\n# " +
                     size_text(plan) + ": " + type_counts(plan) + "\n";
  std::size_t at = 0;
  for (std::size_t row = 0; row <= rules.size(); ++row) {  // row 0 is the table's title
    const auto end = table.find('\n', at);
    const std::string rule = row == 0 ? "# rule" : rules[row - 1];
    text +=
        rule + std::string(width - std::min(width, rule.size()) + 2, ' ') + table.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return text;
}

JsonValue plan_json(const Job& job, const std::string& input) {
  JsonArray plans;
  for (std::size_t i = 0; i < job.plans.size(); ++i) {
    const QuantPlan& plan = job.plans[i];
    JsonArray tensors;
    for (const auto& entry : plan.entries) tensors.push_back(entry_json(entry));
    plans.push_back(JsonObject{
        {"type", plan.file_type->name},
        {"parameters", plan.parameters},
        {"total_bytes", plan.total_bytes},
        {"bits_per_weight", plan.bits_per_weight()},
        {"files", files_json(plan, job.outputs[i])},
        {"warnings", json_strings(plan.warnings)},
        {"tensors", std::move(tensors)},
    });
  }
  return JsonObject{
      {"schema", 1},
      {"input", input},
      {"architecture", job.model.architecture},
      {"generic", job.model.generic},
      {"input_bytes", stored_bytes(*job.model.source)},
      {"threads", static_cast<std::uint64_t>(job.memory.threads)},
      // Of the tiles alone: what the process holds besides differs from run to run, and a plan does not.
      {"tile_memory_bytes", working_memory(job.plans, job.memory.threads)},
      {"notes", json_strings(job.model.notes)},
      {"skipped", json_strings(job.model.skipped)},
      {"warnings", json_strings(job.model.warnings)},
      {"plans", std::move(plans)},
  };
}

void print_plan(const Job& job, const JobFlags& flags, Console& console) {
  if (flags.json) {
    console.data(to_json(plan_json(job, flags.input)) + "\n");
    return;
  }
  for (std::size_t i = 0; i < job.plans.size(); ++i) console.data(plan_text(job, i));
}

}  // namespace qtz::cli
