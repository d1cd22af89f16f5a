#include "qtz/pipeline/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>

#include "comparison.h"
#include "error_bands.h"
#include "extremes.h"
#include "manifest_check.h"
#include "nearest_levels.h"
#include "qtz/core/error.h"
#include "qtz/core/parallel.h"
#include "qtz/core/text.h"
#include "tiles.h"

namespace qtz {
namespace {

/// One tensor of the artifact, with its counterpart in the source if there is one.
struct Check {
  const TensorInfo* info = nullptr;
  const TensorExpr* expr = nullptr;   ///< null: not compared
  std::span<const float> importance;  ///< as PlanEntry's
  bool weighted = false;              ///< importance may have shaped the error
  bool must_be_exact = false;         ///< this version of qtz made it and can make it again
  TileGrid grid;
  std::uint64_t first_tile = 0;
};

bool is_plain(DType type) noexcept {
  return traits(type).block_elems == 1;
}

/// A worker's buffers, grown to what its tiles need.
struct Scratch {
  std::vector<std::byte> stored_bytes;
  std::vector<std::byte> source_bytes;
  std::vector<std::byte> encoded;
  std::vector<float> stored;
  std::vector<float> source;
};

std::uint64_t tile_bytes(DType type, const Tile& tile) noexcept {
  return tile.rows * row_bytes(type, tile.cols);
}

void read_stored(const GgufSource& file, const TensorInfo& info, const Tile& tile,
                 std::vector<std::byte>& out) {
  const std::uint64_t row = row_bytes(info.dtype, info.shape.cols());
  out.resize(tile_bytes(info.dtype, tile));
  file.read(info, tile.first_row * row + row_bytes(info.dtype, tile.first_col), out);
}

void read_source(const TensorExpr& expr, const Tile& tile, std::vector<std::byte>& out) {
  out.resize(tile_bytes(expr.dtype(), tile));
  if (tile.cols == expr.shape().cols()) {
    expr.read_rows(tile.first_row, tile.rows, out);
  } else {
    expr.read_block(tile.first_row, tile.rows, tile.first_col, tile.cols, out);
  }
}

bool equal_bytes(const std::vector<std::byte>& a, const std::vector<std::byte>& b) noexcept {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

void decode(const Backend& backend, DType type, const std::vector<std::byte>& bytes, const Tile& tile,
            std::vector<float>& out) {
  out.resize(tile.elements());
  backend.decode(type, bytes.data(), out.data(), out.size());
}

enum class Nonfinite { none, zeroed, kept };

/// --on-nan: what is not finite in the source was replaced by zero, or kept. Afterwards the source is finite,
/// and what was kept counts as no error.
Nonfinite treat_nonfinite(const Backend& backend, Scratch& scratch) {
  std::vector<float>& source = scratch.source;
  if (backend.find_nonfinite(source.data(), source.size()) == source.size()) return Nonfinite::none;
  Nonfinite treated = Nonfinite::zeroed;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (std::isfinite(source[i])) continue;
    source[i] = 0;
    if (std::isfinite(scratch.stored[i])) continue;
    scratch.stored[i] = 0;
    treated = Nonfinite::kept;
  }
  return treated;
}

/// The importance values of the tile's rows, null without.
const float* importance_of(const Check& check, const Tile& tile) noexcept {
  if (check.importance.empty()) return nullptr;
  const std::uint64_t cols = check.info->shape.cols();
  return check.importance.data() + (check.importance.size() > cols ? tile.slice * cols : 0);
}

Comparison with_bytes(Comparison comparison, bool same_bytes) noexcept {
  comparison.same_bytes = same_bytes;
  return comparison;
}

Comparison look_at(const Check& check, const Tile& tile, const GgufSource& file, const Backend& backend,
                   bool encode_again, Scratch& scratch) {
  const DType type = check.info->dtype;
  const std::uint64_t cols = check.info->shape.cols();
  const std::uint64_t first = tile.first_row * cols + tile.first_col;
  read_stored(file, *check.info, tile, scratch.stored_bytes);
  const bool can_decode = backend.can_decode(type);

  if (check.expr == nullptr) {
    Comparison alone;
    if (!can_decode) return alone;
    decode(backend, type, scratch.stored_bytes, tile, scratch.stored);
    const std::vector<float>& values = scratch.stored;
    const std::uint64_t bad = backend.find_nonfinite(values.data(), values.size());
    if (bad == values.size()) return alone;
    alone.first_bad = first + bad;
    alone.nonfinite = count_nonfinite(values).total();
    return alone;
  }

  read_source(*check.expr, tile, scratch.source_bytes);
  const DType source_type = check.expr->dtype();
  Comparison result;
  if (source_type == type) {
    result.same_bytes = equal_bytes(scratch.source_bytes, scratch.stored_bytes);
  }
  if (!can_decode || !backend.can_decode(source_type)) return result;
  decode(backend, source_type, scratch.source_bytes, tile, scratch.source);
  decode(backend, type, scratch.stored_bytes, tile, scratch.stored);
  const Nonfinite treated = treat_nonfinite(backend, scratch);
  if (source_type == type && treated != Nonfinite::zeroed) {
    return with_bytes(compare_rows(type, scratch.source, scratch.stored, tile.cols, first),
                      result.same_bytes);
  }
  bool same_bytes = true;
  if (encode_again && traits(type).encodable && treated != Nonfinite::kept) {
    scratch.encoded.resize(tile_bytes(type, tile));
    backend.encode(type, scratch.source.data(), importance_of(check, tile), tile.rows, tile.cols,
                   scratch.encoded.data());
    same_bytes = equal_bytes(scratch.encoded, scratch.stored_bytes);
  }
  return with_bytes(compare_rows(type, scratch.source, scratch.stored, tile.cols, first), same_bytes);
}

std::string number_text(double value) {
  // Two significant digits are enough to see how far off something is.
  if (value == 0 || !std::isfinite(value)) return format_double(value);
  const double exponent = std::floor(std::log10(std::fabs(value)));
  const double unit = std::pow(10.0, exponent - 1);
  return format_fixed(std::round(value / unit) * unit, exponent < 1 ? static_cast<int>(1 - exponent) : 0);
}

/// One lost piece in so many is usual under the harshest importance.
constexpr std::uint64_t kLostPieces = 100;

std::string lost_text(const Comparison& sum, const Shape& shape) {
  return std::to_string(sum.lost_pieces) + " of " + std::to_string(sum.pieces) + " pieces of " +
         std::to_string(kErrorPiece) + " weights are lost (first at " +
         position_text(shape, sum.first_lost.value_or(0)) + ")";
}

/// Why the errors are larger than the type's, or empty.
std::string error_text(const Check& check, const Comparison& sum, const TensorReport& report) {
  const Shape& shape = check.info->shape;
  const std::string type(name_of(check.info->dtype));
  const ErrorLimits limits = error_limits(check.info->dtype);
  const double limit = check.weighted ? limits.weighted : limits.tensor;
  // Nothing was foretold: the type holds each of these values exactly.
  if (std::isinf(report.noise_ratio)) return "differs from the source, which " + type + " can hold exactly";
  if (report.noise_ratio > limit) {
    return "error is " + number_text(std::sqrt(report.noise_ratio)) + " times what " + type +
           " gives (SQNR " + number_text(report.sqnr_db) + " dB)";
  }
  if (!check.weighted && sum.worst_piece > limits.piece) {
    return "error from " + position_text(shape, sum.worst_at) + " on is " +
           number_text(std::sqrt(sum.worst_piece)) + " times what " + type + " gives";
  }
  // Importance moves error from weight to weight, but in a sound tensor hardly a piece is lost to it
  // altogether.
  if (check.weighted && sum.lost_pieces > sum.pieces / kLostPieces) return lost_text(sum, shape);
  return {};
}

/// Whatever the errors are, they are those that the importance matrix at hand asks for: it may give some
/// weights no say at all.
bool given_up(const Check& check, const TensorReport& report) noexcept {
  return check.weighted && report.reproduced;
}

std::string nonfinite_text(const Check& check, const Comparison& sum) {
  return std::to_string(sum.nonfinite) + " values are NaN or infinite (first at " +
         position_text(check.info->shape, sum.first_bad.value_or(0)) + ")";
}

/// Whether values that are not finite may have been copied on purpose.
bool may_keep_nonfinite(const Check& check) noexcept {
  return check.expr == nullptr && is_plain(check.info->dtype);
}

std::string problem_of(const Check& check, const Comparison& sum, const TensorReport& report,
                       const VerifyOptions& options) {
  const bool encoded_again = options.encode_again;
  if (sum.nonfinite > 0 && !(options.keep_nonfinite && may_keep_nonfinite(check)))
    return nonfinite_text(check, sum);
  if (check.expr == nullptr) return {};
  if (check.expr->dtype() == check.info->dtype) {
    return sum.same_bytes ? "" : "differs from the source although it has the source's type";
  }
  if (!report.compared) {
    return "was not compared: qtz cannot judge the errors of " + std::string(name_of(check.info->dtype));
  }
  if (std::string error = error_text(check, sum, report); !error.empty() && !given_up(check, report)) {
    return error;
  }
  if (encoded_again && check.must_be_exact && !sum.same_bytes) {
    return "is not what this version of qtz makes of the source";
  }
  return {};
}

TensorReport report_of(const Check& check, const Comparison& sum, const Backend& backend,
                       const VerifyOptions& options) {
  TensorReport report;
  report.name = check.info->name;
  report.type = check.info->dtype;
  report.elements = check.info->shape.elements();
  report.decoded = backend.can_decode(report.type);
  if (check.expr != nullptr) {
    const DType source_type = check.expr->dtype();
    report.compared = report.decoded && backend.can_decode(source_type) &&
                      (source_type == report.type || has_error_band(report.type));
    report.reproduced = sum.same_bytes && (source_type == report.type || options.encode_again);
  }
  if (report.compared && report.elements > 0) {
    report.rmse = std::sqrt(sum.noise / static_cast<double>(report.elements));
    report.max_abs = sum.max_abs;
    const double scale = std::sqrt(sum.signal) * std::sqrt(sum.stored_signal);
    report.cosine = scale > 0 ? std::min(1.0, sum.product / scale) : sum.noise > 0 ? 0 : 1;
    report.sqnr_db =
        sum.noise > 0 ? 10 * std::log10(sum.signal / sum.noise) : std::numeric_limits<double>::infinity();
    if (sum.noise > 0) {
      report.noise_ratio =
          sum.foretold > 0 ? sum.noise / sum.foretold : std::numeric_limits<double>::infinity();
    }
  }
  report.problem = problem_of(check, sum, report, options);
  return report;
}

/// Large errors that are nobody's fault but the importance matrix's.
void warn_of_given_up(const Check& check, const Comparison& sum, const TensorReport& report,
                      std::vector<std::string>& warnings) {
  if (!report.compared || check.expr->dtype() == report.type || !given_up(check, report)) return;
  const std::string error = error_text(check, sum, report);
  if (error.empty()) return;
  warnings.push_back("tensor '" + printable(report.name) + "': " + error +
                     ", as the importance matrix asks for");
}

/// Says of values that are not finite that they were let pass, or how they may be.
void advise_on_nonfinite(const Check& check, const Comparison& sum, const VerifyOptions& options,
                         VerifyReport& report) {
  if (sum.nonfinite == 0 || !may_keep_nonfinite(check)) return;
  if (options.keep_nonfinite) {
    report.warnings.push_back("tensor '" + printable(check.info->name) + "': " + nonfinite_text(check, sum));
  } else if (report.hint.empty()) {
    report.hint = "if it was made with --on-nan keep, say so here, too; otherwise do not publish this file";
  }
}

/// Keys that the artifact may have for itself, whatever the source says.
bool is_own_key(std::string_view key) noexcept {
  constexpr std::string_view kOwn[] = {"general.file_type", "general.quantization_version"};
  return key.starts_with("qtz.") || key.starts_with("quantize.") || key.starts_with("split.") ||
         std::find(std::begin(kOwn), std::end(kOwn), key) != std::end(kOwn);
}

/// Keys that may follow from what the source's folder is called.
bool is_name_key(std::string_view key) noexcept {
  constexpr std::string_view kNames[] = {"general.name", "general.basename", "general.finetune",
                                         "general.version", "general.size_label"};
  return std::find(std::begin(kNames), std::end(kNames), key) != std::end(kNames);
}

void compare_metadata(const KvList& wanted, const KvList& found, VerifyReport& report) {
  for (const KvList::Entry& entry : wanted.entries()) {
    if (is_own_key(entry.key)) continue;
    const GgufValue* value = found.find(entry.key);
    if (value != nullptr && *value == entry.value) continue;
    auto& list = is_name_key(entry.key) ? report.warnings : report.problems;
    list.push_back("metadata key '" + printable(entry.key) +
                   (value == nullptr ? "' is missing" : "' has another value than the source gives"));
  }
}

/// What the artifact says about how it was made.
struct Making {
  bool by_this_version = false;
  bool with_importance = false;
};

Making making_of(const KvList& metadata) {
  const GgufValue* version = metadata.find("qtz.version");
  return {.by_this_version =
              version != nullptr && version->as_string() != nullptr && *version->as_string() == QTZ_VERSION,
          .with_importance = metadata.find("quantize.imatrix.entries_count") != nullptr};
}

void warn_of_importance(const Making& making, const QuantPlan& wanted, std::vector<std::string>& warnings) {
  if (making.with_importance && wanted.importance == nullptr) {
    warnings.push_back("made with an importance matrix: only gross errors show unless it is given, too");
  }
  if (!making.with_importance && wanted.importance != nullptr) {
    warnings.push_back("made without an importance matrix, so the one given is not used");
  }
}

/// Pairs the tensors of both sides by name; what has no partner or another shape is a problem.
std::vector<Check> pair_tensors(const GgufSource& file, const QuantPlan* plan, VerifyReport& report) {
  std::map<std::string_view, const PlanEntry*> wanted;
  const Making making = making_of(file.metadata());
  if (plan != nullptr) {
    for (const PlanEntry& entry : plan->entries) wanted.emplace(entry.name, &entry);
    warn_of_importance(making, *plan, report.warnings);
  }
  const bool importance_unknown = making.with_importance && (plan == nullptr || plan->importance == nullptr);

  std::vector<Check> checks;
  std::uint64_t tiles = 0;
  for (const TensorInfo& info : file.tensors()) {
    Check check;
    check.info = &info;
    check.must_be_exact = making.by_this_version && !importance_unknown;
    if (const auto found = wanted.find(info.name); found != wanted.end()) {
      const PlanEntry& entry = *found->second;
      if (entry.expr->shape() == info.shape) {
        check.expr = entry.expr.get();
        if (making.with_importance) check.importance = entry.importance;
      } else {
        report.problems.push_back("tensor '" + printable(info.name) + "' has shape " +
                                  info.shape.to_string() + ", the source gives " +
                                  entry.expr->shape().to_string());
      }
      wanted.erase(found);
    } else if (plan != nullptr) {
      report.problems.push_back("tensor '" + printable(info.name) + "' is not in the source");
    }
    check.weighted = !takes_nearest_levels(info.dtype) && (importance_unknown || !check.importance.empty());
    const bool may_cut = is_plain(info.dtype) && (check.expr == nullptr || is_plain(check.expr->dtype()));
    const bool per_expert = check.importance.size() > info.shape.cols();
    const std::uint64_t slice = per_expert ? info.shape[info.shape.rank() - 2] : info.shape.rows();
    const std::uint64_t elements = check.expr == nullptr ? kTileElements : tile_elements_of(*check.expr);
    check.grid = TileGrid(info.shape, slice, elements, may_cut);
    check.first_tile = tiles;
    tiles += check.grid.count();
    checks.push_back(check);
  }
  for (const auto& [name, entry] : wanted) {
    report.problems.push_back("tensor '" + printable(name) + "' is missing");
  }
  return checks;
}

/// Adds the tiles of a tensor in file order, in whatever order they come; few wait at any time.
class OrderedSum {
 public:
  /// True when this was the last of `count` tiles.
  bool add(std::uint64_t tile, const Comparison& part, std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(tile, part);
    for (auto next = waiting_.find(done_); next != waiting_.end(); next = waiting_.find(done_)) {
      sum_.add(next->second);
      waiting_.erase(next);
      ++done_;
    }
    return done_ == count;
  }
  const Comparison& sum() const noexcept { return sum_; }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, Comparison> waiting_;
  std::uint64_t done_ = 0;
  Comparison sum_;
};

void run_checks(const std::vector<Check>& checks, const GgufSource& file, const Backend& backend,
                const VerifyOptions& options, Progress& progress, const CancelToken& cancel,
                VerifyReport& report) {
  std::uint64_t bytes = 0;
  std::uint64_t tiles = 0;
  for (const Check& check : checks) {
    bytes += check.info->bytes;
    tiles += check.grid.count();
  }
  const unsigned threads = resolve_threads(options.threads);
  std::vector<Scratch> scratch(threads);
  std::vector<OrderedSum> sums(checks.size());
  progress.begin("verify", bytes, checks.size(), "tensors");
  parallel_for(tiles, threads, cancel, [&](unsigned worker, std::uint64_t index) {
    const auto after =
        std::upper_bound(checks.begin(), checks.end(), index,
                         [](std::uint64_t i, const Check& each) { return i < each.first_tile; });
    const auto at = static_cast<std::size_t>(after - checks.begin()) - 1;
    const Check& check = checks[at];
    const std::uint64_t number = index - check.first_tile;
    const Tile tile = check.grid.at(number);
    const Comparison part = look_at(check, tile, file, backend, options.encode_again, scratch[worker]);
    progress.advance(tile_bytes(check.info->dtype, tile));
    if (sums[at].add(number, part, check.grid.count())) progress.item_done(check.info->name);
  });
  progress.end();

  for (std::size_t i = 0; i < checks.size(); ++i) {
    report.tensors.push_back(report_of(checks[i], sums[i].sum(), backend, options));
    advise_on_nonfinite(checks[i], sums[i].sum(), options, report);
    warn_of_given_up(checks[i], sums[i].sum(), report.tensors.back(), report.warnings);
  }
}

bool recipe_says(const Manifest& manifest, std::string_view key, std::string_view text) {
  return std::any_of(manifest.recipe.begin(), manifest.recipe.end(), [&](const auto& fact) {
    const std::string* value = fact.second.as_string();
    return fact.first == key && value != nullptr && *value == text;
  });
}

/// Blocks of types that qtz cannot decode may hold anything.
void warn_of_undecoded(VerifyReport& report) {
  std::map<std::string_view, std::uint64_t> counts;
  for (const TensorReport& tensor : report.tensors) {
    if (!tensor.decoded && is_quantized(tensor.type)) ++counts[name_of(tensor.type)];
  }
  for (const auto& [type, count] : counts) {
    report.warnings.push_back("the blocks of " + std::to_string(count) + " tensors were not looked into: " +
                              std::string(type) + " is a type that qtz cannot decode");
  }
}

}  // namespace

bool VerifyReport::ok() const noexcept {
  return problems.empty() && std::all_of(tensors.begin(), tensors.end(),
                                         [](const TensorReport& each) { return each.problem.empty(); });
}

QuantPlan plan_to_verify(const GgufModel& model, const PlanOptions& made_with) {
  PlanOptions options;
  options.importance = made_with.importance;
  options.include_weights = made_with.include_weights;
  options.exclude_weights = made_with.exclude_weights;
  options.override_kv = made_with.override_kv;
  options.prune_layers = made_with.prune_layers;
  options.only_compares = true;
  return make_plan(model, find_file_type("F32"), options);
}

VerifyReport verify(const std::filesystem::path& artifact, const QuantPlan* wanted, const Backend& backend,
                    const VerifyOptions& given, Progress& progress, const CancelToken& cancel) {
  VerifyReport report;
  VerifyOptions options = given;
  if (options.manifest != nullptr && recipe_says(*options.manifest, "on_nan", "keep"))
    options.keep_nonfinite = true;
  std::unique_ptr<const GgufSource> file;
  try {
    file = std::make_unique<const GgufSource>(artifact);
  } catch (const WrongFile&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input_invalid) throw;
    report.problems.push_back(error.message());
    report.hint = error.hint();
  }
  if (options.manifest != nullptr) {
    check_manifest(artifact, file.get(), *options.manifest, options.source_files,
                   resolve_threads(options.threads), progress, cancel, report);
  }
  if (file == nullptr) return report;
  report.warnings.insert(report.warnings.end(), file->warnings().begin(), file->warnings().end());
  if (wanted != nullptr) compare_metadata(wanted->metadata, file->metadata(), report);
  const std::vector<Check> checks = pair_tensors(*file, wanted, report);
  run_checks(checks, *file, backend, options, progress, cancel, report);
  warn_of_undecoded(report);
  return report;
}

}  // namespace qtz
