#include "qtz/pipeline/run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>

#include "error_sample.h"
#include "output_hashes.h"
#include "qtz/core/error.h"
#include "qtz/core/memory.h"
#include "qtz/core/parallel.h"
#include "qtz/core/text.h"
#include "qtz/formats/gguf_split.h"
#include "tile_worker.h"
#include "tiles.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

/// Beside its buffers a thread touches its stack, a heap of its own and the ends of pages.
constexpr std::uint64_t kThreadBytes = 128 << 10;

/// What a run touches for the first time after it was planned: code, tables, open outputs.
constexpr std::uint64_t kRunBytes = 1 << 20;

constexpr std::size_t kWorstTensors = 3;

/// The library of hashes.
constexpr std::uint64_t kHashBytes = 2 << 20;

/// A tensor's entry in a manifest and a hash in the making.
constexpr std::uint64_t kManifestEntryBytes = 2 << 10;

std::uint64_t memory_of_manifests(std::span<const QuantPlan> plans) {
  std::uint64_t tensors = 0;
  for (const QuantPlan& plan : plans) tensors += plan.entries.size();
  return kHashBytes + tensors * kManifestEntryBytes;
}

std::uint64_t memory_of(const TileQueue& queue, std::uint64_t workers) {
  return workers * (TileWorker::memory(queue.bounds()) + queue.bounds().staging_bytes + kThreadBytes);
}

unsigned useful_threads(const TileQueue& queue, unsigned threads) {
  return static_cast<unsigned>(
      std::clamp<std::uint64_t>(queue.size(), 1, std::max(1u, resolve_threads(threads))));
}

/// As many threads as max_memory has room for, beside `more`.
MemoryNeed need_of(const TileQueue& queue, unsigned threads, std::uint64_t max_memory, std::uint64_t more) {
  const std::uint64_t held = resident_bytes() + kRunBytes + more;
  for (unsigned fitting = useful_threads(queue, threads); fitting > 0; --fitting) {
    const std::uint64_t bytes = held + memory_of(queue, fitting);
    if (max_memory == 0 || bytes <= max_memory) return {fitting, bytes};
  }
  const std::uint64_t least = held + memory_of(queue, 1);
  require_memory(least, max_memory);
  return {1, least};
}

unsigned threads_within(const TileQueue& queue, const RunOptions& options, std::uint64_t more,
                        Progress& progress) {
  const unsigned threads = useful_threads(queue, options.threads);
  const unsigned fitting = need_of(queue, options.threads, options.max_memory, more).threads;
  if (fitting < threads) {
    progress.warn("--max-memory leaves room for " + std::to_string(fitting) + " of " +
                  std::to_string(threads) + " threads");
  }
  return fitting;
}

/// The files of all plans, open under temporary names.
class Outputs final : public TileWorker::Writer {
 public:
  Outputs(std::span<const QuantPlan> plans, std::span<const fs::path> paths, const RunOptions& options,
          ErrorSample& errors)
      : errors_(errors) {
    OutputOptions output_options;
    output_options.overwrite = options.overwrite;
    output_options.protect = options.protect;
    for (const InputFile& input : plans.front().source->files())
      output_options.protect.push_back(input.identity());

    std::vector<std::vector<fs::path>> names;
    std::vector<WantedOutput> wanted;
    std::set<fs::path> seen;
    for (std::size_t plan = 0; plan < plans.size(); ++plan) {
      names.push_back(output_paths(plans[plan], paths[plan]));
      for (std::size_t file = 0; file < names[plan].size(); ++file) {
        const fs::path& name = names[plan][file];
        if (!seen.insert(fs::absolute(name).lexically_normal()).second) {
          throw Error(ErrorKind::usage, "two outputs have the name " + printable(name.native()));
        }
        wanted.push_back({name, plans[plan].files[file].bytes});
      }
    }
    if (options.manifest != nullptr) {
      for (const auto& of_plan : names) wanted.push_back({manifest_path(of_plan.front()), 0});
    }
    check_outputs_possible(wanted, output_options);
    output_options_ = output_options;
    files_.resize(plans.size());
    for (std::size_t plan = 0; plan < plans.size(); ++plan) {
      for (std::size_t file = 0; file < names[plan].size(); ++file) {
        const PlanFile& planned = plans[plan].files[file];
        files_[plan].push_back(
            std::make_unique<OutputFile>(names[plan][file], planned.bytes, output_options));
        files_[plan].back()->write(0, planned.header);
      }
    }
  }

