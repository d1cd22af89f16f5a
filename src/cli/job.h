// What quantize and plan share: the flags that say what is to be made of which model, and the plans they
// give.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/calibration_text.h"
#include "qtz/formats/imatrix.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/plan.h"
#include "qtz/pipeline/run.h"

namespace CLI {
class App;
}  // namespace CLI

namespace qtz::cli {

/// The words of the command line, not yet looked at.
struct JobFlags {
  std::string input;
  std::vector<std::string> types;
  std::string output;
  std::string threads;
  std::string backend;
  std::string max_memory;
  std::string imatrix;
  CalibrationFlags calibration;  ///< quantize alone has it
  std::vector<std::string> include_weights;
  std::vector<std::string> exclude_weights;
  std::vector<std::string> tensor_types;
  std::string recipe;
  std::string output_tensor_type;
  std::string token_embedding_type;
  bool leave_output_tensor = false;
  bool pure = false;
  std::vector<std::string> override_kv;
  std::vector<std::string> prune_layers;
  bool keep_split = false;
  std::string split_max_size;
  std::string split_max_tensors;
  bool no_tensor_first_split = false;
  bool allow_requantize = false;
  std::string model_name;
  std::string metadata;
  std::string architecture;
  std::string tokenizer_pre;
  std::string mtp;
  std::string on_nan;
  bool config_only = false;  ///< plan alone has it
  bool manifest = false;
  bool json = false;
};

/// A model opened and planned for every type asked for; plans[i] goes to outputs[i].
struct Job {
  GgufModel model;
  std::vector<QuantPlan> plans;
  std::vector<std::filesystem::path> outputs;
  std::vector<ManifestInput> given;   ///< importance matrix, recipe, metadata
  std::vector<FileIdentity> protect;  ///< files of the command line that must never be written over
  unsigned threads = 1;               ///< as asked for
  std::uint64_t max_memory = 0;
  MemoryNeed memory;
  double thread_seconds = 0;  ///< estimate of the work, for one thread; 0: none
};

void add_job_flags(CLI::App& app, JobFlags& flags);

/// Those of them that say, apart from types, what an artifact is made of: the importance matrix, the model's
/// architecture and names, metadata, layers. verify takes them as they were given to quantize.
void add_making_flags(CLI::App& app, JobFlags& flags);

/// Throw usage; the files that flags name (importance, recipe) are not opened.
OnNan parse_on_nan(const std::string& text);
PlanOptions parse_plan_options(const JobFlags& flags);
ModelOptions parse_model_options(const JobFlags& flags);

/// Whether `file` is a GGUF of the file type NVFP4: a folder to be held against it is opened with
/// ModelOptions::keeps_nvfp4. False for what is no sound GGUF.
bool is_nvfp4_file(const std::filesystem::path& file);

/// What a manifest says about the command line: the flags that decide bytes, and the files they name.
ManifestFacts manifest_facts(const JobFlags& flags, const Job& job);

/// Makes an importance matrix of a text for a job whose model is open and whose outputs are named.
using Calibrator = std::function<std::shared_ptr<const ImportanceMatrix>(const Job&)>;

/// Usage errors first, before anything is opened; then the model, then the plans, then whether the memory is
/// enough: all that quantize refuses before it writes, plan refuses too.
/// `calibrator` is called where the flags name a text.
Job make_job(const JobFlags& flags, const Backend& backend, std::string_view command,
             const Calibrator& calibrator = nullptr);

}  // namespace qtz::cli
