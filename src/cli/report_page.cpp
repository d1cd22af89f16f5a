#include "cli/report_page.h"

#include "qtz/core/error.h"
#include "report_template.h"  // generated from report/

namespace qtz::cli {
namespace {

struct Parts {
  std::string_view title;
  std::string_view body;
  std::string_view style;
  std::string_view script;
};

Parts parts_of(ReportKind kind) {
  if (kind == ReportKind::compare) return {"qtz compare", kCompareHtml, kCompareCss, kCompareJs};
  return {"qtz eval", kEvalHtml, kEvalCss, kEvalJs};
}

/// Puts `text` where the template says `mark`.
void fill(std::string& page, std::string_view mark, std::string_view text) {
  const std::size_t at = page.find(mark);
  QTZ_CHECK(at != std::string::npos);
  page.replace(at, mark.size(), text);
}

}  // namespace

std::string report_page(ReportKind kind, const JsonValue& json) {
  // Inside a script only "<" can end it or begin a comment; in JSON it occurs in strings alone.
  std::string data;
  for (const char c : to_json(json, -1)) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  const Parts parts = parts_of(kind);
  std::string page(kPageHtml);
  fill(page, "/*TITLE*/", parts.title);
  fill(page, "/*CSS*/", std::string(kPageCss).append(parts.style));
  fill(page, "/*BODY*/", parts.body);
  // The data come last: no mark is looked for in them.
  fill(page, "/*JS*/", std::string(kPageJs).append(parts.script));
  fill(page, "/*DATA*/", data);
  return page;
}

OutputOptions report_output(bool overwrite, std::span<const GgufModel* const> models,
                            const Console& console) {
  OutputOptions options;
  options.overwrite = overwrite;
  options.protect = console.own_files();
  for (const GgufModel* model : models) {
    for (const InputFile& file : model->source->files()) options.protect.push_back(file.identity());
  }
  return options;
}

void write_report(const std::string& page, const std::string& path, const OutputOptions& options) {
  OutputFile file(path, page.size(), options);
  file.write(0, std::as_bytes(std::span(page)));
  file.commit();
}

}  // namespace qtz::cli