  /// From now on what is written is hashed, too.
  void hash_into(OutputHashes& hashes) noexcept { hashes_ = &hashes; }

  void write(const TileTarget& target, std::uint64_t at, std::span<const std::byte> bytes) override {
    files_[target.plan][target.entry->file]->write(target.entry->offset + at, bytes);
    if (hashes_ != nullptr) hashes_->write(target, at, bytes);
  }

  void see(const TileJob& job, const TileTarget& target, const Tile& tile, std::span<const float> values,
           std::span<const std::byte> bytes) override {
    errors_.add(job, target, tile, values, bytes);
  }

  /// The names and sizes of a plan's files.
  std::vector<ManifestFile> files_of(std::size_t plan) const {
    std::vector<ManifestFile> files;
    for (const auto& file : files_[plan])
      files.push_back({printable(file->path().filename().native()), file->size(), ""});
    return files;
  }

  /// Lays the plan's manifest beside its first file.
  void add_manifest(std::size_t plan, const Manifest& manifest) {
    const std::string text = to_text(manifest);
    manifests_.push_back(std::make_unique<OutputFile>(manifest_path(files_[plan].front()->path()),
                                                      text.size(), output_options_));
    manifests_.back()->write(0, std::as_bytes(std::span(text)));
  }

  /// The first file of a plan is the one that readers open, so of the files it gets its name last. A manifest
  /// comes after the files that it speaks of.
  std::vector<fs::path> commit() {
    std::vector<std::vector<OutputFile*>> artifacts(files_.size());
    std::vector<fs::path> paths;
    for (std::size_t plan = 0; plan < files_.size(); ++plan) {
      for (const auto& file : files_[plan]) {
        artifacts[plan].insert(artifacts[plan].begin(), file.get());
        paths.push_back(file->path());
      }
    }
    for (std::size_t plan = 0; plan < manifests_.size(); ++plan) {
      artifacts[plan].push_back(manifests_[plan].get());
      paths.push_back(manifests_[plan]->path());
    }
    commit_together(artifacts);
    return paths;
  }

 private:
  ErrorSample& errors_;
  OutputOptions output_options_;
  OutputHashes* hashes_ = nullptr;
  std::vector<std::unique_ptr<OutputFile>> manifests_;  ///< none, or one for each plan
  std::vector<std::vector<std::unique_ptr<OutputFile>>> files_;
};

/// The problem of the earliest tile that has one, whichever worker came first: the same error at any thread
/// count.
class FirstProblem {
 public:
  bool is_before(std::uint64_t index) const noexcept {
    return index_.load(std::memory_order_relaxed) < index;
  }
  void report(std::uint64_t index, const TileProblem& problem) {
    const std::lock_guard lock(mutex_);
    if (index >= index_) return;
    index_ = index;
    problem_ = problem;
  }
  const std::optional<TileProblem>& get() const noexcept { return problem_; }

 private:
  std::mutex mutex_;
  std::atomic<std::uint64_t> index_{~std::uint64_t{0}};
  std::optional<TileProblem> problem_;
};

/// "model.safetensors: tensor 'blk.7.ffn_down.weight' (from 'model.layers.7.mlp.down_proj.weight')"
std::string tensor_text(const TensorSource& source, const PlanEntry& entry) {
  std::vector<const TensorInfo*> inputs;
  entry.expr->collect_inputs(inputs);
  std::string text;
  if (!inputs.empty() && inputs.front()->shard < source.files().size()) {
    text = printable(source.files()[inputs.front()->shard].path().native()) + ": ";
  }
  text += "tensor '" + printable(entry.name) + "'";
  if (!inputs.empty() && inputs.front()->name != entry.name) {
    text += " (from '" + printable(inputs.front()->name) + "'";
    if (inputs.size() > 1) text += " and " + std::to_string(inputs.size() - 1) + " more";
    text += ")";
  }
  return text;
}

std::string wider_type_hint(const PlanEntry& entry) {
  const std::string wider = entry.type == DType::bf16 ? "F32" : "BF16";
  if (entry.fixed) return "no rule applies to this tensor; choose a wider file type: --type " + wider;
  return "store it in a wider type: --tensor-type '" + exact_pattern(entry.name) + "=" + wider + "'";
}

