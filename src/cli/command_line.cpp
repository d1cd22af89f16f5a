#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "cli/help.h"
#include "cli/version.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz::cli {
namespace {

constexpr const char* kDescription =
    "qtz: quantizes model weights; safetensors or GGUF in, GGUF for llama.cpp out";

constexpr const char* kExamples =
    "qtz quantize ./Llama-3.2-1B --type Q4_K_M     a model folder to one GGUF file\n"
    "qtz plan ./Llama-3.2-1B --type Q4_K_M         what that would do, tensor by tensor\n"
    "qtz verify Llama-3.2-1B-Q4_K_M.gguf --source ./Llama-3.2-1B";

struct CommonFlags {
  bool quiet = false;
  int verbosity = 0;
  std::string progress;
  std::string log_file;
  std::string json_events;
};

void add_common(CLI::App& app, CommonFlags& flags) {
  constexpr const char* kGroup = "Messages";
  add_switch(app, "-q,--quiet", flags.quiet, kGroup, "only warnings and errors");
  app.add_flag("-v,--verbose", flags.verbosity, "more detail; twice for times")
      ->disable_flag_override()
      ->group(kGroup);
  add_value(app, "--progress", flags.progress, "auto|always|never", kGroup,
            "how to show progress (default: auto)\n"
            "auto draws a bar when stderr is a terminal and otherwise prints a line at most\n"
            "every 10 seconds; always draws the bar; never shows nothing");
  add_value(app, "--log-file", flags.log_file, "FILE", kGroup,
            "every message with its time, details included, whatever the screen shows\n"
            "An earlier log is continued; a file that is none is left alone (exit 5).");
  add_value(app, "--json-events", flags.json_events, "FILE|fd:N|-", kGroup,
            "what happens, for programs: JSON Lines start, plan, tensor, progress, warning, result\n"
            "The last line is the result and has the exit code, also of a run that fails. An earlier\n"
            "event file is replaced; a file that is none is left alone (exit 5).");
  app.set_help_flag("-h", "short help")->group(kGroup);
  app.set_help_all_flag("--help", "long help with examples")->group(kGroup);
}

ConsoleSettings console_settings(const CommonFlags& flags) {
  ConsoleSettings settings{.quiet = flags.quiet,
                           .verbosity = flags.verbosity,
                           .progress = ProgressMode::automatic,
                           .log_file = flags.log_file,
                           .json_events = flags.json_events};
  const std::string mode = ascii_lower(flags.progress);
  if (mode == "always") {
    settings.progress = ProgressMode::always;
  } else if (mode == "never") {
    settings.progress = ProgressMode::never;
  } else if (!mode.empty() && mode != "auto") {
    throw Error(ErrorKind::usage,
                "--progress is auto, always or never, not '" + printable(flags.progress) + "'");
  }
  return settings;
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options({})) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    for (const auto& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  const auto near = nearest(word, candidates);
  return near ? "did you mean " + std::string(*near) + "?" : std::string();
}

std::string help_hint(const CLI::App& app) {
  return app.get_parent() == nullptr ? "see 'qtz -h'" : "see 'qtz " + app.get_name() + " -h'";
}

[[noreturn]] void throw_unexpected(const CLI::App& root, const CLI::App& app, const std::string& word) {
  const bool is_flag = word.size() > 1 && word.front() == '-';
  if (is_flag) {
    std::string name = word.substr(0, word.find('='));
    std::string hint = did_you_mean(name, flag_names(app));
    if (hint.empty() && name[1] != '-')
      hint = did_you_mean("-" + name, flag_names(app));  // "-type" for "--type"
    throw Error(ErrorKind::usage, "unknown flag '" + printable(name) + "'",
                hint.empty() ? help_hint(app) : hint);
  }
  if (&app != &root) {
    throw Error(ErrorKind::usage, "unexpected argument '" + printable(word) + "'", help_hint(app));
  }
  std::vector<std::string> commands;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back(command->get_name());
  }
  std::string hint = did_you_mean(word, commands);
  if (hint.empty() && word.find_first_of("./") != std::string::npos) {
    hint = "to quantize it: qtz quantize " + printable(word) + " --type Q4_K_M";
  }
  throw Error(ErrorKind::usage, "unknown command '" + printable(word) + "'",
              hint.empty() ? help_hint(root) : hint);
}

