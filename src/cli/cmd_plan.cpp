// qtz plan: what quantize would do, without doing it.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/folder_job.h"
#include "cli/job.h"
#include "cli/plan_report.h"
#include "qtz/kernels/backend.h"

namespace qtz::cli {
namespace {

struct PlanFlags {
  JobFlags job;
  FolderFlags folder;
};

ExitCode run(const PlanFlags& flags, Console& console) {
  if (wants_folder(flags.job)) return run_folder_job(flags.job, flags.folder, {.only_plan = true}, console);
  refuse_folder_flags(flags.folder);
  const Backend& backend = select_backend(flags.job.backend);
  const Job job = make_job(flags.job, backend, "plan");
  print_preflight(job, console);
  print_plan(job, flags.job, console);
  return ExitCode::ok;
}

}  // namespace

Command setup_plan(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("plan",
                          "show what quantize would do: types, reasons, sizes, memory\n"
                          "The output is a valid recipe: edit it and give it to quantize --recipe.");
  const auto flags = std::make_shared<PlanFlags>();
  add_job_flags(*app, flags->job);
  add_folder_flags(*app, flags->folder);
  add_switch(*app, "--config-only", flags->job.config_only, "Model and metadata",
             "plan from a config.json alone, without weights or tokenizer\n"
             "INPUT is the file, or a folder that holds one. What it leaves open is an error.");
  set_examples(*app,
               "qtz plan ./Llama-3.2-1B --type Q4_K_M\n"
               "qtz plan ./Llama-3.2-1B --type Q4_K_M > my.recipe      edit it, then:\n"
               "qtz quantize ./Llama-3.2-1B --type Q4_K_M --recipe my.recipe\n"
               "qtz plan --config-only config.json --type Q4_K_M   before a download: how large will it be?\n"
               "qtz plan ./Llama-3.2-1B --type Q4_K_M --json | jq '.plans[0].total_bytes'");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