/// What continues in spite of NaN and infinite weights: what every target of the tensor can follow.
std::string on_nan_hint(const TileJob& job) {
  const auto all = [&](bool (*can)(const PlanEntry&) noexcept) {
    return std::all_of(job.targets.begin(), job.targets.end(),
                       [&](const TileTarget& target) { return can(*target.entry); });
  };
  const bool zero = all(can_zero_nonfinite);
  const bool keep = all(can_keep_nonfinite);
  if (zero && keep) return "--on-nan zero or --on-nan keep continues";
  if (zero) return "--on-nan zero replaces them and continues";
  if (keep) return "quantize from the 16-bit model, or continue with --on-nan keep";
  return "quantize from the 16-bit model";
}

[[noreturn]] void throw_problem(const TileProblem& problem, const TensorSource& source,
                                std::vector<TileWorker>& workers, const CancelToken& cancel) {
  const PlanEntry& entry = *problem.entry;
  const std::string tensor = tensor_text(source, entry);
  const std::string type(name_of(entry.type));
  if (problem.kind == TileProblem::Kind::too_large) {
    throw Error(ErrorKind::numeric, tensor + " holds weights too large for " + type, wider_type_hint(entry));
  }

  // Count in the whole tensor, so that the message says how bad it is.
  const TileJob& job = *problem.job;
  std::vector<NonfiniteCount> counts(workers.size());
  std::vector<std::optional<std::uint64_t>> firsts(workers.size());
  const auto threads = static_cast<unsigned>(workers.size());
  parallel_for(job.grid.count(), threads, cancel, [&](unsigned worker, std::uint64_t index) {
    std::optional<std::uint64_t> first;
    counts[worker] += workers[worker].count_nonfinite(job, job.grid.at(index), first);
    if (first) firsts[worker] = std::min(firsts[worker].value_or(*first), *first);
  });
  NonfiniteCount count;
  std::optional<std::uint64_t> first;
  for (std::size_t worker = 0; worker < workers.size(); ++worker) {
    count += counts[worker];
    if (firsts[worker]) first = std::min(first.value_or(*firsts[worker]), *firsts[worker]);
  }
  const std::string what = tensor + " has " + count.to_string() + " (first at " +
                           position_text(job.expr->shape(), first.value_or(0)) + ")";
  switch (problem.kind) {
    case TileProblem::Kind::cannot_keep:
      throw Error(ErrorKind::numeric, what + ", which " + type + " cannot hold",
                  "--on-nan zero replaces them, or store the tensor as F16, BF16 or F32");
    case TileProblem::Kind::cannot_zero:
      throw Error(ErrorKind::numeric, what + " inside its " + type + " blocks, which are copied as they are",
                  "quantize from the 16-bit model, or continue with --on-nan keep");
    default:
      throw Error(ErrorKind::numeric, what, on_nan_hint(job));
  }
}

void check_inputs_unchanged(const TensorSource& source) {
  for (const InputFile& file : source.files()) file.check_unchanged();
}

/// Who fails must not let others wait for the bytes that will not come.
class AbandonUnlessDone {
 public:
  explicit AbandonUnlessDone(OutputHashes* hashes) noexcept : hashes_(hashes) {}
  ~AbandonUnlessDone() {
    if (hashes_ != nullptr) hashes_->abandon();
  }
  void done() noexcept { hashes_ = nullptr; }
  AbandonUnlessDone(const AbandonUnlessDone&) = delete;
  AbandonUnlessDone& operator=(const AbandonUnlessDone&) = delete;

 private:
  OutputHashes* hashes_;
};

Manifest manifest_of(const QuantPlan& plan, const ManifestFacts& facts, std::vector<ManifestFile> inputs,
                     std::vector<ManifestFile> outputs, const OutputHashes::OfPlan& hashes) {
  Manifest manifest;
  manifest.version = QTZ_VERSION;
  manifest.recipe = facts.recipe;
  manifest.recipe.insert(manifest.recipe.begin(), {"type", plan.file_type->name});
  manifest.inputs = std::move(inputs);
  manifest.outputs = std::move(outputs);
  for (std::size_t i = 0; i < manifest.outputs.size(); ++i) manifest.outputs[i].sha256 = hashes.files[i];
  for (std::size_t i = 0; i < plan.entries.size(); ++i) {
    const PlanEntry& entry = plan.entries[i];
    manifest.tensors.push_back(
        {entry.name, std::string(name_of(entry.type)), entry.bytes, hashes.tensors[i]});
  }
  return manifest;
}

std::uint64_t stored_bytes(const TileJob& job) {
  return job.expr->shape().rows() * row_bytes(job.expr->dtype(), job.expr->shape().cols());
}

}  // namespace

