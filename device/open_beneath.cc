#include "device/open_beneath.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/text.h"

namespace till::device {

Result<UniqueFd> OpenBeneath(int folder, std::string_view path, int flags) {
  const auto names = Split(path, '/');
  UniqueFd at;
  for (size_t i = 0; i < names.size(); i++) {
    const std::string name(names[i]);
    if (name.empty() || name == "." || name == "..") return Error{ErrorCode::kRefused, "a path that leads elsewhere"};
    const bool last = i + 1 == names.size();
    const int how = last ? flags | O_NONBLOCK | O_NOCTTY : O_RDONLY | O_DIRECTORY;
    const int next = openat(at.valid() ? at.get() : folder, name.c_str(), how | O_NOFOLLOW | O_CLOEXEC);
    // A folder's link is ENOTDIR where a folder is wanted, else ELOOP.
    if (next < 0 && errno == ELOOP) return Error{ErrorCode::kRefused, "a link is not followed"};
    if (next < 0) return SystemError("cannot open it");
    at = UniqueFd(next);
  }
  struct stat about;
  if (fstat(at.get(), &about) != 0) return SystemError("cannot look at it");
  const bool wanted = (flags & O_DIRECTORY) != 0 ? S_ISDIR(about.st_mode) : S_ISREG(about.st_mode);
  if (!wanted) return Error{ErrorCode::kRefused, "it is no regular file"};
  return at;
}

}  // namespace till::device