/// The words of the command line, split at the first "--".
struct Words {
  std::vector<std::string> before;
  std::vector<std::string> after;
};

Words split_words(int argc, const char* const* argv) {
  Words words;
  const std::vector<std::string> all(argv + std::min(argc, 1), argv + argc);
  const auto dashes = std::find(all.begin(), all.end(), "--");
  words.before.assign(all.begin(), dashes);
  if (dashes != all.end()) words.after.assign(dashes + 1, all.end());
  return words;
}

bool is_flag_of(const CLI::App& app, const std::string& word) {
  const std::vector<std::string> names = flag_names(app);
  return std::find(names.begin(), names.end(), word.substr(0, word.find('='))) != names.end();
}

void refuse_leftovers(const CLI::App& root, const CLI::App& app, const Words& words) {
  const auto leftovers = app.remaining();
  for (const auto& word : leftovers) {
    if (word == "--") continue;
    // Flags behind "--" fill the places of arguments, and what is left over then need not be a flag itself.
    const auto flag = std::find_if(words.after.begin(), words.after.end(),
                                   [&](const std::string& after) { return is_flag_of(app, after); });
    if (flag != words.after.end()) {
      throw Error(ErrorKind::usage,
                  "'" + printable(*flag) + "' comes after '--', so it is not taken as a flag",
                  "after '--' every word is an input or another argument; write the flags before it");
    }
    throw_unexpected(root, app, word);
  }
}

/// "--type= MODEL", as an empty shell variable makes it: CLI11 would take the next word for the value,
/// and "--force=" for "--force".
void refuse_empty_values(const CLI::App& app, const Words& words) {
  for (const auto& word : words.before) {
    if (!word.starts_with("--") || word.find('=') != word.size() - 1) continue;
    const std::string name = word.substr(0, word.size() - 1);
    const CLI::Option* option = app.get_option_no_throw(name);
    if (option == nullptr) continue;
    const bool is_switch = option->get_expected_max() == 0;
    throw Error(ErrorKind::usage, name + (is_switch ? " takes no value" : " was given an empty value"),
                help_hint(app));
  }
}

/// What CLI11 lets pass: a flag given twice that has one value, an empty value, a flag's name where a value
/// belongs.
void check_values(const CLI::App& app) {
  const std::vector<std::string> names = flag_names(app);
  for (const CLI::Option* option : app.get_options({})) {
    if (option->get_expected_max() == 0) continue;  // a switch
    const auto& values = option->results();
    const std::string name = option->get_name();
    if (values.size() > 1 && option->get_expected_max() <= 1) {
      throw Error(ErrorKind::usage, name + " was given " + std::to_string(values.size()) + " times",
                  help_hint(app));
    }
    for (const auto& value : values) {
      if (value.empty()) throw Error(ErrorKind::usage, name + " was given an empty value", help_hint(app));
      if (!option->get_positional() && std::find(names.begin(), names.end(), value) != names.end()) {
        throw Error(ErrorKind::usage, name + " needs a value, but " + value + " follows", help_hint(app));
      }
    }
  }
}

std::string misuse_text(const CLI::ParseError& error) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    if (text.ends_with(" missing")) return text.substr(0, text.find(':')) + " needs a value";
    if (const auto at = text.find(" was given a disallowed"); at != std::string::npos) {
      return "--" + text.substr(0, at) + " takes no value";
    }
  }
  return text;
}

std::string command_words(int argc, const char* const* argv) {
  std::string words = "qtz";
  for (int i = 1; i < argc; ++i) words += std::string(" ") + argv[i];
  return words;
}

JsonObject start_event(std::string_view command, int argc, const char* const* argv) {
  JsonArray arguments;
  for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
  return JsonObject{{"command", command}, {"version", version_number()}, {"arguments", std::move(arguments)}};
}