MemoryNeed memory_need(std::span<const QuantPlan> plans, unsigned threads, std::uint64_t max_memory,
                       bool manifest) {
  return need_of(TileQueue(plans), threads, max_memory, manifest ? memory_of_manifests(plans) : 0);
}

std::uint64_t working_memory(std::span<const QuantPlan> plans, unsigned threads) {
  const TileQueue queue(plans);
  return memory_of(queue, useful_threads(queue, threads));
}

std::vector<fs::path> output_paths(const QuantPlan& plan, const fs::path& output) {
  if (plan.files.size() == 1) return {output};
  const fs::path name = output.filename();
  const auto split = parse_split_file_name(name.native());
  const std::string stem = split                         ? split->stem
                           : name.extension() == ".gguf" ? name.stem().native()
                                                         : name.native();
  const auto count = static_cast<std::uint32_t>(plan.files.size());
  std::vector<fs::path> paths;
  for (std::uint32_t file = 0; file < count; ++file)
    paths.push_back(output.parent_path() / split_file_name(stem, file, count));
  return paths;
}

RunResult execute(std::span<const QuantPlan> plans, std::span<const fs::path> outputs, const Backend& backend,
                  const RunOptions& options, Progress& progress, const CancelToken& cancel) {
  QTZ_CHECK(!plans.empty() && plans.size() == outputs.size());
  for (const QuantPlan& plan : plans) {
    QTZ_CHECK(plan.source == plans.front().source && plan.on_nan == plans.front().on_nan);
  }
  const auto start = std::chrono::steady_clock::now();
  const TensorSource& source = *plans.front().source;
  const TileQueue queue(plans);
  const std::uint64_t for_manifests = options.manifest == nullptr ? 0 : memory_of_manifests(plans);
  const unsigned threads = threads_within(queue, options, for_manifests, progress);
  ErrorSample errors(queue, backend);
  Outputs files(plans, outputs, options, errors);

  RunResult result;
  result.threads = threads;
  for (const TileJob& job : queue.jobs()) result.input_bytes += stored_bytes(job);
  for (const QuantPlan& plan : plans) result.output_bytes += plan.total_bytes;

  std::vector<TileWorker> workers;
  workers.reserve(threads);
  for (unsigned worker = 0; worker < threads; ++worker)
    workers.emplace_back(queue.bounds(), backend, plans.front().on_nan);
  std::vector<std::atomic<std::uint64_t>> tiles_left(queue.jobs().size());
  for (std::size_t job = 0; job < tiles_left.size(); ++job) tiles_left[job] = queue.jobs()[job].grid.count();

  std::optional<OutputHashes> hashes;
  if (options.manifest != nullptr) files.hash_into(hashes.emplace(plans, queue));
  FirstProblem problem;
  progress.begin("quantize", result.input_bytes, queue.jobs().size(), "tensors");
  parallel_for(queue.size(), threads, cancel, [&](unsigned worker, std::uint64_t index) {
    if (problem.is_before(index)) return;
    const auto [number, tile] = queue.at(index);
    const TileJob& job = queue.jobs()[number];
    AbandonUnlessDone guard(hashes ? &*hashes : nullptr);
    if (const auto found = workers[worker].process(job, tile, files)) {
      problem.report(index, *found);
      return;
    }
    guard.done();
    progress.advance(tile.rows * row_bytes(job.expr->dtype(), tile.cols));
    if (--tiles_left[number] == 0) progress.item_done(job.targets.front().entry->name);
  });
  if (problem.get()) throw_problem(*problem.get(), source, workers, cancel);
  for (const TileWorker& worker : workers) result.replaced_nonfinite += worker.replaced();

  for (std::size_t plan = 0; plan < plans.size(); ++plan)
    result.worst.push_back(errors.worst(plan, kWorstTensors));

  if (hashes) {
    progress.end();
    const std::vector<ManifestFile> inputs = hash_files(options.manifest->inputs, threads, progress, cancel);
    const std::vector<OutputHashes::OfPlan> found = hashes->finish();
    for (std::size_t plan = 0; plan < plans.size(); ++plan) {
      files.add_manifest(
          plan, manifest_of(plans[plan], *options.manifest, inputs, files.files_of(plan), found[plan]));
    }
  }
  check_inputs_unchanged(source);
  cancel.poll();
  result.outputs = files.commit();
  progress.end();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace qtz
