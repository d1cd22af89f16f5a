#include "cli/event_stream.h"

#include <cmath>
#include <iterator>
#include <utility>

namespace qtz::cli {

EventStream::EventStream(const std::string& target)
    : file_("--json-events", target, R"({"schema":1,"event":)", LineFile::Existing::replace) {}

bool EventStream::emit(std::string_view event, JsonObject fields) {
  const std::lock_guard lock(mutex_);
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  JsonObject line{{"schema", 1}, {"event", event}, {"elapsed", std::round(seconds * 1000) / 1000}};
  line.insert(line.end(), std::make_move_iterator(fields.begin()), std::make_move_iterator(fields.end()));
  return file_.write(to_json(JsonValue(std::move(line)), -1));
}

}  // namespace qtz::cli