/// The value of a flag in a command line that cannot be understood as a whole.
std::string value_in(int argc, const char* const* argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with(flag) && word.substr(flag.size()).starts_with('=')) {
      return std::string(word.substr(flag.size() + 1));
    }
    const bool value_follows = i + 1 < argc && (argv[i + 1][0] != '-' || argv[i + 1][1] == '\0');
    if (word == flag && value_follows) return argv[i + 1];
  }
  return {};
}

/// Whoever follows a run by its events or its log learns of a misspelt flag there, too, and does not take
/// yesterday's for today's.
void open_records_of_misuse(int argc, const char* const* argv, Console& console) {
  try {
    ConsoleSettings settings;
    settings.log_file = value_in(argc, argv, "--log-file");
    settings.json_events = value_in(argc, argv, "--json-events");
    console.configure(settings, command_words(argc, argv));
    console.event("start", start_event(argc > 1 ? argv[1] : "", argc, argv));
  } catch (const Error&) {
    // The misuse is the error to be told.
  }
}

const CLI::App& deepest(const CLI::App& root) {
  const auto parsed = root.get_subcommands();
  return parsed.empty() ? root : *parsed.front();
}

/// What the words ask for: a page that is printed at once, or a command.
struct Wish {
  std::string page;
  const Command* command = nullptr;
};

Wish understand(CLI::App& root, std::span<const Command> commands, const bool& version, int argc,
                const char* const* argv) {
  const Words words = split_words(argc, argv);
  try {
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {root.help("", CLI::AppFormatMode::Normal), nullptr};
  } catch (const CLI::CallForAllHelp&) {
    return {root.help("", CLI::AppFormatMode::All), nullptr};
  } catch (const CLI::ParseError& error) {
    refuse_empty_values(deepest(root), words);
    throw Error(ErrorKind::usage, misuse_text(error), help_hint(deepest(root)));
  }
  if (version) return {version_text(), nullptr};
  const CLI::App& chosen = deepest(root);
  refuse_empty_values(chosen, words);
  refuse_leftovers(root, root, words);
  refuse_leftovers(root, chosen, words);
  check_values(chosen);
  if (&chosen == &root) {
    throw Error(ErrorKind::usage, "no command given",
                "start with 'qtz -h', or: qtz quantize MODEL --type Q4_K_M");
  }
  const auto command = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& candidate) { return candidate.app == &chosen; });
  return {{}, &*command};
}

}  // namespace

ExitCode run_command_line(int argc, const char* const* argv, Console& console) {
  CLI::App root{kDescription, "qtz"};
  root.formatter(make_help_formatter());
  root.allow_extras();
  root.require_subcommand(0, 1);
  set_examples(root, kExamples);
  bool version = false;
  add_switch(root, "--version", version, "Messages", "version, commit, backends and libraries");
  root.set_help_flag("-h", "short help")->group("Messages");
  root.set_help_all_flag("--help", "long help with examples")->group("Messages");

  const std::vector<Command> commands = {setup_quantize(root),    setup_plan(root),     setup_inspect(root),
                                         setup_verify(root),      setup_compare(root),  setup_calibrate(root),
                                         setup_eval(root),        setup_tokenize(root), setup_types(root),
                                         setup_archs(root),       setup_backends(root), setup_bench(root),
                                         setup_completions(root), setup_man(root)};
  CommonFlags common;
  for (const auto& command : commands) add_common(*command.app, common);

  Wish wish;
  try {
    wish = understand(root, commands, version, argc, argv);
  } catch (const Error&) {
    open_records_of_misuse(argc, argv, console);
    throw;
  }
  if (wish.command == nullptr) {
    console.data(wish.page);
    return ExitCode::ok;
  }
  const std::string name = wish.command->app->get_name();
  console.configure(console_settings(common), command_words(argc, argv));
  if (console.events_on_stdout() && wish.command->prints_data()) {
    throw Error(ErrorKind::usage,
                "--json-events on stdout would mix with what 'qtz " + name + "' prints there",
                "write them to a file, or to another descriptor: --json-events fd:3 3>events.jsonl");
  }
  console.event("start", start_event(name, argc, argv));
  return wish.command->run(console);
}

}  // namespace qtz::cli
